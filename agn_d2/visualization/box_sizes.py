"""Distributions of box sizes and aspect ratios beside the anchors."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..evaluation.anchors import Anchors
from .line_styles import STYLES

BINS = 40


def box_size_figure(boxes: Mapping[str, np.ndarray], anchors: Mapping[str, Anchors]) -> Figure:
    """Two panels: sqrt(width * height), and height / width; anchors as marks below the curves.

    Args:
        boxes: label -> (n, 2), width and height in pixels of the input; n may be 0.
        anchors: label -> anchors.

    Raises:
        ValueError: no box at all.
    """
    boxes = {f"{label} (n = {len(wh)})": np.asarray(wh, float) for label, wh in boxes.items()}
    if not any(len(sizes) for sizes in boxes.values()):
        raise ValueError("no box to draw")
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    sides = {label: np.sqrt(wh.prod(axis=1)) for label, wh in boxes.items()}
    marks = {label: np.unique(np.concatenate(a.sizes)) for label, a in anchors.items()}
    _panel(left, sides, marks)
    left.set_xlabel("√(width × height), pixels of the input")
    ratios = {label: wh[:, 1] / wh[:, 0] for label, wh in boxes.items()}
    marks = {label: np.unique(np.concatenate(a.ratios)) for label, a in anchors.items()}
    _panel(right, ratios, marks)
    right.set_xlabel("height / width")
    left.set_ylabel("share of the boxes in %")
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    return figure


def _panel(axes: Axes, values: Mapping[str, np.ndarray], marks: Mapping[str, np.ndarray]) -> None:
    together = np.concatenate([*values.values(), *marks.values()])
    low, high = together.min() * 0.95, together.max() * 1.05
    edges = np.geomspace(low, high, BINS + 1)
    tallest = 0.0
    for k, (label, found) in enumerate(values.items()):
        color, line, _ = STYLES[k % len(STYLES)]
        shares = 100 * np.histogram(found, edges)[0] / max(len(found), 1)
        tallest = max(tallest, shares.max())
        axes.stairs(shares, edges, color=color, linestyle=line, linewidth=1.4, label=label)
    for k, (label, places) in enumerate(marks.items()):
        color, _, marker = STYLES[(k + len(values)) % len(STYLES)]
        height = np.full(len(places), -0.05 * (k + 1) * tallest)
        axes.plot(places, height, marker, color=color, markersize=5, linestyle="", label=label)
    axes.axhline(0, color="0.6", linewidth=0.6)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    ticks = [t for t in (0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5) if low < t < high]
    if high > 10:
        ticks = [t for t in (5, 10, 20, 30, 50, 70, 100, 150, 200, 300, 500) if low < t < high]
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.minorticks_off()
    axes.set_ylim(bottom=-0.05 * (len(marks) + 1) * tallest)
    axes.spines[["top", "right"]].set_visible(False)
