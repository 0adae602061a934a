"""Loss curves of one or several runs, from the metrics.json that Detectron2 writes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .figure_files import write_curves
from .line_styles import STYLES

Curves = dict[str, tuple[np.ndarray, np.ndarray]]


def read_losses(path: str | Path) -> Curves:
    """The losses of a run.

    Args:
        path: metrics.json, one JSON object a line. After a resumed run the later of two lines of
            one iteration counts; a line cut off by an interruption is left out if it is the last.

    Returns:
        name of each key with "loss" in it -> (iterations, values), both (n,).

    Raises:
        ValueError: the file cannot be read, or holds no loss; names the file and the line.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror or error}") from error
    found: dict[str, dict[int, float]] = {}
    for number, line in enumerate(lines, start=1):
        try:
            entry = json.loads(line)
            iteration = int(entry["iteration"])
        except (ValueError, KeyError, TypeError) as error:
            if number == len(lines):
                break
            raise ValueError(f"{path}: line {number} is no entry of a run: {error!r}") from error
        for key, value in entry.items():
            if "loss" in key and isinstance(value, int | float) and math.isfinite(value):
                found.setdefault(key, {})[iteration] = float(value)
    if not found:
        raise ValueError(f"{path}: there is no loss in it")
    curves = {}
    for key, values in found.items():
        iterations = sorted(values)
        curves[key] = (np.array(iterations), np.array([values[i] for i in iterations]))
    return curves


def plot_losses(runs: Mapping[str, Curves], path: str | Path) -> list[Path]:
    """One panel for each loss: the values faintly, their running median as a line.

    Args:
        runs: label -> curves of :func:`read_losses`.
        path: ``.png`` (and an SVG beside it), ``.svg`` or ``.pdf``.

    Returns:
        The files written.

    Raises:
        ValueError: no run.
    """
    if not runs:
        raise ValueError("no run to draw")
    keys = list(dict.fromkeys(key for curves in runs.values() for key in curves))
    keys.sort(key=lambda key: (not key.endswith("total_loss"), "val" not in key, key))
    columns = min(3, len(keys))
    rows = math.ceil(len(keys) / columns)
    figure = Figure(figsize=(0.6 + 3.2 * columns, 0.5 + 2.5 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(keys) :]:
        axes.set_visible(False)
    for key, axes in zip(keys, grid, strict=False):
        for k, (label, curves) in enumerate(runs.items()):
            if key in curves:
                _draw(axes, label, *curves[key], k)
        axes.set_title(key, fontsize="medium")
        axes.set(xlabel="iteration", ylim=(0, None))
        axes.grid(color="0.88", linewidth=0.6)
    grid[0].legend(fontsize="small")
    return write_curves(figure, path)


def running_median(values: np.ndarray, window: int) -> np.ndarray:
    """(n,) median of the ``window`` (odd) values around each; fewer at the ends."""
    half = window // 2
    return np.array(
        [np.median(values[max(0, k - half) : k + half + 1]) for k in range(len(values))]
    )


def _draw(axes: Axes, label: str, x: np.ndarray, y: np.ndarray, number: int) -> None:
    color, line, marker = STYLES[number % len(STYLES)]
    if len(x) < 15:
        axes.plot(x, y, color=color, linestyle=line, marker=marker, markersize=4, label=label)
        return
    axes.plot(x, y, color=color, linewidth=0.5, alpha=0.3)
    smooth = running_median(y, 2 * (len(y) // 30) + 1)
    axes.plot(x, smooth, color=color, linestyle=line, linewidth=1.5, label=label)
