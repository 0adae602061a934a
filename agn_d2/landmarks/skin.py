"""Skin line of the breast in a mask, and how surely it is one."""

from __future__ import annotations

import cv2
import numpy as np

from .curves import outward_normals, resample, smooth_curve
from .folds import WALL

CONTOUR_POINTS = 192
_SMOOTH = 0.03  # of the skin line's length: shorter waves are smoothed away
_STEP = 0.01  # of the height: how far to each side of the skin line brightness is read
_DARKER = 0.15  # of the brightness inside: a step that counts as skin
_NO_SKIN = 0.02  # of the height: so near to the end of the film an outline is no skin line


def skin_line(mask: np.ndarray, film: np.ndarray) -> np.ndarray | None:
    """Smooth open curve along the skin, chest wall at the left, from top to bottom.

    Args:
        mask: (h, w) bool, one region.
        film: (h, w) bool, where the film ends: no skin line along it.

    Returns:
        (CONTOUR_POINTS, 2) float64 in pixels of the mask, points at equal distances; None if the
        mask has no usable outline.
    """
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None
    outline = max(contours, key=len).reshape(-1, 2).astype(np.float64)
    height, _ = mask.shape
    wall = outline[:, 0].min()
    near = 2 * round(_NO_SKIN * height / 2) + 1
    frame = cv2.dilate(film.astype(np.uint8), np.ones((near, near), np.uint8)).astype(bool)
    frame[[0, -1]] = frame[:, [0, -1]] = True
    columns, rows = outline.astype(int).T
    inside = (outline[:, 0] > wall + WALL * height) & ~frame[rows, columns]
    # A large breast may reach the far border: there the border stands for the skin.
    inside |= outline[:, 0] >= wall + 0.9 * (outline[:, 0].max() - wall)
    apex = int(np.argmax(outline[:, 0]))
    outline, inside = np.roll(outline, -apex, axis=0), np.roll(inside, -apex)
    ends = np.flatnonzero(~inside)
    if ends.size == 0:
        return None
    curve = np.concatenate([outline[ends[-1] + 1 :], outline[: ends[0]]])
    if curve.shape[0] < 8:
        return None
    if curve[0, 1] > curve[-1, 1]:
        curve = curve[::-1]
    return smooth_curve(resample(curve + 0.5, CONTOUR_POINTS), _SMOOTH)


def skin_confidence(small: np.ndarray, film: np.ndarray, curve: np.ndarray) -> float:
    """Share of the skin line at which the image gets darker outwards; where the film ends, none.

    Args:
        small: (h, w) uint8 working copy.
        film: (h, w) bool, white film borders.
        curve: (M, 2) skin line, from top to bottom, chest wall at the left.

    Returns:
        In 0..1.
    """
    height, width = small.shape
    outward = outward_normals(curve) * _STEP * height
    blurred = cv2.GaussianBlur(small, (0, 0), height / 512).astype(np.float32)

    def read(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        columns, rows = np.floor(points).astype(int).T
        seen = (columns >= 0) & (rows >= 0) & (columns < width) & (rows < height)
        columns, rows = columns.clip(0, width - 1), rows.clip(0, height - 1)
        return blurred[rows, columns], seen & ~film[rows, columns]

    (inner, inner_seen), (outer, outer_seen) = read(curve - outward), read(curve + outward)
    step = inner - outer > _DARKER * max(float(np.median(inner)), 1.0)
    return float((step & inner_seen & outer_seen).mean())
