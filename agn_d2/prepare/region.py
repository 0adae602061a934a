"""The place of a lesion in a film: its mask, cut to its box."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

Box = tuple[int, int, int, int]  # x0, y0, x1, y1, whole pixels, x1 and y1 exclusive


@dataclass(frozen=True)
class Region:
    """A lesion's mask, cut to its box.

    Attributes:
        window: (y1 - y0, x1 - x0) bool.
        box: where the window lies.
        size: (H, W) of the picture that the box is in.
        notes: what was done to find it.
    """

    window: np.ndarray
    box: Box
    size: tuple[int, int]
    notes: tuple[str, ...] = ()

    @property
    def area(self) -> int:
        return int(self.window.sum())


def bounds(mask: np.ndarray) -> Box:
    """The box of what is True in a mask (H, W) that is not empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def outlined_region(outline: np.ndarray, size: tuple[int, int]) -> Region | None:
    """The pixels inside of a polygon and those on its edge, as far as they lie in the film.

    Args:
        outline: (M, 2) corners (x, y), the center of the first pixel at (0.5, 0.5).
        size: (H, W) of the film.

    Returns:
        None if there are none.
    """
    if len(outline) < 3:
        return None
    low = np.floor(outline.min(axis=0)).astype(int).clip(0)
    high = np.ceil(outline.max(axis=0)).astype(int) + 1
    high = np.minimum(high, [size[1], size[0]])
    if (high <= low).any():
        return None
    window = np.zeros(tuple(high - low)[::-1], np.uint8)
    # In 1/256 px; OpenCV has the center of the first pixel at 0.
    corners = np.round((outline - low - 0.5) * 256).astype(np.int32)
    cv2.fillPoly(window, [corners], 1, shift=8)
    if not window.any():
        return None
    x0, y0, x1, y1 = bounds(window)
    box = (int(low[0]) + x0, int(low[1]) + y0, int(low[0]) + x1, int(low[1]) + y1)
    return Region(window[y0:y1, x0:x1].astype(bool), box, size)


def ellipse_region(box: Box, size: tuple[int, int]) -> Region:
    """The ellipse that fills a box of a film of size (H, W)."""
    y, x = np.ogrid[: box[3] - box[1], : box[2] - box[0]]
    y, x = (y + 0.5) / (box[3] - box[1]) * 2 - 1, (x + 0.5) / (box[2] - box[0]) * 2 - 1
    return Region(x * x + y * y <= 1, box, size)


def resized(region: Region, size: tuple[int, int]) -> Region:
    """A region in the frame of a film of another size and the same aspect, (H, W)."""
    scale = [f / m for f, m in zip(size, region.size, strict=True)]
    x0, x1 = (round(v * scale[1]) for v in region.box[::2])
    y0, y1 = (round(v * scale[0]) for v in region.box[1::2])
    x1, y1 = min(max(x1, x0 + 1), size[1]), min(max(y1, y0 + 1), size[0])
    return stretched(region, (min(x0, x1 - 1), min(y0, y1 - 1), x1, y1), size)


def stretched(region: Region, box: Box, size: tuple[int, int]) -> Region:
    """A region stretched onto a box of a film of size (H, W)."""
    new = (box[2] - box[0], box[3] - box[1])
    gray = region.window.astype(np.uint8) * 255
    shrinks = new[0] < gray.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    window = cv2.resize(gray, new, interpolation=method) > 127
    if not window.any():
        window = np.ones(window.shape, dtype=bool)
    return replace(region, window=window, box=box, size=size)
