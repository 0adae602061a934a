"""FROC: lesion recall against false positives per image (FPPI), as three pure functions.

    match_detections -> FrocEvents -> froc_curve -> FrocCurve -> recall_at_fppi

Shapes: I images, E events, P points of a curve, K FPPI values. The rules of matching stand in
:mod:`agn_d2.evaluation.matching`; those of the curve are:

5. FPPI divides by all images, also those without a lesion or without a detection.
6. Detections of equal score, from whichever image, enter the curve together.
7. The recall at x FPPI is the largest recall with FPPI <= x, never interpolated; beyond the end of
   the curve its last recall stands (compare x with ``max_fppi``). Without a lesion it is NaN;
   without a detection it is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .matching import FrocEvents, match_detections
from .records import Detections, Lesions

DEFAULT_FPPI = (0.5, 1.0, 2.0, 3.0, 4.0)
# Where the challenge LUNA16 reads a curve for its one figure, the mean recall.
MEAN_FPPI = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)

__all__ = [
    "DEFAULT_FPPI",
    "Detections",
    "FrocCurve",
    "FrocEvents",
    "Lesions",
    "MEAN_FPPI",
    "append_mean",
    "check_fppi",
    "froc_curve",
    "match_detections",
    "mean_curve",
    "recall_at_fppi",
]


@dataclass(frozen=True)
class FrocCurve:
    """The points of a FROC curve, by falling score threshold; the first is (0, 0) at infinity.

    Attributes:
        fppi: (P,) float64, not falling.
        recall: (P,) float64 in 0 .. 1, not falling; NaN throughout if there is no lesion.
        thresholds: (P,) float64, falling: detections of at least this score are counted; NaN in a
            :func:`mean_curve`, as scores of two runs do not compare.
        images: number of images counted.
        lesions: number of lesions counted.
    """

    fppi: np.ndarray
    recall: np.ndarray
    thresholds: np.ndarray
    images: int
    lesions: int

    @property
    def max_fppi(self) -> float:
        """FPPI with every detection counted: the right end of the curve."""
        return float(self.fppi[-1])

    def corners(self) -> FrocCurve:
        """The same step curve without the points inside its horizontal parts (at most 2L + 2, but
        for a mean)."""
        rises = np.diff(np.nan_to_num(self.recall)) > 0
        keep = np.append(True, rises) | np.append(rises, True)
        return FrocCurve(
            self.fppi[keep], self.recall[keep], self.thresholds[keep], self.images, self.lesions
        )


def froc_curve(events: FrocEvents, image_weights: np.ndarray | None = None) -> FrocCurve:
    """Adds the events up to a curve, one point for each distinct score.

    Args:
        events: what :func:`match_detections` returns.
        image_weights: (I,) how often each image counts, not negative; None counts each once.
            Zero leaves an image out (lesion images only), a bootstrap draw counts it repeatedly.

    Returns:
        The curve; recall is NaN if no lesion is counted.

    Raises:
        ValueError: if the weights have another shape or a negative value.
    """
    num_images = len(events.lesions_per_image)
    weights = np.ones(num_images) if image_weights is None else np.asarray(image_weights, float)
    if weights.shape != (num_images,) or not (weights >= 0).all():
        raise ValueError(f"image_weights must be ({num_images},) and not negative")
    images, lesions = weights.sum(), weights @ events.lesions_per_image
    counts = weights[events.images]
    # Equal scores enter together: only the last event of each score makes a point.
    is_last = np.append(events.scores[1:] != events.scores[:-1], True)
    last = np.flatnonzero(is_last[: len(events.scores)])
    found = np.cumsum(np.where(events.found, counts, 0))[last]
    false = np.cumsum(np.where(events.found, 0, counts))[last]
    recall = np.append(0, found) / lesions if lesions else np.full(len(last) + 1, np.nan)
    fppi = np.append(0, false) / max(images, 1)
    thresholds = np.append(np.inf, events.scores[last])
    return FrocCurve(fppi, recall, thresholds, int(images), int(lesions))


def recall_at_fppi(curve: FrocCurve, fppi: Sequence[float] = DEFAULT_FPPI) -> np.ndarray:
    """Reads the curve: the largest recall whose FPPI is at most each value, not interpolated.

    Beyond the end of the curve (``curve.max_fppi``) its last recall stands.

    Args:
        curve: what :func:`froc_curve` returns.
        fppi: (K,) values, finite, at least 0, in any order.

    Returns:
        (K,) float64 in 0 .. 1; NaN if there is no lesion.

    Raises:
        ValueError: if an FPPI value is negative or not finite, or there is none.
    """
    check_fppi(fppi)
    values = np.asarray(fppi, dtype=np.float64)
    return curve.recall[np.searchsorted(curve.fppi, values, side="right") - 1]


def mean_curve(curves: Sequence[FrocCurve]) -> FrocCurve:
    """The mean recall of several runs of one model, at each FPPI where one of them has a point.

    Read anywhere, it is the mean of what its curves give there; a curve that has ended keeps its
    last recall.

    Args:
        curves: at least one, all of the same images and lesions.

    Returns:
        The mean, without thresholds; of a single curve, the curve itself.

    Raises:
        ValueError: no curve, or curves of different numbers of images or lesions.
    """
    if len({(curve.images, curve.lesions) for curve in curves}) != 1:
        raise ValueError("a mean needs curves, all of the same images and lesions")
    first = curves[0]
    if len(curves) == 1:
        return first
    fppi = np.unique(np.concatenate([curve.fppi for curve in curves]))
    recall = np.mean([recall_at_fppi(curve, fppi) for curve in curves], axis=0)
    fppi, recall = np.append(0, fppi), np.append(first.recall[0], recall)
    return FrocCurve(fppi, recall, np.full(len(fppi), np.nan), first.images, first.lesions)


def append_mean(recalls: np.ndarray) -> np.ndarray:
    """Recalls read at ``(*fppi, *MEAN_FPPI)`` -> those at fppi, and their mean at MEAN_FPPI.

    The mean recall at 1/8, 1/4, 1/2, 1, 2, 4 and 8 FPPI is one figure for a whole curve, as LUNA16
    has it; where a curve has ended, its last recall counts.

    Args:
        recalls: (..., K + 7), NaN where there is no lesion.

    Returns:
        (..., K + 1), the mean last.
    """
    own, of_mean = np.split(recalls, [recalls.shape[-1] - len(MEAN_FPPI)], axis=-1)
    return np.concatenate([own, of_mean.mean(axis=-1, keepdims=True)], axis=-1)


def check_fppi(fppi: Sequence[float]) -> None:
    """Raises ValueError if the FPPI values are not at least one finite number of at least 0."""
    values = np.asarray(fppi, dtype=np.float64)
    if values.ndim != 1 or not values.size or not (np.isfinite(values) & (values >= 0)).all():
        raise ValueError(f"FPPI values must be finite and at least 0, got {fppi}")
