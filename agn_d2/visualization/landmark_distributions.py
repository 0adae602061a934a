"""Figure of how the landmarks of a data set are distributed."""

from __future__ import annotations

import io

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..landmarks.record import PARTS
from ..landmarks.statistics import LandmarkStatistics
from ..utils.view_names import VIEWS

_COLOURS = {"CC": "#5fb3ff", "MLO": "#ffb347"}
_PART_COLOURS = {"contour": "#4be36a", "nipple": "#ff6b6b", "pectoral_line": "#ffd54a"}
_TEXT = "#d7dbe0"


def distribution_figure(statistics: LandmarkStatistics) -> Figure:
    """Nipple position, pectoral angle, breast area and confidences of a data set, side by side."""
    figure = Figure(figsize=(13, 3.1), layout="constrained")
    nipple, angle, area, confidence = figure.subplots(1, 4)
    _draw_nipples(nipple, statistics)
    _histogram(angle, statistics, statistics.pectoral_angle, (-10, 60), ("MLO",))
    _finish(angle, "pectoral angle (MLO)", "degrees from the vertical")
    _histogram(area, statistics, 100 * statistics.area_share, (0, 100), VIEWS)
    _finish(area, "breast area", "% of the image")
    _draw_confidences(confidence, statistics)
    return figure


def figure_svg(figure: Figure) -> str:
    """A figure as an ``<svg>`` element for a dark page; the same figure gives the same text."""
    text = io.StringIO()
    # Text stays text, and ids and metadata do not change from run to run.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "agn_d2"}):
        figure.patch.set_visible(False)
        FigureCanvasSVG(figure).print_svg(
            text, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
        )
    svg = text.getvalue()
    return svg[svg.index("<svg") :]


def _draw_nipples(axes: Axes, statistics: LandmarkStatistics) -> None:
    for view in VIEWS:
        points = statistics.nipple[statistics.views == view]
        if len(points):
            axes.plot(
                *points.T, ".", color=_COLOURS[view], markersize=3, label=view, rasterized=True
            )
    axes.add_patch(Rectangle((0, 0), 1, 1, fill=False, edgecolor=_TEXT, linewidth=0.6))
    axes.set_xlim(-0.05, 1.1)
    axes.set_ylim(1.05, -0.05)
    _finish(
        axes, "nipple in the breast's box", "from chest wall (0) to skin (1)", legend="center left"
    )


def _histogram(
    axes: Axes,
    statistics: LandmarkStatistics,
    values: np.ndarray,
    span: tuple[float, float],
    views: tuple[str, ...],
) -> None:
    # What lies outside of the span is counted in the outermost bins, not left out.
    bins = np.linspace(*span, 41)
    for view in views:
        chosen = np.clip(values[statistics.views == view], *span)
        axes.hist(chosen, bins, color=_COLOURS[view], alpha=0.75, label=view)


def _draw_confidences(axes: Axes, statistics: LandmarkStatistics) -> None:
    judged = statistics.confidence[~np.isnan(statistics.confidence).any(axis=1)]
    if len(judged):
        bins = np.linspace(0, 1, 21)
        for part, values in zip(PARTS, judged.T, strict=True):
            axes.hist(
                values,
                bins,
                histtype="step",
                color=_PART_COLOURS[part],
                label=part.replace("_", " "),
                linewidth=1.5,
            )
    else:
        axes.text(0.5, 0.5, "not judged", color=_TEXT, ha="center", transform=axes.transAxes)
        axes.set_yticks([])
    axes.set_xlim(0, 1)
    _finish(
        axes, "confidence", "0: fallback, 1: sure", legend="upper center" if len(judged) else None
    )


def _finish(axes: Axes, title: str, x_label: str, *, legend: str | None = None) -> None:
    axes.set_title(title, color=_TEXT, fontsize=10)
    axes.set_xlabel(x_label, color=_TEXT, fontsize=8)
    axes.set_facecolor("none")
    axes.tick_params(colors=_TEXT, labelsize=8)
    for side in axes.spines.values():
        side.set_color("#555c66")
    if legend:
        axes.legend(fontsize=7, labelcolor=_TEXT, framealpha=0.0, loc=legend)
