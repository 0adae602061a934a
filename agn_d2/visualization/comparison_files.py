"""A comparison of models as files: tables, JSON and the FROC figure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..evaluation.comparison import Comparison
from ..evaluation.comparison_text import comparison_markdown
from ..evaluation.report import curve_to_dict
from ..utils.files import write_text
from .froc import plot_froc


def write_comparison(
    comparison: Comparison,
    folder: Path,
    name: str,
    files: Mapping[str, Sequence[Path]],
    facts: Mapping[str, Any],
    preface: str = "",
) -> str:
    """Write ``<name>.md``, ``<name>.json``, ``froc.png`` and ``froc.svg``.

    Args:
        comparison: what ``compare`` found.
        folder: to write into.
        name: of the tables.
        files: model -> the results file of each of its runs.
        facts: further keys of the JSON, before the report's.
        preface: Markdown that stands before the tables.

    Returns:
        the Markdown.
    """
    report = comparison.report
    for model, runs in files.items():
        entries = zip(report["models"][model]["runs"], runs, comparison.curves[model], strict=True)
        for entry, file, curve in entries:
            entry |= {"file": str(file), "curve": curve_to_dict(curve)}
    markdown = preface + comparison_markdown(report)
    content = json.dumps({**facts, **report}, indent=1, allow_nan=False)
    write_text(folder / f"{name}.json", content + "\n")
    write_text(folder / f"{name}.md", markdown)
    plot_froc(
        comparison.mean_curves,
        folder / "froc.png",
        fppi=report["fppi"],
        intervals=comparison.intervals,
        runs=comparison.curves,
        rule=report["rule"]["text"],
    )
    return markdown
