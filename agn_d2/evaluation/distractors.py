"""How well a detector tells masses from the phantom's distractors, kind by kind.

The recall at some FPPI mixes finding objects with telling them apart. Here each object, mass or
distractor, has the score of the best detection on it, and the kinds are compared by their scores.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .matching import TOLERANCE, check_options

MASS = "mass"


def scores_by_kind(
    ground_truth: Mapping[str, Any], detections: Sequence[Mapping[str, Any]], iou: float = 0.2
) -> dict[str, np.ndarray]:
    """The best score on each object.

    Args:
        ground_truth: a COCO annotation file of the phantom: ``annotations`` are masses,
            ``distractors`` have a ``kind``.
        detections: a COCO results file: ``image_id``, ``bbox`` (XYWH), ``score``.
        iou: least IoU of a detection and an object, above 0, at most 1.

    Returns:
        kind -> (objects,) float64; 0 for an object without a detection. ``mass`` comes first.

    Raises:
        ValueError: the file has no distractors, or ``iou`` is out of range.
    """
    check_options(iou, "iou", "any")
    if not ground_truth.get("distractors"):
        raise ValueError("the annotation file has no distractors; only the phantom's files do")
    of_image = defaultdict(list)
    for detection in detections:
        of_image[detection["image_id"]].append((*detection["bbox"], detection["score"]))
    objects = [(MASS, item) for item in ground_truth["annotations"]]
    objects += [(item["kind"], item) for item in ground_truth["distractors"]]
    scores: dict[str, list[float]] = {MASS: []}
    for kind, item in objects:
        found = np.array(of_image.get(item["image_id"], np.empty((0, 5))), dtype=float)
        overlaps = _iou(found[:, :4], np.array(item["bbox"], dtype=float))
        reached = found[overlaps >= iou - TOLERANCE, 4]
        scores.setdefault(kind, []).append(reached.max(initial=0.0))
    return {kind: np.array(values) for kind, values in scores.items()}


def _iou(boxes: np.ndarray, box: np.ndarray) -> np.ndarray:
    low = np.maximum(boxes[:, :2], box[:2])
    high = np.minimum(boxes[:, :2] + boxes[:, 2:], box[:2] + box[2:])
    overlap = np.clip(high - low, 0, None).prod(axis=1)
    union = boxes[:, 2:].prod(axis=1) + box[2:].prod() - overlap
    return overlap / np.maximum(union, 1e-12)
