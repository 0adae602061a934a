"""Several models on one data set: FROC, intervals, paired differences, and the parts of the set.

The result is one JSON-ready dict; :mod:`agn_d2.evaluation.comparison_text` makes Markdown of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .bootstrap import bootstrap_recalls, percentile_interval
from .coco_results import GroundTruth
from .froc import DEFAULT_FPPI, FrocCurve, FrocEvents, check_fppi, froc_curve, recall_at_fppi
from .groups import BREAKDOWNS, UNITS, find_targets, image_groups, lesion_targets, size_groups
from .matching import DEFAULT_IOU, match_detections
from .records import Detections
from .report import LEVEL, describe_rule, or_null


@dataclass(frozen=True)
class FrocRule:
    """How hits and false positives are counted: see :mod:`agn_d2.evaluation.matching`."""

    iou: float = DEFAULT_IOU
    hit: str = "iou"
    duplicates: str = "ignore"
    lesion_images_only: bool = False


@dataclass(frozen=True)
class Part:
    """A part of the data set as all models see it.

    Attributes:
        breakdown: what it is a part by ("all", "recall per", "view", ...), and its name there.
        events: of each model.
        weights: (I,) 1 for images that are counted, 0 for others.
    """

    breakdown: str
    name: str
    events: dict[str, FrocEvents]
    weights: np.ndarray


@dataclass(frozen=True)
class Comparison:
    """``report``: JSON-ready, keys as in docs/evaluation.md; ``curves``: on the whole set."""

    report: dict[str, Any]
    curves: dict[str, FrocCurve]


def compare(
    models: Mapping[str, Detections],
    truth: GroundTruth,
    *,
    rule: FrocRule = FrocRule(),
    fppi: Sequence[float] = DEFAULT_FPPI,
    baseline: str | None = None,
    breakdowns: Sequence[str] = BREAKDOWNS,
    size_edges: Sequence[float] | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> Comparison:
    """Score models by one rule on the same images.

    Args:
        models: name -> detections.
        truth: the data set.
        rule: of matching and counting.
        fppi: (K,) where the curves are read.
        baseline: model that the others are compared with; None for no differences.
        breakdowns: some of ``BREAKDOWNS``.
        size_edges: limits of the mass sizes, see :func:`size_groups`.
        draws: of the bootstrap over patients; 0 for no intervals.
        seed: of the bootstrap.

    Raises:
        ValueError: no model, an unknown baseline or breakdown, an option out of range, or draws
            on images without patients.
    """
    _check(models, truth, baseline, breakdowns, draws)
    check_fppi(fppi)
    options = {"iou": rule.iou, "hit": rule.hit, "duplicates": rule.duplicates}
    events = {name: match_detections(d, truth.lesions, **options) for name, d in models.items()}
    weights = np.ones(truth.lesions.num_images)
    if rule.lesion_images_only:
        lesions = np.bincount(truth.lesions.images[~truth.lesions.ignored], minlength=len(weights))
        weights = (lesions > 0).astype(float)
    curves = {name: froc_curve(e, weights) for name, e in events.items()}
    whole = Part("all", "all", events, weights)
    notes: list[str] = []
    parts = [
        _part_report(part, truth, fppi, baseline, draws, seed)
        for part in _parts(whole, truth, breakdowns, size_edges, notes)
    ]
    some = next(iter(curves.values()))
    report = {
        "rule": {
            **options,
            "iou": float(rule.iou) if rule.hit == "iou" else None,
            "lesion_images_only": rule.lesion_images_only,
            "images": some.images,
            "lesions": some.lesions,
        },
        "fppi": [float(x) for x in fppi],
        "baseline": baseline,
        "bootstrap": {"draws": draws, "level": LEVEL, "seed": seed} if draws else None,
        "models": {name: _model(models[name], curves[name], weights, fppi) for name in models},
        "parts": parts,
        "notes": notes,
    }
    report["rule"]["text"] = describe_rule(report["rule"])
    return Comparison(report, curves)


def _check(
    models: Mapping[str, Detections],
    truth: GroundTruth,
    baseline: str | None,
    breakdowns: Sequence[str],
    draws: int,
) -> None:
    if not models:
        raise ValueError("there is no model to score")
    if baseline is not None and baseline not in models:
        raise ValueError(f"the baseline {baseline!r} is none of the models {', '.join(models)}")
    unknown = [name for name in breakdowns if name not in BREAKDOWNS]
    if unknown:
        raise ValueError(f"unknown breakdown {unknown[0]!r}; known: {', '.join(BREAKDOWNS)}")
    if draws < 0:
        raise ValueError(f"draws must not be negative, found {draws}")
    if draws and None in truth.patients:
        image_id = truth.image_ids[truth.patients.index(None)]
        raise ValueError(f"intervals need the patient_id of each image, {image_id!r} has none")


def _model(
    detections: Detections, curve: FrocCurve, weights: np.ndarray, fppi: Sequence[float]
) -> dict[str, Any]:
    return {
        "detections": int(weights[detections.images].sum()),
        "max_fppi": curve.max_fppi,
        "truncated": [float(x) for x in fppi if x > curve.max_fppi],
    }


def _parts(
    whole: Part,
    truth: GroundTruth,
    breakdowns: Sequence[str],
    size_edges: Sequence[float] | None,
    notes: list[str],
) -> Iterator[Part]:
    """The whole set, then its parts; notes say which of them the data set cannot give."""
    yield whole
    yield from _units(whole, truth, notes)
    for breakdown in breakdowns:
        if breakdown == "mass size":
            groups, unit = size_groups(truth, size_edges)
            if unit == "px" and groups:
                notes.append(
                    "mass size: in pixels of the stored images, as they have no mm_per_pixel"
                )
            for name, chosen in groups.items():
                targets = np.where(chosen & _counted(whole, truth), np.arange(len(chosen)), -1)
                yield _with_targets(whole, truth, breakdown, name, targets)
            continue
        groups = image_groups(truth, breakdown)
        if not groups:
            notes.append(f"{breakdown}: the annotations do not say")
        for name, chosen in groups.items():
            if (whole.weights * chosen).any():
                yield Part(breakdown, name, whole.events, whole.weights * chosen)


def _units(whole: Part, truth: GroundTruth, notes: list[str]) -> Iterator[Part]:
    for unit in UNITS[1:]:
        try:
            targets = lesion_targets(truth, unit)
        except ValueError as error:
            notes.append(f"recall per {unit}: {error}")
            continue
        targets = np.where(_counted(whole, truth), targets, -1)
        yield _with_targets(whole, truth, "recall per", unit, targets)
        without = sum(
            name is None and not ignored
            for name, ignored in zip(truth.lesion_ids, truth.lesions.ignored, strict=True)
        )
        if unit == "lesion" and without:
            notes.append(
                f"recall per lesion: {without} of {int((~truth.lesions.ignored).sum())} boxes have "
                "no lesion_id; the only one of each view of a breast count as one lesion, others "
                "by themselves"
            )


def _counted(whole: Part, truth: GroundTruth) -> np.ndarray:
    """(L,) boxes of truth that lie on a counted image."""
    return (whole.weights[truth.lesions.images] > 0) & ~truth.lesions.ignored


def _with_targets(
    whole: Part, truth: GroundTruth, breakdown: str, name: str, targets: np.ndarray
) -> Part:
    events = {
        model: find_targets(e, targets, truth.lesions.images) for model, e in whole.events.items()
    }
    return Part(breakdown, name, events, whole.weights)


def _part_report(
    part: Part,
    truth: GroundTruth,
    fppi: Sequence[float],
    baseline: str | None,
    draws: int,
    seed: int,
) -> dict[str, Any]:
    names = list(part.events)
    curves = [froc_curve(events, part.weights) for events in part.events.values()]
    recall = np.array([recall_at_fppi(curve, fppi) for curve in curves])
    drawn = None
    if draws:
        drawn = bootstrap_recalls(
            list(part.events.values()), truth.patients, fppi,
            image_weights=part.weights, draws=draws, seed=seed,
        )  # fmt: skip
    rows = {}
    for k, name in enumerate(names):
        row = {"recall": or_null(recall[k]), **_ends(None if drawn is None else drawn[:, k])}
        if baseline is not None and name != baseline:
            b = names.index(baseline)
            ends = _ends(None if drawn is None else drawn[:, k] - drawn[:, b])
            row["difference"] = {"value": or_null(recall[k] - recall[b]), **ends}
        rows[name] = row
    return {
        "breakdown": part.breakdown,
        "name": part.name,
        "images": curves[0].images,
        "lesions": curves[0].lesions,
        "patients": len({p for p, w in zip(truth.patients, part.weights, strict=True) if w}),
        "models": rows,
    }


def _ends(drawn: np.ndarray | None) -> dict[str, list[float | None]]:
    if drawn is None:
        return {}
    low, high = percentile_interval(drawn, LEVEL)
    return {"low": or_null(low), "high": or_null(high)}
