"""Several models on one data set: FROC, intervals, paired differences, and the parts of the set.

A model may have several runs that differ by the seed: its recall is then the mean over its runs, on
the data set and in every draw of the bootstrap.

The result is one JSON-ready dict; :mod:`agn_d2.evaluation.comparison_text` makes Markdown of it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .bootstrap import bootstrap_recalls, percentile_interval
from .coco_results import GroundTruth
from .froc import (
    DEFAULT_FPPI,
    MEAN_FPPI,
    FrocCurve,
    append_mean,
    check_fppi,
    froc_curve,
    mean_curve,
    recall_at_fppi,
)
from .groups import BREAKDOWNS
from .matching import DEFAULT_IOU, match_detections
from .parts import Part, parts_of
from .records import Detections
from .report import LEVEL, describe_rule, with_mean
from .separation import candidate_report

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FrocRule:
    """How hits and false positives are counted: see :mod:`agn_d2.evaluation.matching`."""

    iou: float = DEFAULT_IOU
    hit: str = "iou"
    duplicates: str = "ignore"
    lesion_images_only: bool = False


@dataclass(frozen=True)
class Comparison:
    """What :func:`compare` found.

    Attributes:
        report: JSON-ready, keys as in docs/evaluation.md.
        curves: of each run of each model, on the whole set.
    """

    report: dict[str, Any]
    curves: dict[str, list[FrocCurve]]

    @property
    def mean_curves(self) -> dict[str, FrocCurve]:
        """Of each model, the mean over its runs."""
        return {name: mean_curve(curves) for name, curves in self.curves.items()}

    @property
    def intervals(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Of each model with an interval, its low and high ends on the whole set, (K,) each."""
        rows = self.report["parts"][0]["models"]
        return {
            name: (np.array(row["low"], float), np.array(row["high"], float))
            for name, row in rows.items()
            if "low" in row
        }


