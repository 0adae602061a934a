"""From the written image back to the film as released."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

ASPECT_TOLERANCE = 0.01  # of the ratio width / height: less is the same aspect


def boxes_to_film(boxes: np.ndarray, image: Mapping[str, Any]) -> np.ndarray:
    """Boxes in pixels of the film as released, for boxes in a written image.

    Args:
        boxes: (M, 4) XYXY in pixels of the written image.
        image: its COCO entry, with ``width``, ``crop`` (x0, y0, x1, y1) and ``mirrored``.

    Returns:
        (M, 4) float64 XYXY.
    """
    return _as_released(np.asarray(boxes, dtype=float).reshape(-1, 4), image) + _offset(image)


def boxes_from_film(boxes: np.ndarray, image: Mapping[str, Any]) -> np.ndarray:
    """The inverse of ``boxes_to_film``."""
    return _as_released(np.asarray(boxes, dtype=float).reshape(-1, 4) - _offset(image), image)


def _offset(image: Mapping[str, Any]) -> np.ndarray:
    return np.tile(np.asarray(image["crop"][:2], dtype=float), 2)


def _as_released(boxes: np.ndarray, image: Mapping[str, Any]) -> np.ndarray:
    """Boxes of the crop turned around if the written image is; the same there and back."""
    if not image.get("mirrored", False):
        return boxes
    x0, y0, x1, y1 = boxes.T
    return np.stack([image["width"] - x1, y0, image["width"] - x0, y1], axis=1)
