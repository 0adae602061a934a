"""The rules for one entry of a COCO annotation file: a category, an image, an annotation.

Each function returns a copy whose values are as COCO wants them, and raises a ValueError that says
what is wrong with which key. An optional key that is missing or null is no fault here.
"""

from __future__ import annotations

import math
import posixpath
from collections.abc import Collection, Mapping
from typing import Any

from .segmentation import box_agreement, check_segmentation
from .values import box, flag, get, is_id, is_number, text, whole

Entry = dict[str, Any]
Id = int | float | str

TEXTS = ("patient_id", "case_id", "laterality", "view", "density", "breast_density")


def check_category(entry: Any) -> Entry:
    """``id``, and ``name`` if there is one."""
    checked = {**_object(entry), "id": _id(entry)}
    if not isinstance(entry.get("name", ""), str):
        raise ValueError(f"name must be a text, got {entry['name']!r:.60}")
    return checked


def check_image(entry: Any) -> Entry:
    """``id``, and what :func:`check_context_image` looks at."""
    return {**check_context_image(entry), "id": _id(entry)}


def check_context_image(entry: Any) -> Entry:
    """``file_name``, ``height``, ``width``, ``mm_per_pixel``, ``bits`` and :data:`TEXTS`."""
    checked = dict(_object(entry))
    name = entry.get("file_name")
    if name is not None:
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"file_name must be the name of a file, got {name!r:.60}")
        checked["file_name"] = posixpath.normpath(name)
    for key in ("height", "width"):
        if entry.get(key) is not None:
            checked[key] = whole(entry[key], key)
    for key in TEXTS:
        if key in entry:
            checked[key] = text(entry[key], key)
    spacing = entry.get("mm_per_pixel")
    if spacing is not None and not (is_number(spacing) and spacing > 0):
        raise ValueError(f"mm_per_pixel must be a number above 0, got {spacing!r:.60}")
    bits = entry.get("bits")
    if isinstance(bits, float) and math.isnan(bits):  # pandas' way to write that there are none
        bits = checked["bits"] = None
    if bits is not None:
        checked["bits"] = whole(bits, "bits")
        if checked["bits"] > 16:
            raise ValueError(f"bits must be a whole number from 1 to 16, got {bits!r:.60}")
    return checked


def check_annotation(entry: Any, images: Mapping[Id, Entry], categories: Collection[Id]) -> Entry:
    """``image_id`` and ``bbox``, and whatever else is there.

    Args:
        entry: the annotation.
        images: checked images by id.
        categories: ids of the categories; empty: ``category_id`` may be anything.
    """
    check_image_id(entry, images)
    image = images[entry["image_id"]]
    checked = {**entry, "image_id": image["id"], "bbox": list(box(get(entry, "bbox")))}
    size = image_size(image)
    if size is not None and outside(checked["bbox"], size):
        raise ValueError(
            f"the bbox {entry['bbox']} (XYWH) lies outside of its image of {size} (h, w)"
        )
    if entry.get("id") is not None:
        checked["id"] = _id(entry)
    check_category_id(entry, categories)
    area = entry.get("area")
    if area is not None and not (is_number(area) and area >= 0):
        raise ValueError(f"area must be a number from 0 on, got {area!r:.60}")
    if entry.get("iscrowd") is not None:
        checked["iscrowd"] = flag(entry["iscrowd"], "iscrowd")
    if entry.get("ignore"):
        raise ValueError("ignore is not read: mark a region that is no lesion by iscrowd 1")
    if "lesion_id" in entry:
        checked["lesion_id"] = text(entry["lesion_id"], "lesion_id")
    if "segmentation" in entry:
        checked["segmentation"] = check_segmentation(entry["segmentation"], size)
        if checked["segmentation"] and not box_agreement(checked["segmentation"], checked["bbox"]):
            raise ValueError(
                f"the segmentation lies beside its bbox {entry['bbox']} (XYWH): is one of them "
                "that of another size of the image?"
            )
    return checked


def check_image_id(entry: Any, images: Mapping[Id, Any]) -> None:
    """The ``image_id`` of an annotation or a detection must be that of an image."""
    image_id = get(entry, "image_id")
    if is_id(image_id) and image_id in images:
        return
    like = next((known for known in images if str(known) == str(image_id)), None)
    hint = "" if like is None else f", where it is {like!r} (a {_kind(like)})"
    raise ValueError(f"image_id {image_id!r:.60} is not in the ground truth{hint}")


def check_category_id(entry: Entry, categories: Collection[Id]) -> None:
    """Another category is another lesion, or a file of another data set: no figure for it."""
    category = entry.get("category_id")
    if category is None or not categories:
        return
    if not is_id(category) or category not in categories:
        known = ", ".join(map(repr, sorted(categories)))
        kinds = " and ".join(sorted({_kind(known) for known in categories}))
        raise ValueError(
            f"category_id {category!r:.60} is not in the ground truth, which has {known} ({kinds})"
        )


def image_size(image: Entry) -> tuple[int, int] | None:
    """(height, width) of a checked image, if it says both."""
    size = (image.get("height"), image.get("width"))
    return None if None in size else size


def outside(bbox: list[float], size: tuple[int, int]) -> bool:
    """Whether a box XYWH and its image of (height, width) share nothing."""
    x, y, width, height = bbox
    return x >= size[1] or y >= size[0] or x + width <= 0 or y + height <= 0


def leaves(bbox: list[float], size: tuple[int, int], by: float) -> bool:
    """Whether a box XYWH reaches out of its image of (height, width) by more than some pixels."""
    x, y, width, height = bbox
    return min(x, y) < -by or x + width > size[1] + by or y + height > size[0] + by


def _object(entry: Any) -> Entry:
    if not isinstance(entry, dict):
        raise ValueError(f"must be an object, got {entry!r:.60}")
    return entry


def _id(entry: Any) -> Id:
    value = get(entry, "id")
    if not is_id(value):
        raise ValueError(f"id must be a number or a string, got {value!r:.60}")
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _kind(value: Id) -> str:
    return "text" if isinstance(value, str) else "number"
