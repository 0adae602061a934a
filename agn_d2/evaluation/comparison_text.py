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
    "views at hand": "By the views at hand",
    "mass size": "By mass size (FPPI over all images)",
}


def comparison_markdown(report: dict[str, Any]) -> str:
    """Tables of recall in % with intervals, and of differences in percentage points.

    Args:
        report: of ``compare``.
    """
    lines = ["# FROC", "", report["rule"]["text"] + "."]
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
            mark = report["models"][name]["truncated"] if part["breakdown"] == "all" else ()
            cells = [
                recall_cell(row, k) + (" *" if x in mark else "")
                for k, x in enumerate(report["fppi"])
            ]
            rows.append([part["name"], name, part["images"], part["lesions"], *cells])
    return _grid(["part", "model", "images", "targets", *_at(report)], rows)


def _differences(report: dict[str, Any]) -> list[str]:
    rows = []
    for part in report["parts"]:
        for name, row in part["models"].items():
            if "difference" in row:
                cells = [difference_cell(row["difference"], k) for k in range(len(report["fppi"]))]
                rows.append([part["breakdown"], part["name"], name, *cells])
    return _grid(["", "part", "model", *_at(report)], rows)


def _runs(report: dict[str, Any]) -> list[list[Any]]:
    """The runs of each model that has several, one row each, and a row of mean and spread."""
    rows = []
    for name, model in report["models"].items():
        if model["spread"] is None:
            continue
        for number, run in enumerate(model["runs"], 1):
            rows.append([name, number, *map(_percent, run["recall"])])
        mean = report["parts"][0]["models"][name]["recall"]
        both = zip(mean, model["spread"], strict=True)
        rows.append([name, "mean", *(f"{_percent(m)} ± {_percent(s)}" for m, s in both)])
    return rows


def remarks(report: dict[str, Any]) -> list[str]:
    """What one must know of the tables."""
    lines = [f"{note}." for note in report["notes"]]
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
    return lines


def _at(report: dict[str, Any]) -> list[str]:
    return [f"{x:g} FPPI" for x in report["fppi"]]


def recall_cell(row: dict[str, Any], k: int) -> str:
    """Recall in % and its interval, of one model at one FPPI."""
    return _percent(row["recall"][k]) + _interval(row, k, "{:.1f}")


def difference_cell(row: dict[str, Any], k: int) -> str:
    """Difference in percentage points and its interval."""
    if row["value"][k] is None:
        return "–"
    return f"{100 * row['value'][k]:+.1f}" + _interval(row, k, "{:+.1f}")


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def _interval(row: dict[str, Any], k: int, form: str) -> str:
    if "low" not in row or row["low"][k] is None:
        return ""
    ends = " to ".join(form.format(100 * row[end][k]) for end in ("low", "high"))
    return f" ({ends})"


def _grid(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    return lines + ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
