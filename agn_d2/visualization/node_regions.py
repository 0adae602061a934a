"""The graph nodes of a mammogram: the lines they stand on, and the cells that belong to them.

As in [S] (thesis, 2025): A of the node mapping, drawn over the image. Shapes: H, W cells of a
feature grid, N nodes, k nodes of a cell.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from ..graph.mapping import assign_cells
from ..landmarks.nodes import NodeLayout, guide_lines, place_nodes
from ..landmarks.record import Landmarks
from .screen_pictures import render_picture

CELLS = 64  # along the longer side: a feature map of stride 16 at 1024 px
_NUMBERED = 30  # nodes; more of them leave no room for numbers
_SKIN, _GUIDE, _NIPPLE = "#40e060", "#ffd54a", "#ff5050"
_HEIGHT = 5.4  # inches of a panel
_ALPHA = 0.5  # of the regions over the image
_SHADES = (1.0, 0.72)  # of the color of a line: its nodes in turn

# Where a node lies -> its color, in all figures.
GROUP_COLOURS = {
    "nipple": "#e8413c",
    "pectoral line": "#3f8fe0",
    "1/3": "#43b649",
    "2/3": "#b06ee0",
    "corner line": "#ff9a2e",
    "corner": "#c4a15a",
}


def node_regions(
    nodes: np.ndarray, image_size: tuple[int, int], k: int, cells: int = CELLS
) -> tuple[np.ndarray, float]:
    """Which cells belong to which nodes: the matrix A of the node mapping, as a picture.

    Args:
        nodes: (N, 2), pixels of the image.
        image_size: (H, W) pixels.
        k: nodes of each cell.
        cells: number of grid cells along the longer side of the image.

    Returns:
        (H, W, N) bool, and the side of a cell in pixels. The grid begins at the upper left corner
        and holds the cells whose center lies in the image.

    Raises:
        ValueError: k is below 1 or above N, or there is no cell.
    """
    if cells < 1:
        raise ValueError(f"a grid needs at least one cell, got {cells}")
    side = max(image_size) / cells
    # n cells have their last center at n - 1/2.
    grid = tuple(max(1, int(np.ceil(length / side - 0.5 - 1e-9))) for length in image_size)
    assigned = assign_cells(
        torch.tensor(np.asarray(nodes, dtype=np.float32)[None] / side),
        torch.ones((1, len(nodes)), dtype=torch.bool),
        torch.tensor([image_size]) / side,
        grid,
        stride=1,
        k=k,
    )
    return assigned[0].numpy().astype(bool).reshape(*grid, len(nodes)), side


def node_colors(layout: NodeLayout, view: str) -> np.ndarray:
    """(N, 3) in [0, 1]: a color for each line of nodes, lighter and darker in turn along it."""
    colors = np.zeros((layout.count(view), 3))
    for name, nodes in layout.groups(view).items():
        shades = np.resize(_SHADES, nodes.stop - nodes.start)
        colors[nodes] = shades[:, None] * np.array(to_rgb(GROUP_COLOURS[name]))
    return colors


def region_picture(regions: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Color of each cell: the mean of those of its nodes, as psi_k takes the mean of their values.

    Args:
        regions: (H, W, N) bool.
        colors: (N, 3) in [0, 1].

    Returns:
        (H, W, 4) in [0, 1]; a cell without nodes is transparent.
    """
    count = regions.sum(axis=2, keepdims=True)
    mean = regions.astype(float) @ colors / np.maximum(count, 1)
    return np.concatenate([mean, (count > 0).astype(float)], axis=2)


def region_borders(regions: np.ndarray, side: float) -> np.ndarray:
    """The edges between neighboring cells that do not belong to the same nodes.

    Args:
        regions: (H, W, N) bool.
        side: of a cell in pixels.

    Returns:
        (M, 2, 2) line segments in pixels.
    """
    rows, columns = np.nonzero((regions[:, 1:] != regions[:, :-1]).any(axis=2))
    upright = np.stack([[columns + 1, rows], [columns + 1, rows + 1]])
    rows, columns = np.nonzero((regions[1:] != regions[:-1]).any(axis=2))
    level = np.stack([[columns, rows + 1], [columns + 1, rows + 1]])
    return np.concatenate([upright, level], axis=2).transpose(2, 0, 1) * side


