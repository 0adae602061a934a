"""Figures around the operating point: metrics against the threshold, confidences, sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..evaluation.operating_point import OperatingCurve, OperatingPoint
from .figure_files import write_curves
from .line_styles import STYLES

_HATCHES = ("", "////", "....", "xxxx")


def plot_metrics(
    curve: OperatingCurve, path: str | Path, *, marked: Mapping[str, OperatingPoint], rule: str = ""
) -> list[Path]:
    """Precision, recall and F1 against the score threshold, FPPI below.

    Args:
        curve: FROC curve of one model.
        path: ``.png`` (and an SVG beside it), ``.svg`` or ``.pdf``.
        marked: label -> a point whose threshold is drawn as a line.
        rule: printed above the axes.

    Returns:
        The files written.
    """
    figure, (above, below) = _axes(6.4, 5.6, 2, [3, 1], sharex=True)
    for k, name in enumerate(("precision", "recall", "f1")):
        color, line, _ = STYLES[k]
        label = "F1" if name == "f1" else name
        _steps(above, curve.thresholds, getattr(curve, name), color=color, ls=line, label=label)
    _steps(below, curve.thresholds, curve.fppi, color="black", ls="-")
    for label, point in marked.items():
        for axes in (above, below):
            axes.axvline(point.threshold, color="0.5", linewidth=0.9)
        above.annotate(
            f"{label}: {point.threshold:.3f}", (point.threshold, 0.02), xytext=(-2, 0),
            textcoords="offset points", rotation=90, ha="right", va="bottom", fontsize="x-small",
        )  # fmt: skip
    above.set(ylim=(0, 1.02), ylabel="value")
    above.set_title(rule, fontsize="small", wrap=True)
    above.legend(fontsize="small", loc="best")
    below.set(xlabel="score threshold", ylabel="FPPI")
    below.set_yscale("symlog", linthresh=1)
    below.set_ylim(bottom=0)
    for axes in (above, below):
        axes.grid(color="0.88", linewidth=0.6)
    return write_curves(figure, path)


def plot_confidence(
    scores: Mapping[str, np.ndarray], path: str | Path, *, bins: int = 25, rule: str = ""
) -> list[Path]:
    """Histogram of the scores of each kind of detection (hits, false positives, ...).

    Args:
        scores: kind -> scores; drawn on one axis of counts, logarithmic, as there are many more
            false positives than hits.
    """
    figure, (axes,) = _axes(6.4, 4.2, 1, [1])
    everything = np.concatenate([*scores.values(), np.zeros(0)])
    _histograms(axes, scores, np.histogram_bin_edges(everything, bins))
    axes.set(xlabel="score", ylabel="detections")
    axes.set_yscale("symlog", linthresh=1)
    axes.set_title(rule, fontsize="small", wrap=True)
    axes.legend(fontsize="small")
    return write_curves(figure, path)


def plot_sizes(
    sizes: Mapping[str, np.ndarray], unit: str, path: str | Path, *, bins: int = 24
) -> list[Path]:
    """Histogram of box sizes, sqrt(width * height), as shares of each group.

    Args:
        sizes: group (truth, each model) -> sizes.
        unit: "mm" or "px".
    """
    figure, (axes,) = _axes(6.4, 4.2, 1, [1])
    everything = np.concatenate([*sizes.values(), np.zeros(0)])
    # A few very large boxes must not press all others into the first bars.
    top = float(np.quantile(everything, 0.995)) if len(everything) else 1.0
    edges = np.linspace(0, top or 1.0, bins + 1)
    for k, (name, values) in enumerate(sizes.items()):
        color, line, _ = STYLES[k % len(STYLES)]
        label = f"{name} ({len(values)}"
        label += f", median {np.median(values):.3g} {unit})" if len(values) else ")"
        shares = np.histogram(np.minimum(values, edges[-1]), edges)[0] / max(len(values), 1)
        axes.stairs(100 * shares, edges, color=color, linestyle=line, linewidth=1.6, label=label)
    axes.set(xlabel=f"sqrt(width × height) of the box, {unit}", ylabel="share, %", xlim=(0, None))
    axes.grid(color="0.88", linewidth=0.6)
    axes.legend(fontsize="small")
    return write_curves(figure, path)


def _axes(
    width: float, height: float, rows: int, ratios: Sequence[float], sharex: bool = False
) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, 1, squeeze=False, sharex=sharex, height_ratios=ratios)
    return figure, list(grid[:, 0])


def _steps(axes: Axes, thresholds: np.ndarray, values: np.ndarray, **style: object) -> None:
    # A point holds for all thresholds down to the next lower score.
    axes.plot(thresholds, values, drawstyle="steps-pre", linewidth=1.6, **style)


def _histograms(axes: Axes, groups: Mapping[str, np.ndarray], edges: np.ndarray) -> None:
    """Bars side by side, told apart by gray and hatching."""
    grays = ("0.15", "0.75", "0.5", "0.95")
    axes.hist(
        list(groups.values()),
        bins=edges,
        label=[f"{name} ({len(values)})" for name, values in groups.items()],
        color=[grays[k % len(grays)] for k in range(len(groups))],
        hatch=[_HATCHES[k % len(_HATCHES)] for k in range(len(groups))],
        edgecolor="black",
        linewidth=0.5,
    )
