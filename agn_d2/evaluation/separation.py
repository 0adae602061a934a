"""How well scores tell masses from what is none: the area under the ROC curve.

Recall at some FPPI mixes finding masses with ranking what was found. The *candidate AUC* is about
the ranking alone: how often a detection that reaches a lesion scores higher than one that reaches
none. Which do does not depend on the scores, so models that share their boxes, such as a detector
with and without a candidate relation, differ by their scores alone.

Shapes: I images, D detections, R draws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .bootstrap import draw_patients, percentile_interval
from .coco_results import GroundTruth
from .matching import assign_detections
from .records import Detections
from .report import LEVEL, or_null


class ScoreRanking:
    """Masses and others by their scores; its call is the area under the ROC curve.

    Args:
        scores: (D,) float64.
        is_mass: (D,) bool.
    """

    def __init__(self, scores: np.ndarray, is_mass: np.ndarray) -> None:
        self.order = np.argsort(scores, kind="stable")
        ranked = scores[self.order]
        self._is_mass = is_mass[self.order]
        # The last one of each distinct score: equal scores count half.
        self._last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)[: len(ranked)])

    def __call__(self, weights: np.ndarray | None = None) -> float:
        """How often a mass scores higher than an other (ties: half); NaN if one kind is missing.

        Args:
            weights: (D,) how often each counts; None: once.
        """
        weight = np.ones(len(self.order)) if weights is None else weights[self.order]
        masses = np.diff(np.cumsum(weight * self._is_mass)[self._last], prepend=0.0)
        others = np.diff(np.cumsum(weight * ~self._is_mass)[self._last], prepend=0.0)
        pairs = masses.sum() * others.sum()
        if not pairs:
            return float("nan")
        lower = np.cumsum(others) - others / 2
        return float(masses @ lower / pairs)


def separation(masses: np.ndarray, others: np.ndarray) -> float | None:
    """Area under the ROC curve of the scores of masses against those of others.

    0.5: the scores do not tell them apart. None: one of the two is empty.
    """
    is_mass = np.arange(len(masses) + len(others)) < len(masses)
    return or_null([ScoreRanking(np.append(masses, others), is_mass)()])[0]


def candidate_report(
    models: Mapping[str, Sequence[Detections]],
    truth: GroundTruth,
    weights: np.ndarray,
    *,
    iou: float,
    hit: str,
    baseline: str | None,
    draws: int,
    seed: int,
) -> dict[str, dict[str, Any]]:
    """The candidate AUC of each model, a mean over its runs, with intervals.

    Detections on ignored regions alone are left out.

    Args:
        models: name -> detections of each run.
        truth: the data set, I images.
        weights: (I,) 1 for images that are counted, 0 for others.
        iou, hit: see ``match_detections``.
        baseline: model that the others are compared with; None: no differences.
        draws, seed: of the bootstrap over patients; 0 draws: no intervals.

    Returns:
        name -> ``auc`` (null where a model has no mass or nothing else among its detections),
        ``masses`` and ``others`` (how many, of each run), ``low`` and ``high`` with draws, and
        ``difference`` (``value``, ``low``, ``high``) for all but the baseline.
    """
    drawn = [weights * times for times in draw_patients(truth.patients, weights, draws, seed)]
    read_at = [weights, *drawn]
    values, report = {}, {}
    for name, runs in models.items():
        values[name], masses, others = _read(runs, truth, read_at, iou, hit)
        report[name] = {"masses": masses, "others": others}
        report[name] |= _with_ends("auc", values[name], draws)
    for name in models if baseline is not None else ():
        if name != baseline:
            difference = values[name] - values[baseline]
            report[name]["difference"] = _with_ends("value", difference, draws)
    return report


def _read(
    runs: Sequence[Detections],
    truth: GroundTruth,
    read_at: Sequence[np.ndarray],
    iou: float,
    hit: str,
) -> tuple[np.ndarray, list[int], list[int]]:
    """(1 + R,) the mean AUC over the runs; of each run the number of masses and of others."""
    values, masses, others = [], [], []
    for detections in runs:
        assigned = assign_detections(detections, truth.lesions, iou=iou, hit=hit, duplicates="any")
        is_mass = assigned.lesions >= 0
        kept = is_mass | assigned.false
        images, is_mass = detections.images[kept], is_mass[kept]
        ranking = ScoreRanking(detections.scores[kept], is_mass)
        values.append([ranking(weights[images]) for weights in read_at])
        counted = read_at[0][images] > 0
        masses.append(int((counted & is_mass).sum()))
        others.append(int((counted & ~is_mass).sum()))
    return np.mean(values, axis=0), masses, others


def _with_ends(key: str, values: np.ndarray, draws: int) -> dict[str, float | None]:
    """The first value, and the interval of the others."""
    ends = {}
    if draws:
        low, high = percentile_interval(values[1:, None], LEVEL)
        ends = {"low": or_null(low)[0], "high": or_null(high)[0]}
    return {key: or_null(values[:1])[0], **ends}
