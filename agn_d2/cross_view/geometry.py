"""Where a box lies in the breast's own frame, so that views can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..landmarks.record import Landmarks


def breast_coordinates(points: np.ndarray, landmarks: Landmarks) -> np.ndarray:
    """Depth behind the nipple and height along the chest wall.

    The axis runs from the nipple to the foot of its perpendicular on the pectoral line. A nipple
    on the line itself leaves the direction into the breast open; it is then that towards the chest
    wall's side of the image. A line of one point, as of an image without a breast, counts as
    vertical, as it does for the nodes.

    Args:
        points: (M, 2), (x, y) in pixels of the stored image.
        landmarks: landmarks of that image.

    Returns:
        (M, 2) float64, pixels: depth (positive towards the chest wall) and height (positive
        towards the upper end of the pectoral line), both 0 at the nipple.
    """
    upper, lower = landmarks.pectoral_line
    length = np.linalg.norm(upper - lower)
    up = (upper - lower) / length if length >= 1e-6 else np.array([0.0, -1.0])
    normal = np.array([up[1], -up[0]])
    distance = normal @ (upper - landmarks.nipple)
    if distance == 0:
        distance = normal[0] * (1 if landmarks.chest_wall == "right" else -1)
    inward = normal if distance > 0 else -normal
    relative = np.asarray(points, dtype=np.float64) - landmarks.nipple
    return np.stack([relative @ inward, relative @ up], axis=1)


def breast_height(landmarks: Landmarks) -> float:
    """Vertical extent of the skin line in pixels, at least 1."""
    return max(float(np.ptp(landmarks.contour[:, 1])), 1.0)


def pixel_lengths(records: Sequence[dict[str, Any]]) -> np.ndarray:
    """Length of a stored pixel of each view of a case, in a unit that the views share.

    The unit is that of ``pixel_size`` (millimeters, or pixels of the film before it was scaled)
    where all views state it; else the breast height of each view, which is the same length up to
    the compression and the framing.

    Args:
        records: dataset dicts of one case, with ``landmarks``.

    Returns:
        (V,) float64.
    """
    sizes = [record.get("pixel_size") for record in records]
    if all(size is not None for size in sizes):
        return np.asarray(sizes, dtype=np.float64)
    return np.array([1 / breast_height(record["landmarks"]) for record in records])
