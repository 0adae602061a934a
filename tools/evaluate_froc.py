#!/usr/bin/env python
"""FROC of any COCO results file: lesion recall at given false positives per image (FPPI).

    tools/evaluate_froc.py --gt annotations/test.json --predictions coco_instances_results.json \\
        --json froc.json --figure froc.png

Prints a table and writes the values as JSON (recall as 0 .. 1; null without a lesion). Bad input
ends with one message and exit status 2.
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
from agn_d2.evaluation.froc import DEFAULT_FPPI
from agn_d2.evaluation.matching import DEFAULT_IOU, DUPLICATES, HITS
from agn_d2.evaluation.report import curve_to_dict, describe_rule, evaluate_froc, format_report
from agn_d2.utils.files import check_writable, write_text
from agn_d2.visualization.figure_files import check_figure_place
from agn_d2.visualization.froc import plot_froc


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gt", type=Path, required=True, help="COCO annotation file")
    parser.add_argument("--predictions", type=Path, required=True, help="COCO results file")
    parser.add_argument("--json", type=Path, required=True, help="result file to write")
    parser.add_argument("--figure", type=Path, help="draw the curve: .png (and .svg), .svg or .pdf")
    parser.add_argument("--label", default="model", help="name of the curve in the figure")
    parser.add_argument("--fppi", type=float, nargs="+", default=DEFAULT_FPPI, metavar="X")
    parser.add_argument("--iou", type=float, default=DEFAULT_IOU, help="least IoU of a hit")
    parser.add_argument(
        "--hit", choices=HITS, default="iou", help="IoU of the boxes, or center in the lesion's box"
    )
    parser.add_argument(
        "--duplicates",
        choices=DUPLICATES,
        default="ignore",
        help="a further detection of a found lesion: ignored or false positive; any: each "
        "detection finds every lesion that it reaches",
    )
    parser.add_argument(
        "--lesion-images-only", action="store_true", help="leave out images without a lesion"
    )
    parser.add_argument(
        "--bootstrap",
        type=int,
        default=0,
        metavar="DRAWS",
        help="95 %% interval over patients (patient_id of the images), e.g. 1000; default 0: none",
    )
    parser.add_argument("--seed", type=int, default=0, help="random seed of the bootstrap")
    return parser.parse_args(argv)


def patients_for_bootstrap(args: argparse.Namespace, truth: GroundTruth) -> list[str] | None:
    if args.bootstrap < 0 or args.seed < 0:
        raise ValueError("--bootstrap and --seed must not be negative")
    if args.bootstrap and None in truth.patients:
        image_id = truth.image_ids[truth.patients.index(None)]
        raise ValueError(f"{args.gt}: --bootstrap needs patient_id, image {image_id!r} has none")
    return list(truth.patients) if args.bootstrap else None


def run(args: argparse.Namespace) -> None:
    truth = read_ground_truth(args.gt)
    detections = read_detections(args.predictions, truth)
    check_writable(args.json)
    if args.figure:
        check_figure_place(args.figure)
    report, curve = evaluate_froc(
        detections,
        truth.lesions,
        fppi=args.fppi,
        iou=args.iou,
        hit=args.hit,
        duplicates=args.duplicates,
        lesion_images_only=args.lesion_images_only,
        patients=patients_for_bootstrap(args, truth),
        draws=args.bootstrap,
        seed=args.seed,
    )
    if args.figure:
        intervals = {}
        if args.bootstrap:
            low, high = report["bootstrap"]["low"], report["bootstrap"]["high"]
            intervals[args.label] = (np.array(low, float), np.array(high, float))
        plot_froc(
            {args.label: curve},
            args.figure,
            fppi=args.fppi,
            intervals=intervals,
            rule=describe_rule(report),
        )
    content = {**report, "curve": curve_to_dict(curve)}
    write_text(args.json, json.dumps(content, indent=1, allow_nan=False) + "\n")
    print(format_report(report))


@command_line_tool
def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    run(args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
