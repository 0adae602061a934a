"""The views of a case side by side, as radiologists hang them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

# Right breast at the left of the picture, CC above MLO.
HANGING = (("R", "CC"), ("L", "CC"), ("R", "MLO"), ("L", "MLO"))
_LONG_SIDE = 1200  # px of a picture at most: more than the figure shows
TRUTH, PREDICTION, NODE = "#40e060", "#ffb000", "#50b0ff"


@dataclass(frozen=True)
class ViewPanel:
    """What is drawn of one view; all coordinates in pixels of ``image``.

    Attributes:
        image: (H, W) float in [0, 1].
        predicted: (M, 4) XYXY boxes.
        scores: (M,) of the boxes.
        truth: (K, 4) XYXY boxes, or None where the truth is unknown.
        nodes: (N, 2), or None.
        attention: (h, w) in (0, 1) that covers the image, or None.
    """

    image: np.ndarray
    predicted: np.ndarray
    scores: np.ndarray
    truth: np.ndarray | None = None
    nodes: np.ndarray | None = None
    attention: np.ndarray | None = None


def case_figure(
    title: str, panels: Mapping[tuple[str, str], ViewPanel], *, with_attention: bool
) -> Figure:
    """Draw a case.

    Args:
        title: above the figure.
        panels: (laterality, view) -> panel; a missing view is drawn as such.
        with_attention: a second picture of each view with IGN's attention.

    Returns:
        the figure; ``write_figure`` writes it.
    """
    columns = 4 if with_attention else 2
    figure = Figure(figsize=(2.9 * columns, 8.6), layout="constrained", facecolor="black")
    # Room below the pictures for the legend.
    figure.get_layout_engine().set(rect=(0, 0.03, 1, 0.97))
    # Names of cases are no formulas.
    figure.suptitle(title, color="white", fontsize=11, parse_math=False)
    span = attention_span(panels.values()) if with_attention else None
    grid = figure.subplots(2, columns)
    for index, (laterality, view) in enumerate(HANGING):
        row, column = divmod(index, 2)
        panel = panels.get((laterality, view))
        _draw_view(grid[row, column], f"{laterality} {view}", panel)
        if with_attention:
            _draw_attention(grid[row, column + 2], f"{laterality} {view} attention", panel, span)
    figure.text(
        0.5,
        0.008,
        _legend(panels.values(), span),
        color="0.75",
        ha="center",
        va="bottom",
        fontsize=8,
    )
    return figure


def attention_span(panels: Iterable[ViewPanel]) -> tuple[float, float]:
    """Least and greatest attention of a case, so that all its pictures share one scale."""
    maps = [panel.attention for panel in panels if panel.attention is not None]
    if not maps:
        return 0.0, 1.0
    return min(float(m.min()) for m in maps), max(float(m.max()) for m in maps)


def _legend(panels: Collection[ViewPanel], span: tuple[float, float] | None) -> str:
    """What the colors mean, of what is drawn."""
    words = ["orange: prediction and score"]
    if any(panel.truth is not None for panel in panels):
        words.insert(0, "green: truth")
    if any(panel.nodes is not None for panel in panels):
        words.append("blue: nodes")
    if span is not None:
        words.append(f"attention: dark {span[0]:.2f} to bright {span[1]:.2f}")
    return "    ".join(words)


def _draw_view(axes: Axes, name: str, panel: ViewPanel | None) -> None:
    if not _draw_image(axes, name, panel):
        return
    if panel.nodes is not None:
        axes.plot(*panel.nodes.T, ".", color=NODE, markersize=3.5)
    for box in () if panel.truth is None else panel.truth:
        _draw_box(axes, box, TRUTH, 1.8)
    for box, score in zip(panel.predicted, panel.scores, strict=True):
        _draw_box(axes, box, PREDICTION, 1.2)
        axes.text(
            *(box[0], box[1], f"{score:.2f}"),
            color=PREDICTION,
            fontsize=7,
            va="bottom",
            path_effects=[withStroke(linewidth=1.5, foreground="black")],
        )


def _draw_attention(
    axes: Axes, name: str, panel: ViewPanel | None, span: tuple[float, float]
) -> None:
    if panel is not None and panel.attention is None:
        name += "\n(no contralateral view)"
    if not _draw_image(axes, name, panel) or panel.attention is None:
        return
    height, width = panel.image.shape
    attention = cv2.resize(panel.attention.astype(np.float32), (width, height))
    axes.imshow(
        attention,
        cmap="inferno",
        alpha=0.5,
        vmin=span[0],
        vmax=span[1],
        extent=(0, width, height, 0),
    )


def _draw_image(axes: Axes, name: str, panel: ViewPanel | None) -> bool:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_facecolor("0.08")
    axes.set_title(name, color="white", fontsize=9)
    if panel is None:
        axes.text(0.5, 0.5, "no such view", color="0.6", ha="center", transform=axes.transAxes)
        return False
    height, width = panel.image.shape
    # Film of full resolution would take seconds; the axes stay those of its pixels.
    shown = _reduced(panel.image)
    axes.imshow(
        shown, cmap="gray", vmin=0, vmax=float(shown.max()) or 1.0, extent=(0, width, height, 0)
    )
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    return True


def _reduced(image: np.ndarray) -> np.ndarray:
    scale = _LONG_SIDE / max(image.shape)
    if scale >= 1:
        return image
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def _draw_box(axes: Axes, box: Sequence[float], color: str, width: float) -> None:
    x0, y0, x1, y1 = box
    axes.add_patch(
        Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=color, linewidth=width)
    )
