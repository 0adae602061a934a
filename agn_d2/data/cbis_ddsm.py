"""CBIS-DDSM at 800 px (squashed to a square, boxes only) brought into the canonical form."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from ..images import read_gray
from .cbis_source import SourceImage
from .open_files import ReadFailure, reason_of

CATEGORIES = [{"id": 1, "name": "mass", "supercategory": "lesion"}]


def unsquashed_size(squashed: tuple[int, int], original: tuple[int, int]) -> tuple[int, int]:
    """The size in which the image has its true aspect ratio and keeps every pixel it has.

    The side that was squashed least keeps its length, the other one is stretched.

    Args:
        squashed, original: (H, W).

    Returns:
        (H, W).
    """
    scale = max(squashed[0] / original[0], squashed[1] / original[1])
    return round(original[0] * scale), round(original[1] * scale)


def unsquash(source: SourceImage) -> tuple[np.ndarray, np.ndarray]:
    """Undo the squash of an image and its boxes.

    Returns:
        image (H, W) uint8, boxes (M, 4) float64 XYWH in pixels of it.

    Raises:
        ReadFailure: the image is not there, or cannot be read now.
        ValueError: it is cut off or no image of 8 bits; names the file.
    """
    try:
        image = read_gray(source.path)
    except (MemoryError, OSError) as error:
        raise ReadFailure(f"{source.path}: {reason_of(error)}") from error
    if image.dtype != np.uint8:
        raise ValueError(f"{source.path} has 16 bits; the 800-px release has 8")
    height, width = unsquashed_size(image.shape, source.original_size)
    scale = np.array([width / image.shape[1], height / image.shape[0]])
    stretched = cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)
    return stretched, source.boxes * np.tile(scale, 2)


def split_patients(patients: list[str], share: float, seed: int) -> set[str]:
    """Draw the patients of the validation split.

    Args:
        patients: all patients of the training split, in any order.
        share: of the patients, in [0, 1).

    Returns:
        the drawn patients; the same for the same patients, share and seed.

    Raises:
        ValueError: share out of range.
    """
    if not 0 <= share < 1:
        raise ValueError(f"the validation share must be in [0, 1), got {share}")
    ordered = sorted(set(patients))
    drawn = np.random.default_rng(seed).permutation(len(ordered))[: round(share * len(ordered))]
    return {ordered[i] for i in drawn}


def coco_annotations(images: list[dict[str, Any]]) -> dict[str, Any]:
    """A COCO JSON of one split.

    Args:
        images: COCO image entries without ``id``, each with ``boxes`` (M, 4) XYWH.
    """
    entries, annotations = [], []
    for image_id, image in enumerate(images, start=1):
        entries.append({"id": image_id} | {k: v for k, v in image.items() if k != "boxes"})
        for box in image["boxes"]:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": 1,
                    "bbox": [round(float(v), 2) for v in box],
                    "area": round(float(box[2] * box[3]), 2),
                    "iscrowd": 0,
                }
            )
    return {"images": entries, "annotations": annotations, "categories": CATEGORIES}
