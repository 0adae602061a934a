#!/usr/bin/env python
"""Make a page of one or several runs: tables, FROC curves, and every case with its boxes.

tools/report.py --run "Mask R-CNN=output/mask_rcnn" --run "AG-RCNN=output/agrcnn" --output report

A run is an OUTPUT_DIR with inference/<data set>/coco_instances_results.json, or any COCO results
file. The data set is found by the folder's name below DETECTRON2_DATASETS; for others give --gt and
--images. Open report/index.html in a browser; nothing is asked from a network. Exits with status 1
if an image could not be shown.
"""

from __future__ import annotations

from agn_d2.utils.command_line import command_line_tool

# isort: split
import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from agn_d2.cross_view.explanation_file import read_explanations
from agn_d2.data.builtin import builtin_metadata
from agn_d2.evaluation.coco_results import read_detections, read_ground_truth
from agn_d2.evaluation.comparison import FrocRule, compare
from agn_d2.evaluation.froc import DEFAULT_FPPI
from agn_d2.evaluation.matching import DEFAULT_IOU, DUPLICATES, HITS
from agn_d2.evaluation.runs import (
    RunResults,
    common_dataset,
    find_results,
    named_paths,
    with_rescored,
)
from agn_d2.landmarks.record import read_landmarks
from agn_d2.visualization import screen_pictures
from agn_d2.visualization.detection_report import ReportOptions, build_report


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--run", nargs="+", action="extend", required=True, metavar="[NAME=]PATH", dest="runs"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder of the page")
    parser.add_argument("--dataset", help="registered name, if a run has results of several")
    parser.add_argument("--gt", type=Path, help="COCO annotation file (default: the data set's)")
    parser.add_argument("--images", type=Path, help="folder of the images")
    parser.add_argument(
        "--cross-view",
        type=Path,
        metavar="FILE",
        help="what tools/cross_view.py wrote with --explain: why the other views changed scores",
    )
    parser.add_argument("--baseline", metavar="NAME", help="default: the first run, if several")
    parser.add_argument("--title", help="default: the name of the data set")
    parser.add_argument("--fppi", type=float, nargs="+", default=DEFAULT_FPPI, metavar="X")
    parser.add_argument("--iou", type=float, default=DEFAULT_IOU, help="least IoU of a hit")
    parser.add_argument("--hit", choices=HITS, default="iou", help="IoU, or center in the box")
    parser.add_argument("--duplicates", choices=DUPLICATES, default="ignore")
    parser.add_argument(
        "--draws", type=int, default=1000, help="bootstrap resamples; 0: no intervals"
    )
    parser.add_argument("--seed", type=int, default=0, help="random seed of the bootstrap")
    parser.add_argument(
        "--most", type=int, default=50, help="surest detections of an image on the page"
    )
    parser.add_argument("--workers", type=int, default=1, help="threads, -1: one per core")
    args = parser.parse_args(argv)
    if args.seed < 0 or args.most < 1:
        parser.error("--seed must not be negative, and --most at least 1")
    return args


def find_data(
    args: argparse.Namespace, runs: dict[str, RunResults]
) -> tuple[str, Path, Path, Path | None]:
    """Name, annotation file, folder of the images and landmark file of the data set."""
    name = common_dataset(runs.values())
    if args.gt and args.images:
        landmarks = args.gt.with_name("landmarks.json")
        return name or args.gt.stem, args.gt, args.images, landmarks
    if name is None:
        raise ValueError("give --dataset, or --gt and --images")
    data = builtin_metadata(name, "--gt and --images")
    landmarks = Path(data.landmarks_file) if data.landmarks_file else None
    return name, args.gt or Path(data.json_file), args.images or Path(data.image_root), landmarks


def run(args: argparse.Namespace) -> int:
    given = {n: [find_results(p, args.dataset)] for n, p in named_paths(args.runs).items()}
    runs = {n: run for n, (run,) in with_rescored(given).items()}
    name, gt, images, landmarks = find_data(args, runs)
    truth = read_ground_truth(gt)
    if not images.is_dir():
        raise ValueError(f"{images}: no such folder")
    models = {n: read_detections(results.predictions, truth) for n, results in runs.items()}
    rule = FrocRule(args.iou, args.hit, args.duplicates)
    first = next(iter(models)) if len(models) > 1 else None
    with_patients = None not in truth.patients
    if args.draws and not with_patients:
        print("no intervals: not every image has a patient_id", file=sys.stderr)
    comparison = compare(
        {n: [detections] for n, detections in models.items()},
        truth,
        rule=rule,
        fppi=args.fppi,
        baseline=args.baseline or first,
        draws=args.draws if with_patients else 0,
        seed=args.seed,
    )
    explained = read_explanations(args.cross_view) if args.cross_view else None
    walls = {}
    if landmarks and landmarks.is_file():
        walls = {file: record.chest_wall for file, record in read_landmarks(landmarks).items()}
    report = build_report(
        models,
        truth,
        comparison,
        images,
        args.output,
        rule=rule,
        options=ReportOptions(
            title=args.title or name,
            most=args.most,
            attention={n: r.attention for n, r in runs.items() if r.attention},
            chest_walls=walls,
            explained=explained,
            workers=args.workers,
        ),
    )
    for reason in report.problems.values():
        print(f"not shown: {reason}", file=sys.stderr)
    print(f"{report.images} images of {report.cases} cases: {report.page}")
    return 1 if report.problems else 0


@command_line_tool
def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    # Its warnings are the problems that ``run`` prints.
    logging.getLogger(screen_pictures.__name__).setLevel(logging.ERROR)
    return run(args)


if __name__ == "__main__":
    sys.exit(main())
