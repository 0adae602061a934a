"""The losses about the beginning of a stage, beside controls that went another way from there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from .legends import named_legend
from .line_styles import STYLES
from .training_metrics import curve, stage_starts

Rows = Sequence[Mapping[str, float]]
WINDOW = 15


def stage_start(rows: Rows, stage: int) -> int:
    """First iteration of a stage, counted from 1.

    Raises:
        ValueError: the run has no such stage.
    """
    starts = {number + 1: int(start) for number, start in stage_starts(rows)}
    if stage not in starts:
        raise ValueError(f"no stage {stage} in the metrics, only {sorted(starts)}")
    return starts[stage]


def losses_by_step(rows: Rows) -> dict[int, float]:
    """Iteration -> total loss."""
    iterations, values = curve(rows, "total_loss")
    return dict(zip(iterations.astype(int).tolist(), values.tolist(), strict=True))


def running_median(values: np.ndarray, window: int) -> np.ndarray:
    """(n,) median of the ``window`` (odd) values around each; fewer at the ends."""
    half = window // 2
    return np.array(
        [np.median(values[max(0, k - half) : k + half + 1]) for k in range(len(values))]
    )


def change_table(runs: Mapping[str, Rows], stage: int) -> list[tuple[str, list[float]]]:
    """Mean losses of the first run just before a stage, and of all runs in it.

    Args:
        runs: label -> rows; the first one is the run itself, the others are controls.
        stage: counted from 1.

    Returns:
        ("before", [mean of the last 50 steps]), then for each run its label with the means over
        the first, the first 10, 50 and 200 steps of the stage; NaN where it is shorter.
    """
    start = stage_start(next(iter(runs.values())), stage)
    losses = {label: losses_by_step(rows) for label, rows in runs.items()}
    first = next(iter(losses.values()))
    before = [first[i] for i in range(start - 50, start) if i in first]
    table = [("before", [float(np.mean(before)) if before else np.nan])]
    for label, found in losses.items():
        means = []
        for steps in (1, 10, 50, 200):
            values = [found[i] for i in range(start, start + steps) if i in found]
            means.append(float(np.mean(values)) if len(values) == steps else np.nan)
        table.append((label, means))
    return table


def stage_change_figure(runs: Mapping[str, Rows], stage: int, before: int, after: int) -> Figure:
    """Losses of every step, faint, with their running median, and the step's difference.

    Args:
        runs: label -> rows; the first one is the run itself, the others are controls that share
            the steps before the stage.
        stage: counted from 1.
        before, after: steps to show on both sides of its beginning.

    Raises:
        ValueError: the run has no such stage.
    """
    (name, rows), *_ = runs.items()
    start = stage_start(rows, stage)
    figure = Figure(figsize=(9, 5.5), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1.6])
    own = losses_by_step(rows)
    entries = {top: [], bottom: []}
    shown = range(start - before, start + after)
    for k, (label, of_run) in enumerate(runs.items()):
        color, line, _ = STYLES[k % len(STYLES)]
        found = losses_by_step(of_run)
        steps = np.array([i for i in shown if i in found and (k == 0 or i >= start)])
        values = np.array([found[i] for i in steps])
        top.plot(steps, values, ".", color=color, markersize=2.5, alpha=0.35)
        for part in (steps < start, steps >= start):
            # Not across the beginning of the stage, where a jump would be smoothed away.
            smooth = running_median(values[part], WINDOW)
            (drawn,) = top.plot(steps[part], smooth, color=color, linestyle=line, linewidth=1.6)
        entries[top].append((label, drawn))
        if k:
            both = [i for i in steps if i in own]
            difference = [own[i] - found[i] for i in both]
            (drawn,) = bottom.plot(both, difference, color=color, linewidth=0.9)
            entries[bottom].append((f"{name} - {label}", drawn))
    for axes in (top, bottom):
        axes.axvline(start, color="0.5", linewidth=0.9, linestyle=":")
        axes.spines[["top", "right"]].set_visible(False)
        named_legend(axes, entries[axes], frameon=False, fontsize=8, loc="upper right")
    bottom.axhline(0, color="0.6", linewidth=0.6)
    top.set_ylim(bottom=0)
    top.set_ylabel("total loss of a step")
    bottom.set_ylabel("difference")
    bottom.set_xlabel("iteration")
    return figure
