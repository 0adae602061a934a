"""Landmarks of one mammogram: orientation, skin line, pectoral line, nipple."""

from __future__ import annotations

import numpy as np

from .contour import CONTOUR_POINTS, skin_line
from .folds import trim_folds
from .nipple import find_nipple
from .pectoral import find_pectoral_line
from .record import STATUS_OK, VIEWS, Landmarks
from .segment import film_border, oriented_copy, segment

WHOLE_IMAGE = "contour: whole image"
DEFAULT_LINE = "pectoral: default line"
FARTHEST_POINT = "nipple: farthest point"

_GRID = 64  # coordinates are multiples of 1/64 px, for which mirroring is exact


def detect_landmarks(image: np.ndarray, view: str) -> Landmarks:
    """Detect the landmarks of a mammogram.

    The image is turned so that the chest wall lies at the left, and scaled down; the landmarks go
    the way back. A mirrored image gives exactly the mirrored landmarks. A step that fails falls
    back and is named in the status: "contour: whole image" (no breast found), "pectoral: default
    line" (MLO; no edge of the muscle seen), "nipple: farthest point" (from the pectoral line;
    no nipple in profile). The rest is "ok".

    Args:
        image: (H, W), uint8, uint16 or float.
        view: "CC" or "MLO".

    Returns:
        Landmarks in pixels of `image`.

    Raises:
        ValueError: on a view of another name, or if the image is no gray image of finite numbers.
    """
    if view not in VIEWS:
        raise ValueError(f"view must be one of {VIEWS}, not {view!r}")
    small, mirrored = oriented_copy(image)
    height, width = np.shape(image)
    notes = []
    mask = segment(small)
    breast = trim_folds(mask, view) if mask.any() else mask
    curve = skin_line(breast, film_border(small))
    if curve is None:
        notes.append(WHOLE_IMAGE)
        mask = breast = np.ones(small.shape, dtype=bool)
        curve = _half_ellipse(small.shape)
    wall = float(np.argmax(breast.any(axis=0)))
    if view == "CC":
        line = np.array([[wall, curve[0, 1]], [wall, curve[-1, 1]]])
    else:
        line, seen = find_pectoral_line(small, mask, wall, curve[:, 0].max() - wall)
        if not seen:
            notes.append(DEFAULT_LINE)
    nipple, distinct = find_nipple(curve, line)
    if not distinct:
        notes.append(FARTHEST_POINT)

    scale = np.array([width / small.shape[1], height / small.shape[0]])

    def stored(points: np.ndarray) -> np.ndarray:
        return np.round(np.clip(points * scale, 0, [width, height]) * _GRID) / _GRID

    found = Landmarks(
        view=view,
        chest_wall="left",
        nipple=stored(nipple),
        pectoral_line=stored(line),
        contour=stored(curve),
        image_size=(height, width),
        status="; ".join(notes) or STATUS_OK,
    )
    return found.mirrored() if mirrored else found


def _half_ellipse(shape: tuple[int, int]) -> np.ndarray:
    """Skin line of a breast that fills the image, (CONTOUR_POINTS, 2)."""
    height, width = shape
    angle = np.linspace(-np.pi / 2, np.pi / 2, CONTOUR_POINTS)
    return np.stack([width * np.cos(angle), height / 2 * (1 + np.sin(angle))], axis=1)
