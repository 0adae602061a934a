"""A comparison as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

TITLES = {
    "all": "All images",
    "recall per": "Recall per lesion and per breast (found in any view)",
    "view": "By view",
    "density": "By breast density",
    "available views": "By the available views",
    "mass size": "By mass size (FPPI over all images that are counted)",
}
CANDIDATES = (
    "AUC: how often a detection that reaches a lesion scores higher than one that reaches none."
)


def comparison_markdown(report: dict[str, Any]) -> str:
    """Tables of recall in % with intervals, and of differences in percentage points.

    Args:
        report: what ``compare`` returns.
    """
    lines = ["# FROC", "", report["rule"]["text"] + "."]
    lines += ["mean: mean of the recall at 1/8, 1/4, 1/2, 1, 2, 4 and 8 FPPI."]
    bootstrap = report["bootstrap"]
    if any(len(model["runs"]) > 1 for model in report["models"].values()):
        lines += ["The recall of a model with several runs is their mean."]
    if bootstrap:
        lines += [
            f"Recall in %, in brackets the {100 * bootstrap['level']:g} % interval of a bootstrap "
            f"over patients ({bootstrap['draws']} draws, seed {bootstrap['seed']})."
        ]
    for breakdown, parts in groupby(report["parts"], key=lambda part: part["breakdown"]):
        lines += ["", f"## {TITLES[breakdown]}", "", *_table(report, list(parts))]
    if report["baseline"]:
        lines += ["", f"## Difference to {report['baseline']}, in percentage points", ""]
        lines += ["Both models on the same draws.", "", *_differences(report)]
    lines += ["", "## Candidates", "", CANDIDATES, "", *_candidates(report)]
    runs = _runs(report)
    if runs:
        lines += ["", "## Run by run", "", "Recall in %, mean ± standard deviation (n - 1)."]
        lines += ["How runs scatter is in no interval.", ""]
        lines += _grid(["model", "run", *_at(report)], runs)
    lines += ["", *(f"- {remark}" for remark in remarks(report))]
    return "\n".join(lines).rstrip() + "\n"


def _table(report: dict[str, Any], parts: Sequence[dict[str, Any]]) -> list[str]:
    rows = []
    for part in parts:
        for name, row in part["models"].items():
            cells = recall_cells(row, report["fppi"])
            rows.append([part["name"], name, part["images"], part["lesions"], *cells])
    return _grid(["part", "model", "images", "targets", *_at(report)], rows)


def _differences(report: dict[str, Any]) -> list[str]:
    rows = []
    for part in report["parts"]:
        for name, row in part["models"].items():
            if "difference" in row:
                cells = difference_cells(row["difference"])
                rows.append([part["breakdown"], part["name"], name, *cells])
    return _grid(["", "part", "model", *_at(report)], rows)


def _candidates(report: dict[str, Any]) -> list[str]:
    rows = []
    for name, row in report["candidates"].items():
        counts = [", ".join(map(str, row[key])) for key in ("masses", "others")]
        cells = [_value(row, "auc", "{:.3f}")]
        if report["baseline"]:
            cells.append(_value(row.get("difference", {}), "value", "{:+.3f}"))
        rows.append([name, *counts, *cells])
    header = ["model", "on a lesion", "on none", "AUC"]
    return _grid([*header, *(["difference"] if report["baseline"] else [])], rows)


def _value(row: dict[str, Any], key: str, form: str) -> str:
    """A figure and its interval, where there are such."""
    if row.get(key) is None:
        return "–"
    ends = (row.get("low"), row.get("high"))
    interval = "" if None in ends else f" ({' to '.join(form.format(end) for end in ends)})"
    return form.format(row[key]) + interval


def _runs(report: dict[str, Any]) -> list[list[Any]]:
    """The runs of each model that has several, one row each, and a row of mean and spread."""
    rows = []
    for name, model in report["models"].items():
        if model["spread"] is None:
            continue
        for number, run in enumerate(model["runs"], 1):
            rows.append([name, number, *map(_percent, _values(run, "recall"))])
        mean = _values(report["parts"][0]["models"][name], "recall")
        both = zip(mean, _values(model, "spread"), strict=True)
        rows.append([name, "mean", *(f"{_percent(m)} ± {_percent(s)}" for m, s in both)])
    return rows


def remarks(report: dict[str, Any]) -> list[str]:
    """What one must know of the tables."""
    lines = [f"{note}." for note in report["notes"]]
    if not report["rule"]["lesions"]:
        return [*lines, "There is no lesion: recall is undefined."]
    for name, model in report["models"].items():
        for number, run in enumerate(model["runs"], 1):
            of_several = f" (run {number})" if len(model["runs"]) > 1 else ""
            if not run["detections"]:
                lines.append(f"{name}{of_several} has no detection: its recall is 0.")
            elif run["max_fppi"] < max(report["fppi"]):
                lines.append(
                    f"\\* {name}{of_several} ends at {run['max_fppi']:.4g} FPPI: "
                    "its last recall stands there."
                )
    whole, *parts = report["parts"]
    if any(
        not set(row["truncated"]) <= set(whole["models"][name]["truncated"])
        for part in parts
        for name, row in part["models"].items()
    ):
        lines.append("\\* in a part: the curve on its images ends before, its last recall stands.")
    return lines


def _at(report: dict[str, Any]) -> list[str]:
    return [*(f"{x:g} FPPI" for x in report["fppi"]), "mean"]


def recall_cells(row: dict[str, Any], fppi: Sequence[float]) -> list[str]:
    """Recall of one model in % and its interval, at each FPPI; the mean recall last.

    Where the model's curve on the part ends before an FPPI, its cell ends with a star.
    """
    cells = _cells(row, "recall", "{:.1f}")
    for k, x in enumerate(fppi):
        cells[k] += " *" * (x in row["truncated"] and row["recall"][k] is not None)
    return cells


def difference_cells(row: dict[str, Any]) -> list[str]:
    """Difference in percentage points and its interval, at each FPPI; that of the means last."""
    return _cells(row, "value", "{:+.1f}")


def _cells(row: dict[str, Any], key: str, form: str) -> list[str]:
    values = _values(row, key)
    ends = zip(_values(row, "low"), _values(row, "high"), strict=True) if "low" in row else ()
    intervals = ["" if None in pair else f" ({_to(pair, form)})" for pair in ends]
    intervals = intervals or [""] * len(values)
    return [
        "–" if value is None else form.format(100 * value) + interval
        for value, interval in zip(values, intervals, strict=True)
    ]


def _to(pair: Sequence[float], form: str) -> str:
    return " to ".join(form.format(100 * end) for end in pair)


def _values(row: dict[str, Any], key: str) -> list[float | None]:
    return [*row[key], row[f"mean_{key}"]]


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def _grid(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    return lines + ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
