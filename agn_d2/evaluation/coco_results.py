"""Reads COCO ground truth and COCO results files into flat arrays, and checks every entry."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .records import Detections, Lesions

ImageId = int | str


@dataclass(frozen=True)
class ImageFacts:
    """What the annotation file says of an image; None for what it does not say.

    Attributes:
        file_name: relative to the folder of the images.
        size: (height, width) in pixels.
        patient: ``patient_id``.
        case: the patient, or "<patient>/<case_id>" where a patient has several examinations.
        laterality: L or R.
        view: CC or MLO.
        density: ``density`` or ``breast_density``, ACR 1 to 4.
        mm_per_pixel: of the stored image.
    """

    file_name: str | None = None
    size: tuple[int, int] | None = None
    patient: str | None = None
    case: str | None = None
    laterality: str | None = None
    view: str | None = None
    density: str | None = None
    mm_per_pixel: float | None = None


@dataclass(frozen=True)
class GroundTruth:
    """Ground truth of a data set with the names of its images.

    Attributes:
        image_ids: I COCO image ids, in the order of the file.
        lesions: boxes on images 0 .. I - 1; ``iscrowd`` annotations are its ignored regions.
        images: I times what is known of an image.
        lesion_ids: L times ``lesion_id``, the same for one lesion in two views; None without one.
        category_ids: those of the file; empty if it has no ``categories``.
        context_images: images that only serve others (``context_images``) and are not counted.
    """

    image_ids: tuple[ImageId, ...]
    lesions: Lesions
    images: tuple[ImageFacts, ...]
    lesion_ids: tuple[str | None, ...]
    category_ids: frozenset[int]
    context_images: tuple[ImageFacts, ...]

    @property
    def patients(self) -> tuple[str | None, ...]:
        """I patient ids, None for an image without a ``patient_id``."""
        return tuple(image.patient for image in self.images)

    @property
    def image_index(self) -> dict[ImageId, int]:
        """Index of each image id."""
        return {image_id: index for index, image_id in enumerate(self.image_ids)}


def read_ground_truth(path: str | Path) -> GroundTruth:
    """Reads the images and boxes of a COCO annotation file; categories are merged.

    Args:
        path: JSON object with ``images`` (``id``; ``patient_id`` if there is one) and
            ``annotations`` (``image_id``, ``bbox`` XYWH in pixels; ``iscrowd`` and ``lesion_id``
            if there is one). Further keys of an image: see :class:`ImageFacts`.

    Returns:
        The ground truth.

    Raises:
        ValueError: if the file is missing or not such JSON; names the file and the entry.
    """
    content = _read_json(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path}: ground truth must be a COCO object with images and annotations")
    for key in ("images", "annotations"):
        if not isinstance(content.get(key), list):
            raise ValueError(f"{path}: ground truth needs a list under the key {key!r}")

    image_ids, facts = [], []
    for n, image in enumerate(content["images"]):
        where = f"{path}: images, entry {n} (from 0)"
        image_ids.append(_get(image, "id", where))
        if not _is_id(image_ids[-1]):
            raise ValueError(f"{where}: id must be a number or a string, found {image_ids[-1]!r}")
        facts.append(_facts(image, where))
    index = {image_id: i for i, image_id in enumerate(image_ids)}
    if len(index) < len(image_ids):
        twice = next(x for i, x in enumerate(image_ids) if index[x] != i)
        raise ValueError(f"{path}: image id {twice!r} stands there more than once")

    boxes, images, ignored, lesion_ids = [], [], [], []
    for n, annotation in enumerate(content["annotations"]):
        where = f"{path}: annotations, entry {n} (from 0)"
        images.append(_image(annotation, index, where))
        boxes.append(_box(annotation, where, allow_empty=False))
        ignored.append(bool(annotation.get("iscrowd", 0)))
        lesion_ids.append(_text(annotation.get("lesion_id")))
    lesions = Lesions(
        boxes=np.array(boxes), images=_integers(images), num_images=len(image_ids),
        ignored=np.array(ignored, dtype=bool),
    )  # fmt: skip
    return GroundTruth(
        image_ids=tuple(image_ids),
        lesions=lesions,
        images=tuple(facts),
        lesion_ids=tuple(lesion_ids),
        category_ids=_category_ids(content, path),
        context_images=tuple(
            _facts(image, f"{path}: context_images, entry {n} (from 0)")
            for n, image in enumerate(content.get("context_images") or ())
        ),
    )


def read_detections(path: str | Path, ground_truth: GroundTruth) -> Detections:
    """Reads a COCO results file.

    Args:
        path: JSON list of ``{"image_id", "bbox": XYWH in pixels, "score", "category_id"}``. All
            categories of the ground truth are merged; an entry may do without. Other keys are not
            read. An empty list is fine.
        ground_truth: whose image and category ids the entries use.

    Returns:
        The detections, in the order of the file.

    Raises:
        ValueError: if the file is missing or not such JSON, or for a missing key, an unknown image
            or category id, a negative size or a number that is not finite; names the file and the
            entry.
    """
    content = _read_json(path)
    if not isinstance(content, list):
        raise ValueError(f"{path}: predictions must be a list of detections (COCO results format)")
    index = ground_truth.image_index
    boxes, scores, images = [], [], []
    for n, entry in enumerate(content):
        where = f"{path}: entry {n} (from 0)"
        images.append(_image(entry, index, where))
        boxes.append(_box(entry, where, allow_empty=True))
        _check_category(entry, ground_truth.category_ids, where)
        score = _get(entry, "score", where)
        if not _is_number(score):
            raise ValueError(f"{where}: score must be a finite number, found {score!r}")
        scores.append(float(score))
    return Detections(boxes=np.array(boxes), scores=np.array(scores), images=_integers(images))


def _read_json(path: str | Path) -> Any:
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: is not JSON: {error}") from error


def _get(entry: Any, key: str, where: str) -> Any:
    if not isinstance(entry, dict):
        raise ValueError(f"{where}: must be an object, found {entry!r:.60}")
    if key not in entry:
        raise ValueError(f"{where}: the key {key!r} is missing")
    return entry[key]


def _facts(image: dict[str, Any], where: str) -> ImageFacts:
    spacing, size = image.get("mm_per_pixel"), (image.get("height"), image.get("width"))
    if spacing is not None and not (_is_number(spacing) and spacing > 0):
        raise ValueError(f"{where}: mm_per_pixel must be a number above 0, found {spacing!r:.60}")
    patient, case = _text(image.get("patient_id")), _text(image.get("case_id"))
    if patient is not None and case not in (None, patient):
        case = f"{patient}/{case}"
    return ImageFacts(
        file_name=_text(image.get("file_name")),
        size=(int(size[0]), int(size[1])) if all(map(_is_number, size)) else None,
        patient=patient,
        case=case if patient is not None and case is not None else patient,
        laterality=_text(image.get("laterality")),
        view=_text(image.get("view")),
        density=_text(image.get("density", image.get("breast_density"))),
        mm_per_pixel=None if spacing is None else float(spacing),
    )


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _category_ids(content: dict[str, Any], path: str | Path) -> frozenset[int]:
    categories = content.get("categories") or []
    if not isinstance(categories, list):
        raise ValueError(f"{path}: categories must be a list")
    return frozenset(
        _get(category, "id", f"{path}: categories, entry {n} (from 0)")
        for n, category in enumerate(categories)
    )


def _check_category(entry: dict[str, Any], known: frozenset[int], where: str) -> None:
    """Another category is another lesion, or a file of another data set: no figure for it."""
    category = entry.get("category_id")
    if category is None or not known:
        return
    if not _is_id(category) or category not in known:
        raise ValueError(
            f"{where}: category_id {category!r:.60} is not in the ground truth, which has "
            f"{', '.join(map(repr, sorted(known)))}"
        )


def _image(entry: Any, index: dict[ImageId, int], where: str) -> int:
    image_id = _get(entry, "image_id", where)
    if not _is_id(image_id) or image_id not in index:
        raise ValueError(f"{where}: image_id {image_id!r:.60} is not in the ground truth")
    return index[image_id]


def _box(entry: dict[str, Any], where: str, *, allow_empty: bool) -> tuple[float, ...]:
    """The box as XYXY."""
    box = _get(entry, "bbox", where)
    if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
        raise ValueError(f"{where}: bbox must be 4 finite numbers, found {box!r:.60}")
    x, y, width, height = map(float, box)
    if min(width, height) < 0 or (min(width, height) == 0 and not allow_empty):
        least = "must not be negative" if allow_empty else "must be above 0"
        raise ValueError(f"{where}: width and height of the bbox {least}, found {box!r}")
    return x, y, x + width, y + height


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond the range of a float
        return False


def _is_id(value: Any) -> bool:
    return isinstance(value, int | float | str) and not isinstance(value, bool)


def _integers(values: list[int]) -> np.ndarray:
    return np.array(values, dtype=np.int64)
