#!/usr/bin/env python
"""Precision, recall and F1 against the score threshold, and the thresholds one may want.

tools/operating_point.py --gt annotations/val.json --predictions coco_instances_results.json \\
    --fppi 0.5 1 --json operating_point.json --figures figures

Prints the threshold of the largest F1, the threshold at each wanted FPPI, and what --threshold
gives. Choose on the validation split; then judge with --threshold on the test split. --figures
writes metrics, confidence and sizes as PNG and SVG.
"""

from __future__ import annotations

from agn_d2.utils.command_line import command_line_tool

# isort: split
import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from agn_d2.evaluation.coco_results import GroundTruth, read_detections, read_ground_truth
from agn_d2.evaluation.groups import lesion_sizes, pixel_spacing
from agn_d2.evaluation.matching import (
    DEFAULT_IOU,
    DUPLICATES,
    HITS,
    assign_detections,
    match_detections,
)
from agn_d2.evaluation.operating_point import OperatingCurve, OperatingPoint, operating_curve
from agn_d2.evaluation.records import Detections
from agn_d2.evaluation.report import describe_rule
from agn_d2.utils.files import write_text
from agn_d2.visualization.operating_figures import plot_confidence, plot_metrics, plot_sizes


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gt", type=Path, required=True, help="COCO annotation file")
    parser.add_argument("--predictions", type=Path, required=True, help="COCO results file")
    parser.add_argument("--fppi", type=float, nargs="*", default=(0.5, 1.0), metavar="X")
    parser.add_argument("--threshold", type=float, nargs="*", default=(), metavar="T")
    parser.add_argument("--json", type=Path, help="result file to write")
    parser.add_argument("--figures", type=Path, help="folder of figures to write")
    parser.add_argument("--iou", type=float, default=DEFAULT_IOU, help="least IoU of a hit")
    parser.add_argument("--hit", choices=HITS, default="iou", help="IoU, or center in the box")
    parser.add_argument(
        "--duplicates", choices=DUPLICATES, default="ignore", help="see docs/evaluation.md"
    )
    return parser.parse_args(argv)


def wanted_points(
    curve: OperatingCurve, args: argparse.Namespace
) -> dict[str, OperatingPoint | None]:
    points = {"F1 optimum": curve.best_f1()}
    points |= {f"{x:g} FPPI": curve.at_fppi(x) for x in args.fppi}
    return points | {f"threshold {t:g}": curve.at_threshold(t) for t in args.threshold}


def format_points(points: dict[str, OperatingPoint | None], rule: str) -> str:
    lines = [rule, f"{'':16s} threshold precision  recall      F1    FPPI"]
    for name, point in points.items():
        if point is None:
            lines.append(f"{name:16s} there is no such threshold")
            continue
        shares = (point.precision, point.recall, point.f1)
        cells = ("-" if v is None else f"{100 * v:.2f}" for v in shares)
        columns = "".join(f"{cell:>{w}}" for cell, w in zip(cells, (10, 8, 8), strict=True))
        lines.append(f"{name:16s} {no_higher(point.threshold):>9s}{columns}{point.fppi:8.3f}")
    return "\n".join(lines)


def no_higher(threshold: float) -> str:
    """A threshold as one may give it to --threshold: rounded up it would lose the detections of
    just this score."""
    rounded = f"{threshold:.6f}"
    return rounded if float(rounded) <= threshold else f"{threshold - 0.5e-6:.6f}"


def draw(
    args: argparse.Namespace,
    truth: GroundTruth,
    detections: Detections,
    curve: OperatingCurve,
    rule: str,
) -> None:
    points = {name: point for name, point in wanted_points(curve, args).items() if point}
    plot_metrics(curve, args.figures / "metrics.png", marked=points, rule=rule)
    assigned = assign_detections(
        detections, truth.lesions, iou=args.iou, hit=args.hit, duplicates=args.duplicates
    )
    is_hit = assigned.lesions >= 0
    kinds = {
        "hits": detections.scores[is_hit],
        "false positives": detections.scores[assigned.false],
        "neither": detections.scores[~is_hit & ~assigned.false],
    }
    plot_confidence(
        {kind: scores for kind, scores in kinds.items() if len(scores) or kind != "neither"},
        args.figures / "confidence.png",
        rule=rule,
    )
    spacing, unit = pixel_spacing(truth)
    sides = detections.boxes[:, 2:] - detections.boxes[:, :2]
    sizes = np.sqrt(sides.prod(axis=1)) * spacing[detections.images]
    groups = {"truth": lesion_sizes(truth)[0][~truth.lesions.ignored]}
    best = points.get("F1 optimum")
    if best:
        kept = (detections.scores >= best.threshold) & np.isfinite(sizes)
        groups[f"predictions, score >= {best.threshold:.3f}"] = sizes[kept]
    plot_sizes(groups, unit, args.figures / "sizes.png")


def run(args: argparse.Namespace) -> None:
    truth = read_ground_truth(args.gt)
    detections = read_detections(args.predictions, truth)
    options = {"iou": args.iou, "hit": args.hit, "duplicates": args.duplicates}
    curve = operating_curve(match_detections(detections, truth.lesions, **options))
    rule = describe_rule(
        {**options, "lesion_images_only": False, "images": curve.images, "lesions": curve.lesions}
    )
    points = wanted_points(curve, args)
    if args.figures:
        draw(args, truth, detections, curve, rule)
    if args.json:
        content = {"rule": rule, "points": {n: p and p.to_dict() for n, p in points.items()}}
        write_text(args.json, json.dumps(content, indent=1, allow_nan=False) + "\n")
    print(format_points(points, rule))


@command_line_tool
def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    run(args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
