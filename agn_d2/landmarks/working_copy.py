"""The small copy of an image in which landmarks are found, and the way back to the stored image."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from .blanks import without_blanks
from .segment import chest_wall_score, segment

WORK_HEIGHT = 512
_TINY_HEIGHT = 192  # enough to tell the side of the chest wall
_GRID = 64  # coordinates are multiples of 1/64 px, for which mirroring is exact


def working_copy(image: np.ndarray, height: int = WORK_HEIGHT) -> np.ndarray:
    """Small 8-bit copy of an image, its range stretched to 0..255.

    Args:
        image: (H, W), uint8, uint16 or float.
        height: height of the copy in pixels; the aspect ratio is kept.

    Returns:
        (height, w) uint8.

    Raises:
        ValueError: if the image is not a two-dimensional array of finite numbers.
    """
    return _scaled(*_gray(image), height)


def oriented_copy(
    image: np.ndarray,
    height: int = WORK_HEIGHT,
    tone: Callable[[np.ndarray], np.ndarray] | None = None,
) -> tuple[np.ndarray, bool]:
    """Working copy with the chest wall at the left, and without labels that were blanked out.

    The side is read from the image. Both orientations go through the same steps and the better one
    is kept, so that a mirrored image gives exactly the same copy.

    Args:
        image: (H, W), uint8, uint16 or float.
        height: height of the copy in pixels; the aspect ratio is kept.
        tone: changes the gray values of the copy, before the side is read from them too.

    Returns:
        (height, w) uint8, and whether the image was mirrored for it.

    Raises:
        ValueError: as working_copy.
    """
    gray, low, high = _gray(image)
    flipped = np.ascontiguousarray(gray[:, ::-1])

    def copy(side: np.ndarray, height: int) -> np.ndarray:
        small = without_blanks(_scaled(side, low, high, height))
        return small if tone is None else tone(small)

    tiny, tiny_flipped = (copy(side, _TINY_HEIGHT) for side in (gray, flipped))
    mirrored = chest_wall_score(segment(tiny_flipped)) > chest_wall_score(segment(tiny))
    return copy(flipped if mirrored else gray, height), mirrored


def _gray(image: np.ndarray) -> tuple[np.ndarray, float, float]:
    """(H, W) float32, contiguous, with its least and greatest value; refuses what is no image."""
    image = np.asarray(image)
    if image.ndim != 2 or image.size == 0:
        raise ValueError(f"a mammogram is a gray image (H, W), not of the shape {image.shape}")
    gray = np.ascontiguousarray(image, dtype=np.float32)
    low, high = float(gray.min()), float(gray.max())
    if not (np.isfinite(low) and np.isfinite(high)):  # NaN and infinity show in one of the two
        raise ValueError("the image holds numbers that are not finite")
    return gray, low, high


def _scaled(gray: np.ndarray, low: float, high: float, height: int) -> np.ndarray:
    """(height, w) uint8, low .. high stretched to 0 .. 255."""
    # Four times as wide as high is no mammogram: do not blow such a strip up.
    width = min(max(1, round(gray.shape[1] * height / gray.shape[0])), 4 * height)
    if high <= low:
        return np.zeros((height, width), np.uint8)
    method = cv2.INTER_AREA if height < gray.shape[0] else cv2.INTER_LINEAR
    small = cv2.resize(gray, (width, height), interpolation=method)
    return np.clip((small - low) * (255.0 / (high - low)) + 0.5, 0, 255).astype(np.uint8)


def stored_points(
    points: np.ndarray, copied: tuple[int, int], stored: tuple[int, int]
) -> np.ndarray:
    """Points of a working copy in pixels of the stored image, as it was turned for the copy.

    Args:
        points: (..., 2), (x, y).
        copied: (h, w) of the copy.
        stored: (H, W) of the stored image.
    """
    scale = np.array([stored[1] / copied[1], stored[0] / copied[0]])
    return np.round(np.clip(points * scale, 0, [stored[1], stored[0]]) * _GRID) / _GRID
