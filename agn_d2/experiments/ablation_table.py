"""The table of an ablation: mean and spread over seeds of the recall at each FPPI."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from ..evaluation.report import describe_rule
from ..evaluation.runs import RESCORED

Result = Mapping[str, Any]

# Ends the name of a data set whose results were re-scored.
AFTER_RELATION = f" + {RESCORED}"


def summarize(results: Sequence[Result], rows: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Results of runs, joined over the seeds.

    Args:
        results: each with ``row``, ``seed``, ``commit``, and ``datasets``: name -> FROC report.
        rows: names of the rows in the order of the table; those without a result stay in it, but
            for the tables "DATA SET + relation", which have the rows that were re-scored.

    Returns:
        data set -> one entry per row: ``row``, ``seeds``, ``commits``, ``fppi``, ``mean`` and
        ``spread`` (recall, 0 .. 1; the sample standard deviation; null where there is none, with
        one seed or without a lesion), ``mean_recall`` and ``mean_recall_spread`` (the same of the
        mean recall at 1/8 to 8 FPPI), ``rule``, ``images`` and ``lesions``.

    Raises:
        ValueError: the runs of a data set differ in the rule, the images or the lesions, so that
            they do not belong into one table.
    """
    names = sorted({name for result in results for name in result["datasets"]})
    return {name: _summarize_dataset(name, results, rows) for name in names}


def _summarize_dataset(
    name: str, results: Sequence[Result], rows: Sequence[str]
) -> list[dict[str, Any]]:
    of_dataset = [result for result in results if name in result["datasets"]]
    rules = {_rule(result["datasets"][name]) for result in of_dataset}
    if len(rules) > 1:
        raise ValueError(f"{name}: the runs were evaluated differently: {sorted(map(str, rules))}")
    report = of_dataset[0]["datasets"][name]
    if name.endswith(AFTER_RELATION):
        rescored = {result["row"] for result in of_dataset}
        rows = [row for row in rows if row in rescored]
    return [
        {
            **_summarize_row([r for r in of_dataset if r["row"] == row], name, report["fppi"]),
            "row": row,
            "fppi": report["fppi"],
            "rule": describe_rule(report),
            "images": report["images"],
            "lesions": report["lesions"],
        }
        for row in rows
    ]


def _rule(report: Mapping[str, Any]) -> tuple[Any, ...]:
    return describe_rule(dict(report)), tuple(report["fppi"])


def _summarize_row(results: Sequence[Result], name: str, fppi: Sequence[float]) -> dict[str, Any]:
    reports = [result["datasets"][name] for result in results]
    columns = [[report["recall"][k] for report in reports] for k in range(len(fppi))]
    # Results of former versions have none.
    of_means = [report.get("mean_recall") for report in reports]
    return {
        "seeds": [result["seed"] for result in results],
        "commits": sorted({str(result.get("commit")) for result in results}),
        "mean": [_mean(column) for column in columns],
        "spread": [_spread(column) for column in columns],
        "mean_recall": _mean(of_means),
        "mean_recall_spread": _spread(of_means),
    }


def _mean(values: Sequence[float | None]) -> float | None:
    return statistics.mean(values) if values and None not in values else None


def _spread(values: Sequence[float | None]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 and None not in values else None


def format_markdown(summary: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """The summary as Markdown, one table a data set; recall in percent."""
    return "\n\n".join(_format_dataset(name, rows) for name, rows in summary.items()) + "\n"


def _format_dataset(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    fppi = rows[0]["fppi"]
    columns = [*(f"{x:g} FPPI" for x in fppi), "mean", "lesions", "images"]
    lines = [
        f"Recall (%) on {name}; {rows[0]['rule']}; mean: of the recall at 1/8, 1/4, 1/2, 1, 2, 4 "
        "and 8 FPPI. Mean ± standard deviation over the seeds.",
        "",
        f"| row | {' | '.join(columns)} | seeds | commit |",
        f"|---|{'--:|' * len(columns)}---|---|",
    ]
    for row in rows:
        cells = [_cell(m, s) for m, s in zip(row["mean"], row["spread"], strict=True)]
        cells.append(_cell(row["mean_recall"], row["mean_recall_spread"]))
        seeds = ", ".join(map(str, row["seeds"])) or "not run"
        commits = ", ".join(row["commits"])
        counts = f"{row['lesions']} | {row['images']}"
        lines.append(f"| {row['row']} | {' | '.join(cells)} | {counts} | {seeds} | {commits} |")
    return "\n".join(lines)


def _cell(mean: float | None, spread: float | None) -> str:
    if mean is None:
        return "–"
    return f"{100 * mean:.1f}" + ("" if spread is None else f" ± {100 * spread:.1f}")
