"""The account of a preparation: a summary, and a CSV of every decision."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..account import annotations_of, count_split, write_account
from .index import FileIndex
from .links import Plan
from .outcome import LOST, METHODS
from .tables import Film
from .tiles import write_sheets

COLUMNS = (
    "film",
    "use",
    "abnormality_id",
    "decision",
    "detail",
    "mask_source",
    "confidence",
    "lesion_id",
    "lesion_match",
)


def summarize(
    plan: Plan,
    index: FileIndex,
    records: Mapping[str, Mapping[str, Any]],
    files: Mapping[str, Mapping[str, Any]],
    extra: Mapping[str, Any],
) -> dict[str, Any]:
    """Counts of files, images, findings, repairs, losses, links and lesion matches."""
    examined = [records[name] for name in (*plan.examined, *plan.set_aside)]
    findings = [item for record in examined for item in record["findings"]]
    notes = Counter(n["kind"] for r in records.values() for n in r["notes"])
    notes += Counter(n["kind"] for item in findings for n in item["notes"])
    matches = Counter(a["lesion_match"] for c in files.values() for a in c["annotations"])
    methods = Counter(item["method"] for item in findings)
    reasons = Counter(reason.partition(":")[0] for reason in plan.left_out.values())
    return {
        "files": index.counts(),
        "films examined": len(plan.examined),
        "films that are context only, as a finding is lost": len(plan.set_aside),
        "findings of such films that are not lost": _unused(plan, records),
        "films lost": sum(record["entry"] is None for record in examined),
        "findings": len(findings),
        "findings by source of the mask": {m: methods[m] for m in METHODS if methods[m]},
        "findings lost": methods[LOST],
        "decisions": dict(sorted(notes.items())),
        "films left out": dict(sorted(reasons.items())),
        "lesion ids by rule": dict(sorted(matches.items())),
        "splits": {split: count_split(content) for split, content in files.items()},
    } | dict(extra)


def _unused(plan: Plan, records: Mapping[str, Mapping[str, Any]]) -> int:
    """Findings that were found in vain, as another one of their film is lost."""
    items = [item for name in plan.set_aside for item in records[name]["findings"]]
    return sum(item["annotation"] is not None for item in items)


def decision_rows(
    films: Sequence[Film],
    plan: Plan,
    index: FileIndex,
    records: Mapping[str, Mapping[str, Any]],
    files: Mapping[str, Mapping[str, Any]],
    others: Sequence[tuple[str, str, str]],
) -> list[dict[str, Any]]:
    """One row for each finding of an examined film, and one for each further decision.

    Args:
        others: (film or file, decision, detail) of decisions outside of the films' records.
    """
    lesions = annotations_of(files, "abnormality_id")
    rows: list[dict[str, Any]] = []
    for film in sorted(films, key=lambda f: f.name):
        use = plan.examined.get(film.name) or f"context {plan.context.get(film.name, '')}".strip()
        if film.name in plan.left_out:
            rows.append(
                {"film": film.name, "use": "none", "decision": "left out"}
                | {"detail": plan.left_out[film.name]}
            )
            continue
        record = records[film.name]
        start = {"film": film.name, "use": use}
        if film.name in plan.set_aside:
            rows.append(start | {"decision": "context only", "detail": plan.set_aside[film.name]})
        rows += [start | {"decision": n["kind"], "detail": n["detail"]} for n in record["notes"]]
        for item in record["findings"]:
            lesion = lesions.get((f"{film.name}.png", item["abnormality_id"]), {})
            of_finding = start | {"abnormality_id": item["abnormality_id"]}
            rows.append(
                of_finding
                | {"decision": "finding", "mask_source": item["method"]}
                | {"confidence": item["confidence"]}
                | {key: lesion.get(key) for key in ("lesion_id", "lesion_match")}
            )
            rows += [
                of_finding | {"decision": n["kind"], "detail": n["detail"]} for n in item["notes"]
            ]
    rows += [{"film": path, "decision": "misplaced file"} for path in index.misplaced]
    rows += [{"film": path, "decision": "unknown file"} for path in index.unknown]
    rows += [{"film": name, "decision": what, "detail": text} for name, what, text in others]
    return rows


def write_report(
    folder: Path, summary: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], tiles: list[Path]
) -> None:
    """Write summary.json, summary.txt, decisions.csv and the contact sheets."""
    write_account(folder, summary, rows, COLUMNS)
    write_sheets(tiles, folder)
