"""What the augmentations make of the views of a case: a grid of pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

BOX_COLOUR, MASK_COLOUR, NODE_COLOUR = "#ffb000", "#ff3860", "#35c9ff"
# Height of a picture in inches.
PICTURE_HEIGHT = 2.6


@dataclass(frozen=True)
class InputPicture:
    """One view as it enters the model.

    Attributes:
        image: (H, W) in [0, 1].
        boxes: (n, 4) XYXY.
        masks: (n, H, W) bool, or None.
        nodes: (N, 2) points (x, y), or None.
    """

    image: np.ndarray
    boxes: np.ndarray
    masks: np.ndarray | None = None
    nodes: np.ndarray | None = None


def augmentation_grid(
    title: str, columns: Sequence[str], rows: Mapping[str, Sequence[InputPicture]]
) -> Figure:
    """Views as rows, draws as columns; boxes, outlines of masks and nodes over each picture.

    Args:
        title: above the figure.
        columns: captions.
        rows: name of the view -> its pictures, one for each column.

    Raises:
        ValueError: no row, or one with another number of pictures than columns.
    """
    if not rows:
        raise ValueError("no view to draw")
    for name, pictures in rows.items():
        if len(pictures) != len(columns):
            raise ValueError(f"{name}: {len(pictures)} pictures for {len(columns)} columns")
    shapes = [picture.image.shape for pictures in rows.values() for picture in pictures]
    aspect = max(width / height for height, width in shapes)
    size = (0.3 + PICTURE_HEIGHT * aspect * len(columns), 0.6 + PICTURE_HEIGHT * len(rows))
    figure = Figure(figsize=size, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0.01, hspace=0.01)
    figure.suptitle(title, fontsize=9, parse_math=False)
    grid = figure.subplots(len(rows), len(columns), squeeze=False)
    for row, (name, pictures) in enumerate(rows.items()):
        grid[row, 0].set_ylabel(name, fontsize=8)
        for axes, caption, picture in zip(grid[row], columns, pictures, strict=True):
            _draw(axes, picture)
            if row == 0:
                axes.set_title(caption, fontsize=7)
    return figure


def _draw(axes: Axes, picture: InputPicture) -> None:
    height, width = picture.image.shape
    # Edges of the pixels at whole numbers, as in boxes and nodes.
    extent = (0, width, height, 0)
    axes.imshow(picture.image, cmap="gray", vmin=0, vmax=1, extent=extent)
    axes.set(xticks=[], yticks=[], xlim=(0, width), ylim=(height, 0))
    for x0, y0, x1, y1 in picture.boxes:
        box = Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=BOX_COLOUR, linewidth=0.9)
        axes.add_patch(box)
    for mask in picture.masks if picture.masks is not None else ():
        if mask.any():
            columns, rows = np.arange(width) + 0.5, np.arange(height) + 0.5
            axes.contour(columns, rows, mask, levels=[0.5], colors=MASK_COLOUR, linewidths=0.7)
    if picture.nodes is not None:
        axes.plot(*picture.nodes.T, ".", color=NODE_COLOUR, markersize=2.2, clip_on=True)
