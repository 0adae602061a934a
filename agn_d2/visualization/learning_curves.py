"""Learning curves from the metrics that a training wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

TRAINING = ("total_loss", "loss_cls", "loss_box_reg", "loss_mask", "loss_rpn_cls", "loss_rpn_loc")


def read_metrics(path: str | Path) -> list[dict[str, float]]:
    """The lines of a ``metrics.json``; one that a kill has cut off is left out.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no line of it is a measurement.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"No metrics {path}; a training writes metrics.json")
    rows = []
    for line in Path(path).read_text().splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if "iteration" in row:
            rows.append(row)
    if not rows:
        raise ValueError(f"{path} holds no metrics")
    return sorted(rows, key=lambda row: row["iteration"])


def curve(rows: Sequence[Mapping[str, float]], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Iterations and values of one metric, where it was measured."""
    points = [(row["iteration"], row[name]) for row in rows if name in row]
    return tuple(np.asarray(points, dtype=float).reshape(-1, 2).T)


def stage_starts(rows: Sequence[Mapping[str, float]]) -> list[tuple[int, float]]:
    """(number of the stage, iteration of its first line), in order."""
    iterations, stages = curve(rows, "stage")
    first = np.flatnonzero(np.diff(stages, prepend=-1.0))
    return [(int(stages[i]), float(iterations[i])) for i in first]


def learning_curves(
    rows: Sequence[Mapping[str, float]],
    *,
    stages: Sequence[str] = (),
    since: float | None = None,
) -> Figure:
    """Losses, validation and learning rate over the iterations, stages marked.

    Args:
        rows: what ``read_metrics`` returns.
        stages: names of the stages; default: their numbers from 1 on.
        since: first iteration to show.
    """
    rows = [row for row in rows if since is None or row["iteration"] >= since]
    losses = [name for name in TRAINING if any(name in row for row in rows)]
    watched = [name for name in ("val_loss",) if any(name in row for row in rows)]
    recalls = sorted({name for row in rows for name in row if name.startswith("froc/recall")})
    panels = [("loss", losses + watched)]
    if recalls:
        panels.append(("validation: lesion recall in %", recalls))
    panels.append(("learning rate", ["lr"]))
    heights = [3.2] + [1.8] * (len(panels) - 1)
    figure = Figure(figsize=(9, sum(heights) + 0.8), layout="constrained")
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for axis, (label, names) in zip(axes, panels, strict=True):
        _draw(axis, rows, label, names)
        for _, start in stage_starts(rows):
            axis.axvline(start, color="0.6", linewidth=0.8, linestyle=":")
    for number, start in stage_starts(rows):
        name = stages[number] if number < len(stages) else f"stage {number + 1}"
        axes[0].annotate(
            name, (start, 1), (3, 3), xycoords=("data", "axes fraction"), textcoords="offset points"
        )
    axes[-1].set_xlabel("iteration")
    return figure


def _draw(
    axis: Axes, rows: Sequence[Mapping[str, float]], label: str, names: Sequence[str]
) -> None:
    for name in names:
        iterations, values = curve(rows, name)
        measured_seldom = name == "val_loss" or "/" in name
        style = {"marker": "o", "markersize": 4} if measured_seldom else {}
        width = 2.0 if name in ("total_loss", "val_loss") else 1.0
        axis.plot(iterations, values, label=name.split("/")[-1], linewidth=width, **style)
    axis.set_ylabel(label)
    axis.set_ylim(bottom=0)
    axis.spines[["top", "right"]].set_visible(False)
    if len(names) > 1:
        axis.legend(frameon=False, fontsize=8, ncols=2, loc="upper right")
