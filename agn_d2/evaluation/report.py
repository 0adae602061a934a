"""The result of a FROC evaluation as one JSON object and as text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .bootstrap import bootstrap_recalls, percentile_interval
from .froc import (
    DEFAULT_FPPI,
    MEAN_FPPI,
    Detections,
    FrocCurve,
    Lesions,
    append_mean,
    check_fppi,
    froc_curve,
    match_detections,
    recall_at_fppi,
)
from .matching import DEFAULT_IOU

LEVEL = 0.95


def evaluate_froc(
    detections: Detections,
    lesions: Lesions,
    *,
    fppi: Sequence[float] = DEFAULT_FPPI,
    iou: float = DEFAULT_IOU,
    hit: str = "iou",
    duplicates: str = "ignore",
    lesion_images_only: bool = False,
    patients: Sequence[str] | None = None,
    draws: int = 0,
    seed: int = 0,
) -> tuple[dict[str, Any], FrocCurve]:
    """Matches, builds the curve and reads it.

    Args:
        detections, lesions, iou, hit, duplicates: see :func:`match_detections`.
        fppi: (K,) where the curve is read.
        lesion_images_only: count only images with at least one lesion that is not ignored, and
            only the detections on them.
        patients: (I,) patient of each image, needed for the bootstrap only.
        draws: bootstrap draws for a 95 % interval; 0 for none.
        seed: random seed of the bootstrap.

    Returns:
        A report that JSON can hold, and the curve. Report keys: ``fppi``, ``recall`` (0 .. 1; null
        without a lesion), ``mean_recall`` (at 1/8 to 8 FPPI, see :func:`append_mean`),
        ``truncated`` (those of ``fppi`` that the curve does not reach),
        ``max_fppi`` (its end), ``images``, ``lesions``, ``detections`` (counted ones), ``iou``
        (null if not used), ``hit``, ``duplicates``, ``lesion_images_only``; with draws also
        ``bootstrap``: ``draws``, ``level``, ``seed``, ``patients``, ``low``, ``high``, and the ends
        ``mean_low``, ``mean_high``.

    Raises:
        ValueError: for an option out of range, or draws without patients.
    """
    check_fppi(fppi)
    events = match_detections(detections, lesions, iou=iou, hit=hit, duplicates=duplicates)
    weights = np.ones(lesions.num_images)
    if lesion_images_only:
        weights = (events.lesions_per_image > 0).astype(np.float64)
    curve = froc_curve(events, weights)
    read_at = (*fppi, *MEAN_FPPI)
    report = {
        "fppi": [float(x) for x in fppi],
        **with_mean("recall", append_mean(recall_at_fppi(curve, read_at))),
        "truncated": [float(x) for x in fppi if x > curve.max_fppi],
        "max_fppi": curve.max_fppi,
        "images": curve.images,
        "lesions": curve.lesions,
        "detections": int(weights[detections.images].sum()),
        "iou": float(iou) if hit == "iou" else None,
        "hit": hit,
        "duplicates": duplicates,
        "lesion_images_only": bool(lesion_images_only),
    }
    if draws:
        if patients is None:
            raise ValueError("the bootstrap needs the patient of each image")
        drawn = bootstrap_recalls(
            [events], patients, read_at, image_weights=weights, draws=draws, seed=seed
        )
        low, high = percentile_interval(append_mean(drawn[:, 0]), LEVEL)
        report["bootstrap"] = {
            "draws": int(draws),
            "level": LEVEL,
            "seed": int(seed),
            "patients": len({p for p, w in zip(patients, weights, strict=True) if w}),
            **with_mean("low", low),
            **with_mean("high", high),
        }
    return report, curve


def curve_to_dict(curve: FrocCurve) -> dict[str, Any]:
    """The corners of a curve as lists; its first threshold (infinity) and a NaN become null."""
    corners = curve.corners()
    return {
        "fppi": corners.fppi.tolist(),
        "recall": or_null(corners.recall),
        "threshold": or_null(corners.thresholds),
    }


def describe_rule(report: dict[str, Any]) -> str:
    """The rule behind a report in one line, to stand wherever its figures stand."""
    hit = "center in box" if report["hit"] == "center" else f"IoU >= {report['iou']:g}"
    duplicates = {
        "ignore": "duplicates ignored",
        "fp": "duplicates are false positives",
        "any": "any-to-any matching",
    }[report["duplicates"]]
    images = "images with a lesion" if report["lesion_images_only"] else "images"
    images = f"chosen {images}" if report.get("chosen_images") else images
    return (
        f"hit: {hit}; {duplicates}; all classes; "
        f"FPPI over {report['images']} {images}, {report['lesions']} lesions"
    )


def format_report(report: dict[str, Any]) -> str:
    """A report as a small table, with the rule above and what to know about it below."""
    interval = report.get("bootstrap")
    lines = ["FROC  " + describe_rule(report), "  FPPI  recall"]
    if interval:
        lines[-1] += f"  {100 * interval['level']:g} % interval"
    for k, (fppi, recall) in enumerate(zip(report["fppi"], report["recall"], strict=True)):
        line = f"{fppi:>6g}  {_percent(recall)}"
        if interval:
            line += f"  {_percent(interval['low'][k])} - {_percent(interval['high'][k])}"
        lines.append(line + " *" * (fppi in report["truncated"] and recall is not None))
    line = f"  mean  {_percent(report['mean_recall'])}"
    if interval:
        line += f"  {_percent(interval['mean_low'])} - {_percent(interval['mean_high'])}"
    lines.append(f"{line}  (of 1/8, 1/4, 1/2, 1, 2, 4, 8 FPPI)")
    if not report["lesions"]:
        lines.append("recall is undefined: there is no lesion")
    elif report["truncated"]:
        lines.append(f"* the curve ends at {report['max_fppi']:.4g} FPPI: its last recall")
    if interval and interval["patients"] == 1:
        lines.append("no interval: one patient says nothing of others")
    elif interval:
        lines.append(
            f"interval: bootstrap of {interval['patients']} patients, {interval['draws']} draws"
        )
    return "\n".join(lines)


def _percent(recall: float | None) -> str:
    return "     -" if recall is None else f"{100 * recall:6.2f}"


def or_null(values: Iterable[float]) -> list[float | None]:
    """Numbers as JSON knows them: what is not finite becomes None."""
    return [float(x) if math.isfinite(x) else None for x in values]


def with_mean(key: str, values: Sequence[float]) -> dict[str, Any]:
    """(K + 1,) of :func:`append_mean` as ``{key: [...], "mean_<key>": ...}``, ready for JSON."""
    *own, mean = or_null(values)
    return {key: own, f"mean_{key}": mean}