def node_figure(
    image: np.ndarray,
    landmarks: Landmarks,
    layout: NodeLayout | str | Sequence[int] = (22, 26),
    k: int = 3,
    cells: int = CELLS,
    title: str = "",
) -> Figure:
    """Landmarks, lines and nodes over the image; beside them the nearest node and the k nearest.

    Where a cell has several nodes, it has the mean of their colors, and the cells of the nipple
    and of the middle node at 1/3 are framed: regions overlap.

    Args:
        image: (H, W) uint8 or uint16.
        landmarks: landmarks of that image.
        layout: number of nodes of each view.
        k: nodes of each cell.
        cells: number of grid cells along the longer side of the image.
        title: above the figure.

    Returns:
        The figure: two panels for k = 1, three else.

    Raises:
        ValueError: the landmarks belong to an image of another size; k or cells as node_regions.
    """
    if image.shape != landmarks.image_size:
        raise ValueError(f"landmarks of an image of {landmarks.image_size}, image of {image.shape}")
    layout = NodeLayout.parse(layout)
    nodes = place_nodes(landmarks, layout)
    height, width = image.shape
    shown = [1] if k == 1 else [1, k]
    maps = [node_regions(nodes, image.shape, near, cells) for near in shown]
    size = ((1 + len(shown)) * max(_HEIGHT * width / height, 2.2) + 0.4, _HEIGHT + 0.75)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, 1 + len(shown))
    picture = render_picture(image)
    for axes in panels:
        axes.imshow(picture, cmap="gray", vmin=0, vmax=255, extent=(0, width, height, 0))
    _draw_lines(panels[0], landmarks)
    colors = node_colors(layout, landmarks.view)
    _draw_nodes(panels[0], nodes, colors, numbered=len(nodes) <= _NUMBERED)
    names = [f"{len(nodes)} nodes", "nearest node"]
    middle = layout.groups(landmarks.view)["1/3"]
    framed = (0, (middle.start + middle.stop) // 2)
    for axes, near, (regions, side) in zip(panels[1:], shown, maps, strict=True):
        _draw_regions(axes, regions, side, colors, framed if near > 1 else ())
        _draw_nodes(axes, nodes, np.ones((len(nodes), 3)), numbered=False)
    if k > 1:
        names.append(f"{k} nearest nodes\n(framed: nodes {framed[0]} and {framed[1]})")
    for axes, name in zip(panels, names, strict=True):
        axes.set_title(name, fontsize=11)
        axes.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
    figure.suptitle(title, fontsize=11, parse_math=False)
    return figure


def _draw_lines(axes: Axes, landmarks: Landmarks) -> None:
    """Skin line, pectoral line in full, the lines of the nodes dashed, nipple."""
    axes.plot(*landmarks.contour.T, color=_SKIN, linewidth=1.4)
    perpendicular, pectoral, *others = guide_lines(landmarks)
    axes.plot(*pectoral.T, color=_GUIDE, linewidth=1.8)
    for line in (perpendicular, *others):
        axes.plot(*line.T, "--", color=_GUIDE, linewidth=1.0)
    axes.plot(*landmarks.nipple, "o", color=_NIPPLE, fillstyle="none", markersize=13)


def _draw_nodes(axes: Axes, nodes: np.ndarray, colors: np.ndarray, *, numbered: bool) -> None:
    size = 34 if numbered else 7
    axes.scatter(*nodes.T, s=size, c=colors, edgecolors="black", linewidths=0.5, zorder=3)
    for number, point in enumerate(nodes if numbered else ()):
        axes.annotate(
            str(number),
            point,
            # A node in the corner has its number within the image.
            xytext=(4, -12) if point[1] < 1 else (4, 4),
            textcoords="offset points",
            color="white",
            fontsize=9,
            path_effects=[withStroke(linewidth=2, foreground="black")],
            zorder=4,
        )


def _draw_regions(
    axes: Axes, regions: np.ndarray, side: float, colors: np.ndarray, framed: Sequence[int]
) -> None:
    height, width = regions.shape[:2]
    picture = region_picture(regions, colors)
    # In the array, because an SVG would apply imshow's own alpha twice.
    picture[..., 3] *= _ALPHA
    extent = (0, width * side, height * side, 0)
    axes.imshow(picture, extent=extent, interpolation="nearest")
    axes.add_collection(LineCollection(region_borders(regions, side), colors="black", lw=0.5))
    for node in framed:
        frame = region_borders(regions[:, :, node : node + 1], side)
        axes.add_collection(LineCollection(frame, colors="white", lw=2.2))
