"""Ground truth and detections of a whole data set as flat arrays.

Shapes: I images, L lesions, D detections. Boxes are XYXY in pixels of the stored image, continuous
(a box from 10 to 20 is 10 wide, no +1). Images are indices 0 .. I - 1; classes are merged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Lesions:
    """Ground truth of a data set.

    Attributes:
        boxes: (L, 4) float64, XYXY, pixels; each wider and higher than 0.
        images: (L,) int64, the index of each lesion's image, 0 .. num_images - 1.
        num_images: I, all images, with and without a lesion.
        ignored: (L,) bool, True for a region that is no lesion (rule 4); None for none.

    Raises:
        ValueError: if shapes, indices or boxes are not as said.
    """

    boxes: np.ndarray
    images: np.ndarray
    num_images: int
    ignored: np.ndarray | None = None

    def __post_init__(self) -> None:
        boxes = _as_boxes(self.boxes, "lesion")
        if (boxes[:, 2:] <= boxes[:, :2]).any():
            raise ValueError("a lesion box must have a width and a height above 0")
        ignored = np.zeros(len(boxes), bool) if self.ignored is None else np.asarray(self.ignored)
        if ignored.shape != (len(boxes),):
            raise ValueError(f"ignored must be ({len(boxes)},), got {ignored.shape}")
        images = _as_indices(self.images, len(boxes), "lesion")
        if len(images) and images.max() >= self.num_images:
            raise ValueError(f"lesion image {images.max()} of only {self.num_images} images")
        object.__setattr__(self, "boxes", boxes)
        object.__setattr__(self, "images", images)
        object.__setattr__(self, "ignored", ignored.astype(bool))


@dataclass(frozen=True)
class Detections:
    """Detections of a model on a data set.

    Attributes:
        boxes: (D, 4) float64, XYXY, pixels; width and height at least 0.
        scores: (D,) float64, finite, any range; higher is surer.
        images: (D,) int64, the index of each detection's image.

    Raises:
        ValueError: if shapes, indices, boxes or scores are not as said.
    """

    boxes: np.ndarray
    scores: np.ndarray
    images: np.ndarray

    def __post_init__(self) -> None:
        boxes = _as_boxes(self.boxes, "detection")
        if (boxes[:, 2:] < boxes[:, :2]).any():
            raise ValueError("a detection box must not have a negative width or height")
        scores = np.asarray(self.scores, dtype=np.float64)
        if scores.shape != (len(boxes),):
            raise ValueError(f"scores must be ({len(boxes)},), got {scores.shape}")
        if not np.isfinite(scores).all():
            raise ValueError("a detection score is not a finite number")
        object.__setattr__(self, "boxes", boxes)
        object.__setattr__(self, "scores", scores)
        object.__setattr__(self, "images", _as_indices(self.images, len(boxes), "detection"))


def _as_boxes(boxes: np.ndarray, what: str) -> np.ndarray:
    array = np.asarray(boxes, dtype=np.float64)
    if array.size == 0:
        array = array.reshape(0, 4)
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"{what} boxes must be (n, 4), got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"a {what} box has a coordinate that is not finite")
    return array


def _as_indices(images: np.ndarray, size: int, what: str) -> np.ndarray:
    array = np.asarray(images)
    if array.shape != (size,) or (size and not np.issubdtype(array.dtype, np.integer)):
        raise ValueError(f"{what} images must be ({size},) integers, got {array.shape}")
    array = array.astype(np.int64)
    if (array < 0).any():
        raise ValueError(f"{what} image index below 0")
    return array


def by_image(images: np.ndarray, num_images: int) -> list[np.ndarray]:
    """What lies on each image.

    Args:
        images: (n,) int64, an image index of each detection or lesion.
        num_images: I.

    Returns:
        I times the positions in ``images`` that name this image, rising.
    """
    order = np.argsort(images, kind="stable")
    ends = np.cumsum(np.bincount(images, minlength=num_images))
    return np.split(order, ends)[:num_images]
