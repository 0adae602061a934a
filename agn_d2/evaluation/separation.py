"""How well scores tell masses from what is none: the area under the ROC curve.

Recall at some FPPI mixes finding masses with ranking what was found. The *candidate AUC* is about
the ranking alone: how often a detection that reaches a lesion scores higher than one that reaches
none. Which do does not depend on the scores, so models that share their boxes, such as a detector
with and without a candidate relation, differ by their scores alone.

Shapes: I images, D detections, R draws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from .bootstrap import draw_patients, percentile_interval, running_sums
from .coco_results import GroundTruth
from .matching import assign_detections
from .records import Detections
from .report import LEVEL, or_null


class ScoreRanking:
    """Masses and others by their scores; its call is the area under the ROC curve.

    Args:
        scores: (D,) float64.
        is_mass: (D,) bool.
        images: (D,) int64, 0 .. I - 1.
    """

    def __init__(self, scores: np.ndarray, is_mass: np.ndarray, images: np.ndarray) -> None:
        masses, others = scores[is_mass], scores[~is_mass]
        order = np.argsort(others, kind="stable")
        self._mass_images, self._other_images = images[is_mass], images[~is_mass][order]
        # How many others score lower than each mass, and how many no higher: equal ones count half.
        self._lower, self._no_higher = (
            np.searchsorted(others[order], masses, side) for side in ("left", "right")
        )

    def __call__(self, weights: np.ndarray) -> float:
        """How often a mass scores higher than an other (ties: half); NaN if one kind is missing.

        Args:
            weights: (I,) how often each image counts.
        """
        masses, others = weights[self._mass_images], running_sums(weights[self._other_images])
        pairs = masses.sum() * others[-1]
        if not pairs:
            return float("nan")
        return float(masses @ (others[self._lower] + others[self._no_higher]) / (2 * pairs))


def separation(masses: np.ndarray, others: np.ndarray) -> float | None:
    """Area under the ROC curve of the scores of masses against those of others.

    0.5: the scores do not tell them apart. None: one of the two is empty.
    """
    scores = np.append(masses, others)
    each = np.arange(len(scores))
    return or_null([ScoreRanking(scores, each < len(masses), each)(np.ones(len(scores)))])[0]


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
    rankings: dict[str, list[ScoreRanking]] = {}
    report: dict[str, dict[str, Any]] = {}
    for name, runs in models.items():
        rankings[name], masses, others = _rank(runs, truth, weights, iou, hit)
        report[name] = {"masses": masses, "others": others}
    drawn = (weights * times for times in draw_patients(truth.patients, weights, draws, seed))
    rows = [
        [np.mean([ranking(counts) for ranking in of_model]) for of_model in rankings.values()]
        for counts in chain([weights], drawn)
    ]
    values = dict(zip(models, np.array(rows).T, strict=True))
    for name in models:
        report[name] |= _with_ends("auc", values[name], draws)
    for name in models if baseline is not None else ():
        if name != baseline:
            difference = values[name] - values[baseline]
            report[name]["difference"] = _with_ends("value", difference, draws)
    return report


def _rank(
    runs: Sequence[Detections],
    truth: GroundTruth,
    weights: np.ndarray,
    iou: float,
    hit: str,
) -> tuple[list[ScoreRanking], list[int], list[int]]:
    """Of each run the ranking, and the number of masses and of others on the counted images."""
    rankings, masses, others = [], [], []
    for detections in runs:
        assigned = assign_detections(detections, truth.lesions, iou=iou, hit=hit, duplicates="any")
        is_mass = assigned.lesions >= 0
        kept = is_mass | assigned.false
        images, is_mass = detections.images[kept], is_mass[kept]
        rankings.append(ScoreRanking(detections.scores[kept], is_mass, images))
        counted = weights[images] > 0
        masses.append(int((counted & is_mass).sum()))
        others.append(int((counted & ~is_mass).sum()))
    return rankings, masses, others


def _with_ends(key: str, values: np.ndarray, draws: int) -> dict[str, float | None]:
    """The first value, and the interval of the others."""
    ends = {}
    if draws:
        low, high = percentile_interval(values[1:, None], LEVEL)
        ends = {"low": or_null(low)[0], "high": or_null(high)[0]}
    return {key: or_null(values[:1])[0], **ends}
