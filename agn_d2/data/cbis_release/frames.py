"""From the written image back to the film as released."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def boxes_to_film(boxes: np.ndarray, image: Mapping[str, Any]) -> np.ndarray:
    """Boxes in pixels of the film as released, for boxes in a written image.

    Args:
        boxes: (M, 4) XYXY in pixels of the written image.
        image: its COCO entry, with ``width``, ``crop`` (x0, y0, x1, y1) and ``mirrored``.

    Returns:
        (M, 4) float64 XYXY.
    """
    boxes = np.asarray(boxes, dtype=float).reshape(-1, 4)
    if image.get("mirrored", False):
        boxes = np.stack(
            [image["width"] - boxes[:, 2], boxes[:, 1], image["width"] - boxes[:, 0], boxes[:, 3]],
            axis=1,
        )
    return boxes + np.tile(np.asarray(image["crop"][:2], dtype=float), 2)


def boxes_from_film(boxes: np.ndarray, image: Mapping[str, Any]) -> np.ndarray:
    """The inverse of ``boxes_to_film``."""
    boxes = np.asarray(boxes, dtype=float).reshape(-1, 4)
    boxes = boxes - np.tile(np.asarray(image["crop"][:2], dtype=float), 2)
    if image.get("mirrored", False):
        boxes = np.stack(
            [image["width"] - boxes[:, 2], boxes[:, 1], image["width"] - boxes[:, 0], boxes[:, 3]],
            axis=1,
        )
    return boxes
