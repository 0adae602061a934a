"""COCO files of prepared images that have boxes only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..utils.files import write_json
from .images import PreparedImage

CATEGORIES = [{"id": 1, "name": "mass", "supercategory": "lesion"}]


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


def write_annotations(folder: Path, splits: dict[str, Sequence[PreparedImage]]) -> None:
    """Write ``<split>.json`` for every split."""
    for split, images in splits.items():
        write_json(folder / f"{split}.json", coco_annotations([image.entry for image in images]))
