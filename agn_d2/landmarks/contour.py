"""Breast mask and crop box of a mammogram."""

from __future__ import annotations

import cv2
import numpy as np

from .readable import readable_copy
from .record import Landmarks


def breast_mask(image: np.ndarray, view: str | None = None) -> np.ndarray:
    """Breast without film borders, labels, tape and neighboring folds of skin.

    Args:
        image: (H, W) mammogram, uint8, uint16 or float.
        view: "CC" or "MLO" where it is known; helps on films whose breast is hard to tell.

    Returns:
        (H, W) bool; all True where no breast could be told from the background.

    Raises:
        ValueError: if the image is not a two-dimensional array of finite numbers.
    """
    copy = readable_copy(image, view)
    height, width = np.shape(image)
    mask = copy.mask[:, ::-1] if copy.mirrored else copy.mask
    if not mask.any():
        return np.ones((height, width), dtype=bool)
    grown = cv2.resize(mask.astype(np.uint8) * 255, (width, height), interpolation=cv2.INTER_LINEAR)
    return grown >= 128


def breast_box(landmarks: Landmarks, margin: float = 0.03) -> tuple[int, int, int, int]:
    """Box to crop an image to the breast without cutting it; generous at the chest wall.

    It holds the skin line and the image border at the chest wall; in an MLO view also the top of
    the image, where breast and axilla go on.

    Args:
        landmarks: landmarks of the image.
        margin: added all around, as a share of the longer side of the breast's box.

    Returns:
        (x0, y0, x1, y1), whole pixels within the image, x1 and y1 exclusive.

    Raises:
        ValueError: on a negative margin.
    """
    if margin < 0:
        raise ValueError(f"margin must not be negative, got {margin}")
    height, width = landmarks.image_size
    (x0, y0), (x1, y1) = landmarks.contour.min(axis=0), landmarks.contour.max(axis=0)
    if landmarks.chest_wall == "left":
        x0 = 0.0
    else:
        x1 = float(width)
    if landmarks.view == "MLO":
        y0 = 0.0
    pad = margin * max(x1 - x0, y1 - y0)
    low = np.maximum(np.floor([x0 - pad, y0 - pad]), 0).astype(int)
    high = np.minimum(np.ceil([x1 + pad, y1 + pad]), [width, height]).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])
