"""The account of a preparation: what was used, repaired and left out, as counts and row by row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from .account import annotations_of, count_split
from .core import Source
from .core_plan import LESION_LOST, FilmPlan

COLUMNS = (
    "film",
    "use",
    "lesion",
    "decision",
    "detail",
    "annotated_as",
    "lesion_id",
    "lesion_match",
)
Records = Mapping[str, Mapping[str, Any]]
Files = Mapping[str, Mapping[str, Any]]


def summarize(source: Source, plan: FilmPlan, records: Records, files: Files) -> dict[str, Any]:
    """Counts of films, lesions, decisions and links.

    Args:
        source: the data set.
        plan: what its films were used for.
        records: film name -> record of ``film_step``.
        files: split -> COCO content.
    """
    used = [record for name, record in records.items() if name in plan.used]
    notes = Counter(kind for record in records.values() for kind, _ in record["notes"])
    lesions = [item for record in used for item in record["lesions"]]
    notes += Counter(kind for item in lesions for kind, _ in item["notes"])
    matches = Counter(a["lesion_match"] for c in files.values() for a in c["annotations"])
    left_out = Counter(why.partition(":")[0] for _, why in source.left_out)
    left_out += Counter(why.partition(":")[0] for why in plan.left_out.values())
    lost = [why for why in plan.context_reasons.values() if why.startswith(LESION_LOST)]
    unread = {"columns that are not read": list(source.unread)} if source.unread else {}
    return unread | {
        "films in the tables": len(source.films),
        "films examined": len(plan.examined),
        "films examined without a lesion": sum(
            not any(item["annotation"] for item in records[name]["lesions"])
            for name in plan.examined
        ),
        "films that are context only, as a lesion is lost": len(lost),
        "films that are context only, as the tables say": len(plan.context) - len(lost),
        "lesions": sum(len(film.lesions) for film in source.films),
        "lesions used": sum(len(content["annotations"]) for content in files.values()),
        "decisions": dict(sorted(notes.items())),
        "left out": dict(sorted(left_out.items())),
        "lesion ids by rule": dict(sorted(matches.items())),
        "splits": {split: count_split(content) for split, content in files.items()},
    }


def decision_rows(
    source: Source, plan: FilmPlan, records: Records, files: Files
) -> list[dict[str, Any]]:
    """One row for each lesion, and one for each further decision (``COLUMNS``)."""
    rows: list[dict[str, Any]] = []
    lesions = annotations_of(files, "lesion")
    for film in sorted(source.films, key=lambda film: film.name):
        start = {"film": film.name, "use": plan.use(film.name)}
        record = records.get(film.name, {"notes": film.notes, "lesions": []})
        rows += [start | {"decision": kind, "detail": text} for kind, text in record["notes"]]
        reason = plan.left_out.get(film.name) or plan.context_reasons.get(film.name)
        if reason is not None:
            kind = "left out" if film.name in plan.left_out else "context only"
            rows.append(start | {"decision": kind, "detail": reason})
        for item in record["lesions"]:
            of_lesion = start | {"lesion": item["name"]}
            linked = lesions.get((f"{film.name}.png", item["name"]), {})
            source_of = "mask" if "segmentation" in (item["annotation"] or {}) else "box"
            used = {"decision": "lesion", "annotated_as": source_of if linked else ""}
            used |= {key: linked.get(key, "") for key in ("lesion_id", "lesion_match")}
            rows.append(of_lesion | used)
            rows += [of_lesion | {"decision": kind, "detail": text} for kind, text in item["notes"]]
    rows += [
        {"film": what, "use": "none", "decision": "left out", "detail": why}
        for what, why in source.left_out
    ]
    return rows
