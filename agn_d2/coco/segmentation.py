"""What a ``segmentation`` of COCO JSON may be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools import mask as mask_util

from .values import is_number, whole


def check_segmentation(value: Any, size: tuple[int, int] | None) -> Any:
    """Check a mask.

    Args:
        value: null or an empty list (no mask), a list of polygons [x0, y0, x1, y1, ...], or RLE
            as an object with ``size`` and ``counts``.
        size: (height, width) of the image, if known.

    Returns:
        The mask as Detectron2 and pycocotools read it, or None: RLE compressed, and only
        polygons of at least three points.

    Raises:
        ValueError: another kind, RLE of another size than its image or of another length than
            its size, no polygon of at least three points that do not lie on a line, or an empty
            mask.
    """
    if value is None or value == []:
        return None
    if isinstance(value, dict):
        return _rle(value, size)
    if not isinstance(value, list) or not all(isinstance(part, list) for part in value):
        raise ValueError(
            "segmentation must be a list of polygons [[x0, y0, x1, y1, ...], ...] or RLE "
            f"{{'size', 'counts'}}, got {value!r:.60}"
        )
    for part in value:
        if len(part) % 2 or not all(map(is_number, part)):
            raise ValueError(
                f"a polygon must be an even number of finite numbers, got {part!r:.60}"
            )
    polygons = [part for part in value if len(part) >= 6]
    if not polygons:
        raise ValueError(
            f"a polygon needs at least three points, got {value!r:.60}; leave the segmentation "
            "out where there is only a box"
        )
    if all(map(_is_flat, polygons)):
        raise ValueError(
            f"a polygon must have an area, got {value!r:.60}; leave the segmentation out where "
            "there is only a box"
        )
    return polygons


def mask_box(segmentation: Any) -> tuple[float, float, float, float]:
    """The smallest box around a checked mask, XYWH."""
    if isinstance(segmentation, dict):
        return tuple(mask_util.toBbox(segmentation).tolist())
    points = np.concatenate([np.reshape(part, (-1, 2)) for part in segmentation])
    low, high = points.min(0), points.max(0)
    return (*low.tolist(), *(high - low).tolist())


def box_agreement(segmentation: Any, bbox: Sequence[float]) -> float:
    """IoU of the box around a checked mask and a box, both XYWH."""
    boxes = (np.array([one], dtype=np.float64) for one in (mask_box(segmentation), bbox))
    return float(mask_util.iou(*boxes, [0])[0, 0])


def _is_flat(polygon: Sequence[float]) -> bool:
    points = np.reshape(polygon, (-1, 2))
    return np.linalg.matrix_rank(points - points[0]) < 2


def _rle(value: dict[str, Any], size: tuple[int, int] | None) -> dict[str, Any]:
    own, counts = value.get("size"), value.get("counts")
    if not isinstance(own, list) or len(own) != 2:
        raise ValueError(f"size of an RLE must be [height, width], got {own!r:.60}")
    own = tuple(whole(side, "size of an RLE") for side in own)
    if size is not None and own != size:
        swapped = " (swapped)" if own == size[::-1] else ""
        raise ValueError(f"an RLE of {own} (h, w) in an image of {size}{swapped}: its mask is lost")
    if isinstance(counts, list):
        if not all(type(count) is int and count >= 0 for count in counts):
            raise ValueError(f"counts of an RLE must be numbers from 0 on, got {counts!r:.60}")
        if sum(counts) != math.prod(own):
            raise ValueError(
                f"counts of an RLE add up to {sum(counts)}, not to the {math.prod(own)} pixels of "
                f"its size {own}"
            )
        compressed = mask_util.frPyObjects({"size": list(own), "counts": counts}, *own)
    elif isinstance(counts, str) and counts:
        compressed = {"size": list(own), "counts": counts}
    else:
        raise ValueError(f"counts of an RLE must be a list or a text, got {counts!r:.60}")
    try:
        area, (x, y, width, height) = mask_util.area(compressed), mask_util.toBbox(compressed)
    except (TypeError, ValueError) as error:
        raise ValueError(f"counts of an RLE cannot be read: {error}") from error
    if x < 0 or y < 0 or x + width > own[1] or y + height > own[0]:
        raise ValueError(f"counts of an RLE reach out of its size {own}")
    if area == 0:
        raise ValueError("the mask is empty; leave the segmentation out where there is only a box")
    return compressed
