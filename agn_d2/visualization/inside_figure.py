"""What the graph does to a case: feature panels of each view, and which nodes read each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.path import Path

from ..data.pixels import record_shares
from ..landmarks.nodes import NodeLayout, breast_polygon, place_nodes
from ..structures import ViewInside
from .case_figure import HANGING, NODE

# Panels of [S]: name of the map -> its title and the maps that share its scale.
PANELS = {
    "original": ("features $F_e$", ("original", "enhanced")),
    "bipartite": ("BGN $F_B$", ("bipartite",)),
    "inception": ("IGN $F_I$", ("inception",)),
    "attention": ("attention", ("attention",)),
    "enhanced": ("enhanced $Y$", ("original", "enhanced")),
    "difference": ("difference $Y - F_e$", ("difference",)),
}
LINES = 40  # strongest pairs of nodes that are drawn


def features_figure(title: str, insides: Sequence[ViewInside]) -> Figure:
    """The six feature panels of [S] for each view of a case; the views share their scales.

    Args:
        title: above the figure.
        insides: one for each view of a case, all of one level.
    """
    ordered = in_hanging_order(insides)
    columns = 1 + len(PANELS)
    figure = Figure(
        figsize=(1.75 * columns, 2.6 * len(ordered) + 0.7), layout="constrained", facecolor="black"
    )
    figure.get_layout_engine().set(rect=(0, 0.06 / len(ordered), 1, 1 - 0.06 / len(ordered)))
    name = f"{title}, level {insides[0].level}"
    figure.suptitle(name, color="white", fontsize=11, parse_math=False)
    spans = {name: map_span(insides, shared) for name, (_, shared) in PANELS.items()}
    grid = figure.subplots(len(ordered), columns, squeeze=False)
    for row, inside in zip(grid, ordered, strict=True):
        image = record_shares(inside.record)
        _plain(row[0], f"{inside.record['laterality']} {inside.record['view']}")
        row[0].imshow(image, cmap="gray")
        for axes, (name, (label, _)) in zip(row[1:], PANELS.items(), strict=True):
            _plain(axes, label)
            _draw_map(axes, inside.maps.get(name), spans[name], image.shape)
    scales = "    ".join(
        f"{name}: {low:.2g} to {high:.2g}" for name, (low, high) in spans.items() if high > low
    )
    figure.text(
        0.5,
        0.004,
        f"root mean square over the channels, 1 to 99 % within the breasts: {scales}",
        color="0.75",
        ha="center",
        va="bottom",
        fontsize=7,
    )
    return figure


def correspondence_figure(
    title: str, insides: Sequence[ViewInside], layout: NodeLayout, lines: int = LINES
) -> Figure:
    """Which nodes of the CC and the MLO view read each other (H of BGN), for each breast.

    Args:
        title: above the figure.
        insides: one for each view of a case, in its order, all of one level.
        layout: number of nodes of each view.
        lines: so many of the strongest pairs of nodes are drawn.
    """
    pairs = [
        (inside, insides[inside.auxiliary])
        for inside in in_hanging_order(insides)
        if inside.record["view"] == "CC" and inside.correspondence is not None
    ]
    columns = max(len(pairs), 1)
    figure = Figure(figsize=(5.2 * columns, 5.6), layout="constrained", facecolor="black")
    figure.suptitle(
        f"{title}, level {insides[0].level}: strongest {lines} node pairs of BGN",
        color="white",
        fontsize=11,
        parse_math=False,
    )
    grid = figure.subplots(1, columns, squeeze=False)[0]
    for axes, pair in zip(grid, pairs, strict=False):
        _draw_pair(axes, *pair, layout, lines)
    if not pairs:
        _plain(grid[0], "")
        grid[0].text(0.5, 0.5, "no breast with both views", color="0.6", ha="center")
    return figure


def figure_pixels(figure: Figure) -> np.ndarray:
    """A figure as (H, W, 3) uint8, without a display."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def in_hanging_order(insides: Sequence[ViewInside]) -> list[ViewInside]:
    """The views as radiologists hang them; of views taken twice the first one."""
    by_view: dict[tuple[str, str], ViewInside] = {}
    for inside in insides:
        by_view.setdefault((inside.record["laterality"], inside.record["view"]), inside)
    return [by_view[key] for key in HANGING if key in by_view]


