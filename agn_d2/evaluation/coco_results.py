"""COCO ground truth and COCO results files as flat arrays."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..coco.entries import Entry, check_category_id, check_image_id, image_size
from ..coco.entries import Id as ImageId
from ..coco.file import read_coco
from ..coco.reading import read_json
from ..coco.values import box, get, is_number
from .records import Detections, Lesions

logger = logging.getLogger(__name__)


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
        mm_per_pixel: pixel spacing of the stored image.
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
    category_ids: frozenset[ImageId]
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
    coco = read_coco(path)
    image_ids = tuple(image["id"] for image in coco.images)
    index = {image_id: i for i, image_id in enumerate(image_ids)}
    annotations = coco.annotations
    lesions = Lesions(
        boxes=np.array([_corners(annotation["bbox"]) for annotation in annotations]),
        images=_integers([index[annotation["image_id"]] for annotation in annotations]),
        num_images=len(image_ids),
        ignored=np.array([bool(annotation.get("iscrowd")) for annotation in annotations]),
    )
    return GroundTruth(
        image_ids=image_ids,
        lesions=lesions,
        images=tuple(map(_facts, coco.images)),
        lesion_ids=tuple(annotation.get("lesion_id") for annotation in annotations),
        category_ids=frozenset(category["id"] for category in coco.categories),
        context_images=tuple(map(_facts, coco.context_images)),
    )


def read_detections(path: str | Path, ground_truth: GroundTruth) -> Detections:
    """Reads a COCO results file.

    Args:
        path: JSON list of ``{"image_id", "bbox": XYWH in pixels, "score", "category_id"}``. All
            categories of the ground truth are merged; an entry may do without. Other keys are not
            read. An empty list is fine. Boxes that lie outside of their image, as those of another
            data set or of images of another size do, are counted in a warning.
        ground_truth: whose image and category ids the entries use.

    Returns:
        The detections, in the order of the file.

    Raises:
        ValueError: if the file is missing or not such JSON, or for a missing key, an unknown image
            or category id, a negative size or a number that is not finite; names the file and the
            entry.
    """
    content = read_json(path)
    if not isinstance(content, list):
        raise ValueError(f"{path}: predictions must be a list of detections (COCO results format)")
    index = ground_truth.image_index
    boxes, scores, images = [], [], []
    for n, entry in enumerate(content):
        try:
            check_image_id(entry, index)
            images.append(index[entry["image_id"]])
            boxes.append(_corners(box(get(entry, "bbox"), allow_empty=True)))
            check_category_id(entry, ground_truth.category_ids)
            score = get(entry, "score")
            if not is_number(score):
                raise ValueError(f"score must be a finite number, got {score!r}")
        except ValueError as error:
            raise ValueError(f"{path}: entry {n} (from 0): {error}") from None
        scores.append(float(score))
    found = Detections(boxes=np.array(boxes), scores=np.array(scores), images=_integers(images))
    _report_outside(path, found, ground_truth)
    return found


def _report_outside(path: str | Path, found: Detections, truth: GroundTruth) -> None:
    """Warn of boxes that share nothing with their image; no detector of these images makes any."""
    unknown = (np.nan, np.nan)
    sizes = np.array([image.size or unknown for image in truth.images], float).reshape(-1, 2)
    width, height = sizes[found.images, ::-1].T
    x0, y0, x1, y1 = found.boxes.T
    outside = (np.maximum(x0 - width, y0 - height) > 0) | (np.minimum(x1, y1) < 0)
    outside &= np.isfinite(width)
    if outside.any():
        first = int(outside.argmax())
        logger.warning(
            "%s: %d of %d boxes lie outside of their image, the first is entry %d (from 0), in an "
            "image of %d x %d px (w x h). Are the results of other images, or of another size?",
            *(path, outside.sum(), len(outside), first, width[first], height[first]),
        )


def _facts(image: Entry) -> ImageFacts:
    patient, case = image.get("patient_id"), image.get("case_id")
    if patient is not None and case not in (None, patient):
        case = f"{patient}/{case}"
    spacing = image.get("mm_per_pixel")
    return ImageFacts(
        file_name=image.get("file_name"),
        size=image_size(image),
        patient=patient,
        case=case if patient is not None and case is not None else patient,
        laterality=image.get("laterality"),
        view=image.get("view"),
        density=image.get("density") or image.get("breast_density"),
        mm_per_pixel=None if spacing is None else float(spacing),
    )


def _corners(box: Sequence[float]) -> tuple[float, float, float, float]:
    """XYWH as XYXY."""
    x, y, width, height = box
    return x, y, x + width, y + height


def _integers(values: list[int]) -> np.ndarray:
    return np.array(values, dtype=np.int64)
