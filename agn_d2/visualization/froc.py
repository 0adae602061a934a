"""Plot of FROC curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..evaluation.froc import DEFAULT_FPPI, FrocCurve, recall_at_fppi
from .figure_files import check_format, write_curves
from .legends import named_legend
from .line_styles import STYLES


def plot_froc(
    curves: Mapping[str, FrocCurve],
    path: str | Path,
    *,
    fppi: Sequence[float] = DEFAULT_FPPI,
    intervals: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
    runs: Mapping[str, Sequence[FrocCurve]] | None = None,
    rule: str = "",
) -> list[Path]:
    """Draws one or several FROC curves into one figure, readable in gray.

    Curves are steps, as they are read. A marker stands at each of ``fppi``. Where a curve ends
    inside the figure, a thin line carries its last recall on and the legend names the end.

    Args:
        curves: label of each curve to the curve.
        path: ``.png`` (an SVG of the same name is written beside it), ``.svg`` or ``.pdf``; its
            folder is made if need be.
        fppi: (K,) where the curves are read; the largest (at least 1) ends the axis.
        intervals: for the labels that have one, (low, high) ends of the recall, (K,) each, 0 .. 1;
            drawn as bars.
        runs: for the labels whose curve is the mean of several, those; drawn thin.
        rule: the matching rule, printed above the axes (see :func:`describe_rule`).

    Returns:
        The files written.

    Raises:
        ValueError: for another file ending, or if there is no curve.
    """
    path = check_format(path)
    figure = froc_figure(curves, fppi=fppi, intervals=intervals, runs=runs, rule=rule)
    return write_curves(figure, path)


def froc_figure(
    curves: Mapping[str, FrocCurve],
    *,
    fppi: Sequence[float] = DEFAULT_FPPI,
    intervals: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
    runs: Mapping[str, Sequence[FrocCurve]] | None = None,
    rule: str = "",
) -> Figure:
    """The figure of :func:`plot_froc`.

    Raises:
        ValueError: if there is no curve.
    """
    if not curves:
        raise ValueError("no FROC curve to draw")
    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    right = max(1.0, *fppi) * 1.05
    # Bars of several curves at one FPPI would hide each other: spread them a little.
    spread = (np.arange(len(curves)) - (len(curves) - 1) / 2) * right * 0.008
    entries = []
    for n, (label, curve) in enumerate(curves.items()):
        interval = (intervals or {}).get(label)
        own_runs = (runs or {}).get(label, ())
        if len(own_runs) > 1:
            _draw_runs(axes, own_runs, n)
            label += f" (mean of {len(own_runs)} runs)"
        entries.append(
            _draw_curve(axes, label, curve, n, np.asarray(fppi, float), right, interval, spread[n])
        )
    axes.set(
        xlim=(0, right),
        ylim=(0, 1.02),
        xlabel="False positives per image (FPPI)",
        ylabel="Lesion recall",
    )
    axes.set_title(rule, fontsize="small", wrap=True)
    axes.grid(color="0.88", linewidth=0.6)
    # Outside: a weak detector's curve runs along the lower edge.
    named_legend(
        figure,
        entries,
        loc="outside lower center",
        ncols=2,
        fontsize="small",
        handlelength=3.5,
        frameon=False,
    )
    return figure


def _draw_runs(axes: Axes, runs: Sequence[FrocCurve], number: int) -> None:
    color, line, _ = STYLES[number % len(STYLES)]
    for corners in (curve.corners() for curve in runs):
        axes.plot(
            corners.fppi, corners.recall, color=color, linestyle=line, linewidth=0.5, alpha=0.5,
            drawstyle="steps-post",
        )  # fmt: skip


def _draw_curve(
    axes: Axes,
    label: str,
    curve: FrocCurve,
    number: int,
    fppi: np.ndarray,
    right: float,
    interval: tuple[np.ndarray, np.ndarray] | None,
    shift: float,
) -> tuple[str, Line2D]:
    """Draws one curve; returns its entry of the legend."""
    color, line, marker = STYLES[number % len(STYLES)]
    recall = recall_at_fppi(curve, fppi)
    if not curve.lesions:
        label += " (no lesion)"
    elif curve.max_fppi < max(fppi):
        label += f" (ends at {curve.max_fppi:.3g} FPPI)"
    corners = curve.corners()
    axes.plot(
        corners.fppi, corners.recall, color=color, linestyle=line, linewidth=1.6,
        drawstyle="steps-post",
    )  # fmt: skip
    axes.plot(
        [curve.max_fppi, max(right, curve.max_fppi)], [curve.recall[-1]] * 2,
        color=color, linestyle=":", linewidth=0.8,
    )  # fmt: skip
    axes.plot(fppi, recall, color=color, linestyle="none", marker=marker, markersize=5)
    if interval is not None:
        axes.vlines(fppi + shift, *interval, color=color, linewidth=1)
    return label, Line2D([], [], color=color, linestyle=line, marker=marker, markersize=5)