def map_span(insides: Sequence[ViewInside], names: Sequence[str]) -> tuple[float, float]:
    """Scale of the maps of a case: their 1st and 99th percentile within the breasts.

    The features of the dark film around are the largest ones and tell the least.

    Returns:
        (low, high); (0, 0) where there is no such map.
    """
    values = [
        inside.maps[name][cells_in_breast(inside.record, inside.maps[name].shape)]
        for inside in insides
        for name in names
        if name in inside.maps
    ]
    if not values:
        return 0.0, 0.0
    low, high = np.percentile(np.concatenate(values), [1, 99])
    return float(low), float(high)


def cells_in_breast(record: dict[str, Any], shape: tuple[int, int]) -> np.ndarray:
    """Cells (h, w) of a map whose center lies in the breast, bool; all of them if none does."""
    scale = np.array([shape[1] / record["width"], shape[0] / record["height"]])
    polygon = breast_polygon(record["landmarks"]) * scale
    centers = np.stack(np.meshgrid(*(np.arange(n) + 0.5 for n in shape[::-1])), axis=-1)
    inside = Path(polygon).contains_points(centers.reshape(-1, 2)).reshape(shape)
    return inside if inside.any() else np.ones(shape, dtype=bool)


def _plain(axes: Axes, name: str) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_facecolor("0.08")
    axes.set_title(name, color="white", fontsize=8)


def _draw_map(
    axes: Axes, values: np.ndarray | None, span: tuple[float, float], shape: tuple[int, int]
) -> None:
    """A map stretched over its image."""
    height, width = shape
    if values is None:
        axes.set_box_aspect(height / width)
        axes.text(0.5, 0.5, "none", color="0.6", ha="center", transform=axes.transAxes, fontsize=8)
        return
    axes.imshow(
        values,
        cmap="inferno",
        vmin=span[0],
        vmax=span[1],
        extent=(0, width, height, 0),
        interpolation="nearest",
    )


def _draw_pair(
    axes: Axes, examined: ViewInside, auxiliary: ViewInside, layout: NodeLayout, lines: int
) -> None:
    """Two films side by side at one height, lines between their nodes."""
    _plain(axes, f"{examined.record['laterality']} breast: CC, MLO")
    films, places, left = [examined, auxiliary], [], 0.0
    for film in films:
        image = record_shares(film.record)
        scale = 1.0 / image.shape[0]
        extent = (left, left + image.shape[1] * scale, 1, 0)
        axes.imshow(image, cmap="gray", extent=extent)
        nodes = place_nodes(film.record["landmarks"], layout)
        places.append(nodes * scale + [left, 0])
        left = extent[1] + 0.02
    axes.set_xlim(0, left - 0.02)
    axes.set_ylim(1, 0)
    matrix = examined.correspondence
    pairs = strongest_pairs(matrix, lines)
    for rank, (row, column) in enumerate(pairs, start=1):
        ends = np.stack([places[0][row], places[1][column]])
        # By rank: the nipples' pair is often far stronger than all others.
        share = rank / len(pairs)
        axes.plot(*ends.T, color="#ffb000", alpha=share, linewidth=0.4 + share)
    for nodes in places:
        axes.plot(*nodes.T, ".", color=NODE, markersize=4)
    weakest = f"{matrix[pairs[0]]:.2g} to " if pairs else ""
    axes.set_xlabel(f"H from {weakest}{matrix.max():.2g}", color="0.75", fontsize=8)


def strongest_pairs(matrix: np.ndarray, count: int) -> list[tuple[int, int]]:
    """Positions of the largest positive entries of a matrix, the largest one last."""
    order = np.argsort(matrix, axis=None, kind="stable")[::-1][:count]
    pairs = [tuple(int(i) for i in np.unravel_index(flat, matrix.shape)) for flat in order]
    return [pair for pair in pairs[::-1] if matrix[pair] > 0]
