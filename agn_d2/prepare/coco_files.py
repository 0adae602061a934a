"""The COCO file of a split, of entries and their annotations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

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
