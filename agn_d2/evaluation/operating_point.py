"""Precision, recall and F1 against the score threshold, and the thresholds that one may want.

At a threshold t the detections of score >= t count: TP lesions found, FP false positives, by the
rules of :mod:`agn_d2.evaluation.matching` (a detection that counts as nothing is neither). So

    precision = TP / (TP + FP)    recall = TP / lesions    F1 = 2 TP / (TP + FP + lesions)

A threshold that is chosen and judged on the same images looks better than it is: choose it on the
validation split.

Shapes: P distinct scores.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np

from .froc import FrocEvents, check_fppi


@dataclass(frozen=True)
class OperatingPoint:
    """What a threshold gives; None for a value that is not defined."""

    threshold: float
    precision: float | None
    recall: float | None
    f1: float | None
    fppi: float

    def to_dict(self) -> dict[str, float | None]:
        """As JSON can hold it."""
        return asdict(self)


@dataclass(frozen=True)
class OperatingCurve:
    """All operating points, by falling threshold: one for each distinct score.

    Attributes:
        thresholds: (P,) float64, falling.
        found: (P,) int64, lesions found from this score on.
        false: (P,) int64, false positives from this score on.
        lesions: all of them.
        images: all of them.
    """

    thresholds: np.ndarray
    found: np.ndarray
    false: np.ndarray
    lesions: int
    images: int

    @property
    def precision(self) -> np.ndarray:
        """(P,) each point has at least one detection, so it is defined."""
        return self.found / (self.found + self.false)

    @property
    def recall(self) -> np.ndarray:
        """(P,), NaN without a lesion."""
        return self.found / self.lesions if self.lesions else np.full(len(self.found), np.nan)

    @property
    def f1(self) -> np.ndarray:
        """(P,), NaN without a lesion."""
        if not self.lesions:
            return np.full(len(self.found), np.nan)
        return 2 * self.found / (self.found + self.false + self.lesions)

    @property
    def fppi(self) -> np.ndarray:
        """(P,) false positives per image, over all images."""
        return self.false / max(self.images, 1)

    def best_f1(self) -> OperatingPoint | None:
        """The point of the largest F1, of equal ones the highest threshold; None if undefined."""
        if not self.lesions or not len(self.found):
            return None
        return self._point(int(np.argmax(self.f1)))

    def at_fppi(self, fppi: float) -> OperatingPoint | None:
        """The lowest threshold with at most so many false positives per image.

        None if there is none: no detections, or too many at the highest score already. The point
        has the recall that :func:`recall_at_fppi` reads at this FPPI.
        """
        check_fppi([fppi])
        number = int(np.searchsorted(self.fppi, fppi, side="right")) - 1
        return None if number < 0 else self._point(number)

    def at_threshold(self, threshold: float) -> OperatingPoint:
        """What a given threshold gives; without a detection precision is None."""
        if not math.isfinite(threshold):
            raise ValueError(f"a threshold must be a finite number, got {threshold}")
        number = int(np.searchsorted(-self.thresholds, -threshold, side="right")) - 1
        if number < 0:
            nothing = 0.0 if self.lesions else None
            return OperatingPoint(float(threshold), None, nothing, nothing, 0.0)
        return self._point(number, threshold)

    def _point(self, number: int, threshold: float | None = None) -> OperatingPoint:
        recall, f1 = float(self.recall[number]), float(self.f1[number])
        return OperatingPoint(
            threshold=float(self.thresholds[number] if threshold is None else threshold),
            precision=float(self.precision[number]),
            recall=recall if self.lesions else None,
            f1=f1 if self.lesions else None,
            fppi=float(self.fppi[number]),
        )


def operating_curve(events: FrocEvents) -> OperatingCurve:
    """Counts lesions found and false positives at each distinct score.

    Args:
        events: what :func:`match_detections` returns.
    """
    is_last = np.append(events.scores[1:] != events.scores[:-1], True)
    last = np.flatnonzero(is_last[: len(events.scores)])
    return OperatingCurve(
        thresholds=events.scores[last],
        found=np.cumsum(events.found)[last],
        false=np.cumsum(~events.found)[last],
        lesions=int(events.lesions_per_image.sum()),
        images=len(events.lesions_per_image),
    )