def compare(
    models: Mapping[str, Sequence[Detections]],
    truth: GroundTruth,
    *,
    rule: FrocRule = FrocRule(),
    fppi: Sequence[float] = DEFAULT_FPPI,
    only: Collection[str] | None = None,
    baseline: str | None = None,
    breakdowns: Sequence[str] = BREAKDOWNS,
    size_edges: Sequence[float] | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> Comparison:
    """Score models by one rule on the same images.

    Args:
        models: name -> the detections of each of its runs, mostly a single one.
        truth: the data set.
        rule: how detections are matched and counted.
        fppi: (K,) where the curves are read.
        only: file names of the images that are counted; None: all. A warning counts those that the
            data set lacks, as after a preparation that lost a film.
        baseline: model that the others are compared with; None for no differences.
        breakdowns: some of ``BREAKDOWNS``.
        size_edges: limits of the mass sizes, see :func:`size_groups`.
        draws: bootstrap resamples of the patients; 0 for no intervals.
        seed: random seed of the bootstrap.

    Raises:
        ValueError: no model or one without a run, an unknown baseline or breakdown, an option out
            of range, draws on images without patients, or file names that are all unknown.
    """
    _check(models, truth, baseline, breakdowns, draws)
    check_fppi(fppi)
    options = {"iou": rule.iou, "hit": rule.hit, "duplicates": rule.duplicates}
    events = {
        name: [match_detections(detections, truth.lesions, **options) for detections in runs]
        for name, runs in models.items()
    }
    weights = _chosen(truth, only).astype(float)
    if rule.lesion_images_only:
        lesions = np.bincount(truth.lesions.images[~truth.lesions.ignored], minlength=len(weights))
        weights *= lesions > 0
    curves = {name: [froc_curve(e, weights) for e in runs] for name, runs in events.items()}
    whole = Part("all", "all", events, weights)
    notes: list[str] = []
    parts = [
        _part_report(part, truth, fppi, baseline, draws, seed)
        for part in parts_of(whole, truth, breakdowns, size_edges, notes)
    ]
    some = next(iter(curves.values()))[0]
    report = {
        "rule": {
            **options,
            "iou": float(rule.iou) if rule.hit == "iou" else None,
            "lesion_images_only": rule.lesion_images_only,
            "chosen_images": only is not None,
            "images": some.images,
            "lesions": some.lesions,
        },
        "fppi": [float(x) for x in fppi],
        "baseline": baseline,
        "bootstrap": {"draws": draws, "level": LEVEL, "seed": seed} if draws else None,
        "models": {name: _model(models[name], curves[name], weights, fppi) for name in models},
        "parts": parts,
        "candidates": candidate_report(
            models,
            truth,
            weights,
            iou=rule.iou,
            hit=rule.hit,
            baseline=baseline,
            draws=draws,
            seed=seed,
        ),
        "notes": notes,
    }
    report["rule"]["text"] = describe_rule(report["rule"])
    return Comparison(report, curves)


def _check(
    models: Mapping[str, Sequence[Detections]],
    truth: GroundTruth,
    baseline: str | None,
    breakdowns: Sequence[str],
    draws: int,
) -> None:
    if not models:
        raise ValueError("there is no model to score")
    for name, runs in models.items():
        if not runs:
            raise ValueError(f"the model {name!r} has no run")
    if baseline is not None and baseline not in models:
        raise ValueError(f"the baseline {baseline!r} is none of the models {', '.join(models)}")
    unknown = [name for name in breakdowns if name not in BREAKDOWNS]
    if unknown:
        raise ValueError(f"unknown breakdown {unknown[0]!r}; known: {', '.join(BREAKDOWNS)}")
    if draws < 0:
        raise ValueError(f"draws must not be negative, got {draws}")
    if draws and None in truth.patients:
        image_id = truth.image_ids[truth.patients.index(None)]
        raise ValueError(f"intervals need the patient_id of each image, {image_id!r} has none")


def _chosen(truth: GroundTruth, only: Collection[str] | None) -> np.ndarray:
    """(I,) bool, the images that are counted."""
    names = [image.file_name for image in truth.images]
    if only is None:
        return np.ones(len(names), dtype=bool)
    unknown = sorted(set(only).difference(filter(None, names)))
    if len(unknown) == len(set(only)):
        raise ValueError(f"the annotations have none of the {len(unknown)} images that are chosen")
    if unknown:
        what = "the annotations lack %d of the %d images that are chosen; the first is %s"
        logger.warning(what, len(unknown), len(set(only)), unknown[0])
    chosen = set(only)
    return np.array([name in chosen for name in names])


def _model(
    runs: Sequence[Detections],
    curves: Sequence[FrocCurve],
    weights: np.ndarray,
    fppi: Sequence[float],
) -> dict[str, Any]:
    recall = append_mean(np.array([recall_at_fppi(c, (*fppi, *MEAN_FPPI)) for c in curves]))
    return {
        "runs": [
            {
                "detections": int(weights[detections.images].sum()),
                "max_fppi": curve.max_fppi,
                **with_mean("recall", row),
            }
            for detections, curve, row in zip(runs, curves, recall, strict=True)
        ],
        **_spread(recall),
        "truncated": _truncated(curves, fppi),
    }


def _truncated(curves: Sequence[FrocCurve], fppi: Sequence[float]) -> list[float]:
    """The FPPI that not all of the runs reach."""
    end = min(curve.max_fppi for curve in curves)
    return [float(x) for x in fppi if x > end]


def _part_report(
    part: Part,
    truth: GroundTruth,
    fppi: Sequence[float],
    baseline: str | None,
    draws: int,
    seed: int,
) -> dict[str, Any]:
    of_runs = {
        name: [froc_curve(events, part.weights) for events in runs]
        for name, runs in part.events.items()
    }
    curves = {name: mean_curve(runs) for name, runs in of_runs.items()}
    read_at = (*fppi, *MEAN_FPPI)
    recall = {name: append_mean(recall_at_fppi(curve, read_at)) for name, curve in curves.items()}
    drawn = _draw_recalls(part, truth, fppi, draws, seed) if draws else {}
    rows = {}
    for name in part.events:
        row = {**with_mean("recall", recall[name]), **_ends(drawn.get(name))}
        row["truncated"] = _truncated(of_runs[name], fppi)
        if baseline is not None and name != baseline:
            ends = _ends(drawn[name] - drawn[baseline] if draws else None)
            row["difference"] = {**with_mean("value", recall[name] - recall[baseline]), **ends}
        rows[name] = row
    some = next(iter(curves.values()))
    return {
        "breakdown": part.breakdown,
        "name": part.name,
        "images": some.images,
        "lesions": some.lesions,
        "patients": len({p for p, w in zip(truth.patients, part.weights, strict=True) if w}),
        "models": rows,
    }


def _draw_recalls(
    part: Part, truth: GroundTruth, fppi: Sequence[float], draws: int, seed: int
) -> dict[str, np.ndarray]:
    """(R, K + 1) of each model: the mean over its runs in each draw, the same for all models."""
    runs = [events for of_model in part.events.values() for events in of_model]
    read_at = (*fppi, *MEAN_FPPI)
    drawn = append_mean(
        bootstrap_recalls(
            runs, truth.patients, read_at, image_weights=part.weights, draws=draws, seed=seed
        )
    )
    starts = np.cumsum([len(of_model) for of_model in part.events.values()])[:-1]
    means = [of_model.mean(axis=1) for of_model in np.split(drawn, starts, axis=1)]
    return dict(zip(part.events, means, strict=True))


def _spread(recall: np.ndarray) -> dict[str, Any]:
    """Standard deviation of the runs' recall, (runs, K + 1)."""
    if len(recall) == 1:
        return {"spread": None, "mean_spread": None}
    return with_mean("spread", recall.std(axis=0, ddof=1))


def _ends(drawn: np.ndarray | None) -> dict[str, Any]:
    if drawn is None:
        return {}
    low, high = percentile_interval(drawn, LEVEL)
    return {**with_mean("low", low), **with_mean("high", high)}
