"""COCO files of a split: of entries and their annotations, or of images that have boxes only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..utils.files import write_json
from .images import PreparedImage

CATEGORIES = [{"id": 1, "name": "mass", "supercategory": "lesion"}]


def split_content(
    images: Iterable[tuple[Mapping[str, Any], Iterable[Mapping[str, Any]]]],
    context: Iterable[Mapping[str, Any]] | None,
    categories: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """The COCO JSON of one split; images and annotations are numbered from 1.

    Args:
        images: entries of examined images, each with its annotations, all without ids.
        context: entries of images that only serve others; None: the data set has no such thing.
        categories: of the file.
    """
    content: dict[str, Any] = {"images": [], "annotations": [], "categories": list(categories)}
    for entry, lesions in images:
        image_id = len(content["images"]) + 1
        content["images"].append({"id": image_id} | dict(entry))
        for annotation in lesions:
            number = len(content["annotations"]) + 1
            content["annotations"].append({"id": number, "image_id": image_id} | dict(annotation))
    if context is None:
        return content
    patients = {image["patient_id"] for image in content["images"]}
    content["context_images"] = [dict(e) for e in context if e["patient_id"] in patients]
    return content


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
