"""One row of the benchmark, and the Markdown table of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

HEADER = (
    "| config | px | precision | mode | detector | s per image | ratio | quartiles | "
    "MiB per image | ratio |"
)


@dataclass(frozen=True)
class Row:
    """What one detector needs for one kind of run.

    Attributes:
        config, size, precision, mode, detector: what was run.
        seconds: median of a round, per examined image.
        rounds: seconds per examined image of every round.
        ratio: median over the rounds of the time beside stock Detectron2 in the same round.
        ratio_quartiles: 25th and 75th percentile of it.
        memory: peak MiB beyond weights and inputs, per examined image of a batch; None where it
            cannot be measured.
        memory_ratio: beside stock Detectron2.
    """

    config: str
    size: int
    precision: str
    mode: str
    detector: str
    seconds: float
    rounds: list[float]
    ratio: float
    ratio_quartiles: tuple[float, float]
    memory: float | None
    memory_ratio: float | None


def time_ratio(ours: Sequence[float], stock: Sequence[float]) -> tuple[float, tuple[float, float]]:
    """Median and quartiles of the ratio within a round.

    Both ran in each round one after the other, so what slowed down a round slowed down both.
    """
    ratios = np.asarray(ours, dtype=float) / np.asarray(stock, dtype=float)
    low, middle, high = np.percentile(ratios, [25, 50, 75])
    return float(middle), (float(low), float(high))


def markdown_table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [HEADER, "|" + "---|" * (HEADER.count("|") - 1)]
    for row in rows:
        low, high = row.ratio_quartiles
        memory = "–" if row.memory is None else f"{row.memory:.0f}"
        memory_ratio = "–" if row.memory_ratio is None else f"{row.memory_ratio:.2f}"
        lines.append(
            f"| {row.config} | {row.size} | {row.precision} | {row.mode} | {row.detector} | "
            f"{row.seconds:.3f} | {row.ratio:.2f} | {low:.2f}–{high:.2f} | {memory} | "
            f"{memory_ratio} |"
        )
    return "\n".join(lines)
