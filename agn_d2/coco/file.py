"""A COCO annotation file, checked: what a detector trains on is what it is measured on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .entries import (
    Entry,
    Id,
    check_annotation,
    check_category,
    check_context_image,
    check_image,
    image_size,
    leaves,
)
from .reading import once, read_json
from .segmentation import box_agreement

logger = logging.getLogger(__name__)

# Pixels by which a box may pass the border unnoticed: whole pixels, first and last included.
BORDER = 1.0
SINGULAR = {
    "images": "image",
    "context_images": "context image",
    "annotations": "annotation",
    "categories": "category",
}


@dataclass(frozen=True)
class CocoFile:
    """The entries of a COCO annotation file in its order; shared, so not to be changed.

    Values are as COCO wants them: sizes whole, ``iscrowd`` 0 or 1, ``file_name`` without "./";
    names such as ``patient_id`` and ``lesion_id`` are a text, or None where they are empty.

    Attributes:
        path: path of the file.
        images: each with an ``id``; ids are all numbers or all texts, and each stands once.
        annotations: each with the ``image_id`` of an image and a ``bbox``.
        categories: each with an ``id``; empty if the file has none.
        context_images: images that only serve others.
    """

    path: Path
    images: tuple[Entry, ...]
    annotations: tuple[Entry, ...]
    categories: tuple[Entry, ...]
    context_images: tuple[Entry, ...]


@once
def read_coco(path: Path) -> CocoFile:
    """Read a COCO annotation file and check every value that is there.

    Which of the optional keys have to be there is the caller's business: :func:`require_keys`.
    Boxes that reach out of their image, and polygons that are left out, are counted in a warning.

    Args:
        path: JSON in UTF-8, plain or gzipped.

    Raises:
        ValueError: the file cannot be read, or a value is not what it must be; names the file and
            the entry.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path}: ground truth must be a COCO object with images and annotations")
    for key in ("images", "annotations"):
        if not isinstance(content.get(key), list):
            raise ValueError(f"{path}: ground truth needs a list under the key {key!r}")
    categories = _each(path, content, "categories", check_category)
    images = _each(path, content, "images", check_image)
    for what, entries in (("category", categories), ("image", images)):
        _check_ids(path, what, entries)
    by_id = {image["id"]: image for image in images}
    category_ids = {category["id"] for category in categories}
    annotations = _each(
        path, content, "annotations", lambda entry: check_annotation(entry, by_id, category_ids)
    )
    _check_ids(path, "annotation", annotations)
    context = _each(path, content, "context_images", check_context_image)
    _report_boxes(path, annotations, by_id)
    _report_polygons(path, content["annotations"], annotations)
    _report_disagreement(path, annotations)
    return CocoFile(path, images, annotations, categories, context)


def require_keys(coco: CocoFile, kind: str, keys: Sequence[str], remedy: str) -> None:
    """Raise a ValueError at the first entry that lacks a key, or has nothing under it.

    Args:
        coco: the file.
        kind: one of :data:`SINGULAR`.
        keys: that have to be there.
        remedy: ends the message.
    """
    for n, entry in enumerate(getattr(coco, kind)):
        missing = [key for key in keys if entry.get(key) is None]
        if missing:
            name = entry.get("id") if entry.get("file_name") is None else entry["file_name"]
            raise ValueError(
                f"{coco.path}: {kind}, entry {n} (from 0): {SINGULAR[kind]} {name} has no "
                f"{', '.join(missing)} (missing or empty); {remedy}"
            )


def _each(
    path: Path, content: Mapping[str, Any], kind: str, check: Callable[[Any], Entry]
) -> tuple[Entry, ...]:
    entries = content.get(kind) or []
    if not isinstance(entries, list):
        raise ValueError(f"{path}: {kind} must be a list, got {entries!r:.60}")
    checked = []
    for n, entry in enumerate(entries):
        try:
            checked.append(check(entry))
        except ValueError as error:
            raise ValueError(f"{path}: {kind}, entry {n} (from 0): {error}") from None
    return tuple(checked)


def _check_ids(path: Path, what: str, entries: Sequence[Entry]) -> None:
    first: dict[Id, int] = {}
    for n, entry in enumerate(entries):
        value = entry.get("id")
        if value in first:
            raise ValueError(
                f"{path}: {what} id {value!r} stands there more than once: in the entries "
                f"{first[value]} and {n} (from 0)"
            )
        if value is not None:
            first[value] = n
    if len({isinstance(value, str) for value in first}) > 1:
        raise ValueError(f"{path}: the {what} ids must be all numbers or all texts, not both")


def _report_boxes(path: Path, annotations: Sequence[Entry], images: Mapping[Id, Entry]) -> None:
    sizes = [image_size(images[annotation["image_id"]]) for annotation in annotations]
    out = [
        (annotation, size)
        for annotation, size in zip(annotations, sizes, strict=True)
        if size is not None and leaves(annotation["bbox"], size, BORDER)
    ]
    if not out:
        return
    boxes = [annotation["bbox"] for annotation in annotations]
    corners = all(x1 > x0 and y1 > y0 for x0, y0, x1, y1 in boxes)
    logger.warning(
        "%s: %d of %d boxes reach out of their image, the first is %s in an image of %s (h, w). "
        "COCO's boxes are x, y, width, height%s.",
        path,
        len(out),
        len(annotations),
        out[0][0]["bbox"],
        out[0][1],
        "; these look like x0, y0, x1, y1" if corners else "",
    )


def _report_polygons(path: Path, written: Sequence[Entry], checked: Sequence[Entry]) -> None:
    cut = sum(
        isinstance(after.get("segmentation"), list)
        and len(before["segmentation"]) > len(after["segmentation"])
        for before, after in zip(written, checked, strict=True)
    )
    if cut:
        logger.warning(
            "%s: %d masks have polygons of fewer than three points; those are left out", path, cut
        )


def _report_disagreement(path: Path, annotations: Sequence[Entry]) -> None:
    """Training takes the box of a mask that is rotated or scaled, evaluation the one stated."""
    masks = [a for a in annotations if a.get("segmentation")]
    other = [a for a in masks if box_agreement(a["segmentation"], a["bbox"]) < 0.5]
    if other:
        logger.warning(
            "%s: %d of %d masks have another box than the one stated (IoU below 0.5), the first is "
            "annotation %s: %s",
            *(path, len(other), len(masks), other[0].get("id"), other[0]["bbox"]),
        )
