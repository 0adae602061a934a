"""From the films' records to the canonical COCO files, with one id for a lesion in both views."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...data.builtin import SPLITS
from ..coco_files import CATEGORIES, split_content
from ..lesion_match import Seen, match_views, seen_distance
from .tables import Film, Finding

CALCIFICATION = {"id": 2, "name": "calcification", "supercategory": "lesion"}
# What may differ between the views, or is one for the breast, does not tell lesions apart.
_NOT_COMPARED = {"pathology", "subtlety", "breast_density"}

LesionKey = tuple[str, int]  # film name, abnormality id


def categories(subset: str) -> list[dict[str, Any]]:
    """The COCO categories of a subset; a single one has the id 1."""
    if subset == "all":
        return [*CATEGORIES, CALCIFICATION]
    return CATEGORIES if subset == "mass" else [CALCIFICATION | {"id": 1}]


def lesion_ids(
    films: Sequence[Film], records: Mapping[str, Mapping[str, Any]]
) -> dict[LesionKey, tuple[str, str]]:
    """One id for each lesion, shared by its CC and its MLO view where the match is sure.

    Args:
        films: examined films.
        records: film name -> record of ``prepare_film``.

    Returns:
        (film name, abnormality id) -> (lesion id, the rule that decided, or why none did).
    """
    breasts: dict[tuple[str, ...], dict[str, list[tuple[Film, Finding]]]] = defaultdict(dict)
    for film in films:
        key = (film.patient_id, film.laterality, film.subset)
        breasts[key][film.view] = [(film, finding) for finding in film.findings]
    ids: dict[LesionKey, tuple[str, str]] = {}
    for key, views in breasts.items():
        cc, mlo = views.get("CC", []), views.get("MLO", [])
        pairs = match_views(_seen(cc, records), _seen(mlo, records)) if cc and mlo else []
        reason = "unsure" if cc and mlo else "one view"
        for film, finding in cc + mlo:
            number = finding.abnormality_id
            own = "_".join((*key, f"{film.view.lower()}{number}"))
            ids[film.name, number] = (own, reason)
        for pair in pairs:
            ends = [(f.name, g.abnormality_id) for f, g in (cc[pair.cc], mlo[pair.mlo])]
            shared = "_".join((*key, f"cc{ends[0][1]}", f"mlo{ends[1][1]}"))
            ids |= dict.fromkeys(ends, (shared, pair.rule))
    return ids


def _seen(
    findings: Sequence[tuple[Film, Finding]], records: Mapping[str, Mapping[str, Any]]
) -> list[Seen]:
    seen = []
    for film, finding in findings:
        record, number = records[film.name], finding.abnormality_id
        annotations = {item["abnormality_id"]: item["annotation"] for item in record["findings"]}
        facts = tuple(v for k, v in sorted(finding.facts.items()) if k not in _NOT_COMPARED)
        distance = seen_distance(annotations.get(number), record["landmarks"])
        seen.append(Seen(number, finding.facts["pathology"], facts, distance))
    return seen


def coco_files(
    films: Sequence[Film],
    splits: Mapping[str, str],
    context: Mapping[str, str],
    records: Mapping[str, Mapping[str, Any]],
    subset: str,
) -> dict[str, dict[str, Any]]:
    """The COCO JSON of each split.

    Args:
        films: all films that are used, examined ones and context.
        splits: name of an examined film -> split.
        context: name of a context film -> split.
        records: film name -> record of ``prepare_film``.
        subset: "mass", "calc" or "all".

    Returns:
        split -> content; images sorted by name, ids from 1, context under ``context_images``.
    """
    by_name = {film.name: film for film in films}
    there = {name for name, record in records.items() if record["entry"] is not None}
    ids = lesion_ids([by_name[name] for name in splits], records)
    numbers = {entry["name"]: entry["id"] for entry in categories(subset)}

    def image(name: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        film, record = by_name[name], records[name]
        category = numbers["mass" if film.subset == "mass" else "calcification"]
        density = {"breast_density": film.findings[0].facts["breast_density"]}
        annotations = [
            _annotation(finding, item, ids[name, finding.abnormality_id])
            | {"category_id": category}
            for finding, item in zip(film.findings, record["findings"], strict=True)
            if item["annotation"] is not None
        ]
        return record["entry"] | density, annotations

    def of_split(uses: Mapping[str, str], split: str) -> list[str]:
        return sorted(name for name in uses if uses[name] == split and name in there)

    return {
        split: split_content(
            (image(name) for name in of_split(splits, split)),
            (records[name]["entry"] for name in of_split(context, split)),
            categories(subset),
        )
        for split in SPLITS
    }


def films_with_lost_findings(
    names: Iterable[str], records: Mapping[str, Mapping[str, Any]]
) -> dict[str, str]:
    """Films that are there, but of which a finding is lost: name -> which findings.

    Examined, such a film would teach, and count, a lesion as background.
    """
    lost = {}
    for name in names:
        record = records[name]
        items = [i["abnormality_id"] for i in record["findings"] if i["annotation"] is None]
        if record["entry"] is not None and items:
            lost[name] = f"a finding is lost: {', '.join(map(str, items))}"
    return lost


def _annotation(
    finding: Finding, item: Mapping[str, Any], lesion: tuple[str, str]
) -> dict[str, Any]:
    facts = {key: value for key, value in finding.facts.items() if key != "breast_density"}
    return (
        item["annotation"]
        | {"lesion_id": lesion[0], "lesion_match": lesion[1]}
        | {"abnormality_id": finding.abnormality_id}
        | facts
        | {"mask_source": item["method"], "mask_confidence": item["confidence"]}
    )
