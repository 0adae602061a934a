"""The eight stages of [S]'s pectoral line (thesis, 2025) as pictures."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from ..landmarks.thesis.pectoral import PectoralStages, pectoral_line

_TITLES = (
    "1  region of interest",
    "2  CLAHE",
    "3  Otsu and adaptive threshold",
    "4  opening and closing",
    "5  Canny edges",
    "6  Hough segments",
    "7  leaning away from the wall",
    "8  best score",
)
_SEGMENT, _LINE = "#ffd54a", "#ff5050"
_PANEL_HEIGHT, _LEAST_WIDTH = 4.2, 2.2  # inches


def stages_figure(stages: PectoralStages, title: str = "") -> Figure:
    """Draw the eight stages.

    Args:
        stages: what ``agn_d2.landmarks.thesis.pectoral_stages`` returns; chest wall at the left.
        title: above the figure.

    Returns:
        The figure, two rows of four.
    """
    height, width = stages.region.shape
    panel = max(_PANEL_HEIGHT * width / max(height, 1), _LEAST_WIDTH)
    figure = Figure(figsize=(4 * min(panel, 4.0) + 0.3, 2 * _PANEL_HEIGHT + 1.2))
    figure.set_layout_engine("constrained")
    panels = figure.subplots(2, 4).ravel()
    backgrounds = (
        stages.region,
        stages.enhanced,
        stages.thresholded,
        stages.cleaned,
        stages.edges,
        stages.edges // 3,
        stages.enhanced,
        stages.region,
    )
    gray = stages.region if stages.region.size else np.zeros(1)
    span = np.percentile(gray, [1, 99.5]).tolist()
    for axes, name, picture in zip(panels, _TITLES, backgrounds, strict=True):
        axes.set_title(name, fontsize=10)
        axes.set(xticks=[], yticks=[])
        if picture.size == 0:
            axes.text(0.5, 0.5, "no region", ha="center", transform=axes.transAxes, fontsize=10)
            continue
        low, high = span if picture is stages.region else (0, 255)
        extent = (0, width, height, 0)
        axes.imshow(picture, cmap="gray", vmin=low, vmax=max(high, low + 1), extent=extent)
    best = np.zeros((0, 4)) if stages.best is None else stages.best[None]
    for axes, segments in zip(panels[5:], (stages.segments, stages.leaning, best), strict=True):
        lines = LineCollection(segments.reshape(-1, 2, 2) + 0.5, colors=_SEGMENT, linewidths=2.2)
        axes.add_collection(lines, autolim=False)
        axes.set_xlabel(f"{len(segments)} segments", fontsize=9)
    _draw_line(panels[7], stages)
    figure.suptitle(title, fontsize=11, parse_math=False)
    return figure


def _draw_line(axes: Axes, stages: PectoralStages) -> None:
    """The pectoral line, within the region of interest."""
    endless = 10 * max(stages.box) + 10
    line = pectoral_line(stages, (endless, endless)) - stages.box[:2]
    axes.plot(*line.T, "--", color=_LINE, linewidth=1.6, zorder=1.5)
    found = stages.best is not None
    text = f"score {stages.confidence:.2f}" if found else "no segment: the diagonal"
    axes.set_xlabel(text, fontsize=9)
    height, width = stages.region.shape
    axes.set(xlim=(0, max(width, 1)), ylim=(max(height, 1), 0))
