"""COCO files of images that have boxes only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...utils.files import write_json
from ..coco_files import CATEGORIES, split_content
from .images_800 import PreparedImage


def coco_annotations(images: list[dict[str, Any]]) -> dict[str, Any]:
    """A COCO JSON of one split.

    Args:
        images: COCO image entries without ``id``, each with ``boxes`` (M, 4) XYWH.
    """

    def annotations(image: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        for box in image["boxes"]:
            yield {
                "category_id": 1,
                "bbox": [round(float(v), 2) for v in box],
                "area": round(float(box[2] * box[3]), 2),
                "iscrowd": 0,
            }

    entries = [{key: v for key, v in image.items() if key != "boxes"} for image in images]
    return split_content(zip(entries, map(annotations, images), strict=True), None, CATEGORIES)


def write_annotations(folder: Path, splits: Mapping[str, Sequence[PreparedImage]]) -> None:
    """Write ``<split>.json`` for every split."""
    for split, images in splits.items():
        write_json(folder / f"{split}.json", coco_annotations([image.entry for image in images]))
