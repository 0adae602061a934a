#!/usr/bin/env python
"""Compare detectors on one data set: FROC figure and tables with intervals.

tools/compare.py --output comparison "Mask R-CNN=output/mask_rcnn" "AG-RCNN=output/agrcnn" \\
    --baseline "Mask R-CNN"
tools/compare.py --gt annotations/test.json --output comparison A=a_results.json B=b_results.json

Each model is an OUTPUT_DIR with an evaluation or a COCO results file, whatever made it, with a name
of your choice. Several of one name are runs of one model with different seeds: figures, intervals
and differences are then those of their mean ("AG-RCNN=seed_1" "AG-RCNN=seed_2"). Writes froc.png,
froc.svg, comparison.md and comparison.json to the output folder, and prints the table. Bad input
ends with one message and exit status 2.
"""

from __future__ import annotations

from agn_d2.utils.command_line import command_line_tool

# isort: split
import argparse
import posixpath
import sys
from collections.abc import Sequence
from pathlib import Path

from agn_d2.data.builtin import builtin_metadata
from agn_d2.evaluation.coco_results import read_detections, read_ground_truth
from agn_d2.evaluation.comparison import FrocRule, compare
from agn_d2.evaluation.froc import DEFAULT_FPPI
from agn_d2.evaluation.groups import BREAKDOWNS, resolve_breakdown
from agn_d2.evaluation.matching import DEFAULT_IOU, DUPLICATES, HITS
from agn_d2.evaluation.runs import common_dataset, find_results, named_runs, with_rescored
from agn_d2.utils.files import check_writable_folder
from agn_d2.visualization.comparison_files import write_comparison


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "models", nargs="+", metavar="NAME=PATH", help="OUTPUT_DIRs or results files"
    )
    parser.add_argument("--dataset", help="registered name, if a run has results of several")
    parser.add_argument("--gt", type=Path, help="COCO annotation file (default: the data set's)")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    parser.add_argument("--baseline", metavar="NAME", help="model for the paired differences")
    parser.add_argument("--fppi", type=float, nargs="+", default=DEFAULT_FPPI, metavar="X")
    parser.add_argument("--iou", type=float, default=DEFAULT_IOU, help="least IoU of a hit")
    parser.add_argument("--hit", choices=HITS, default="iou", help="IoU, or center in the box")
    parser.add_argument(
        "--duplicates", choices=DUPLICATES, default="ignore", help="see docs/evaluation.md"
    )
    parser.add_argument(
        "--lesion-images-only", action="store_true", help="leave out images without a lesion"
    )
    parser.add_argument(
        "--only",
        type=Path,
        metavar="FILE",
        help="text with the file names of the images that are counted, one a line; default: all",
    )
    parser.add_argument(
        "--breakdowns",
        nargs="*",
        type=resolve_breakdown,
        choices=BREAKDOWNS,
        default=BREAKDOWNS,
        metavar="BY",
        help=f"some of {', '.join(map(repr, BREAKDOWNS))}; default: all that the annotations give",
    )
    parser.add_argument(
        "--size-edges",
        type=float,
        nargs="+",
        metavar="SIZE",
        help="limits between mass sizes, sqrt(width * height) of the box, in mm if the images "
        "have mm_per_pixel, else in pixels; default: terciles",
    )
    parser.add_argument(
        "--draws", type=int, default=1000, help="bootstrap over patients; 0: none (default: 1000)"
    )
    parser.add_argument("--seed", type=int, default=0, help="random seed of the bootstrap")
    args = parser.parse_args(argv)
    if args.seed < 0:
        parser.error("--seed must not be negative")
    return args


def annotations_of(dataset: str | None) -> Path:
    """The annotation file of a data set below DETECTRON2_DATASETS."""
    if dataset is None:
        raise ValueError("give --gt, or --dataset")
    return Path(builtin_metadata(dataset, "--gt").json_file)


def read_names(path: Path) -> list[str]:
    """The lines of a text that are not empty, written as annotation files are read."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise ValueError(f"--only: {error}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"--only: {path} is no text in UTF-8: {error}") from error
    names = [posixpath.normpath(line.strip()) for line in lines if line.strip()]
    if not names:
        raise ValueError(f"--only: {path} names no image")
    return names


def run(args: argparse.Namespace) -> None:
    given = {
        name: [find_results(path, args.dataset) for path in paths]
        for name, paths in named_runs(args.models).items()
    }
    found = with_rescored(given)
    # With --gt too: the ids of one data set mean other images in the next.
    dataset = common_dataset(run for runs in found.values() for run in runs)
    gt = args.gt or annotations_of(dataset)
    truth = read_ground_truth(gt)
    files = {name: [run.predictions for run in runs] for name, runs in found.items()}
    models = {name: [read_detections(f, truth) for f in runs] for name, runs in files.items()}
    only = None if args.only is None else read_names(args.only)
    check_writable_folder(args.output)
    comparison = compare(
        models,
        truth,
        rule=FrocRule(args.iou, args.hit, args.duplicates, args.lesion_images_only),
        fppi=args.fppi,
        only=only,
        baseline=args.baseline,
        breakdowns=args.breakdowns,
        size_edges=args.size_edges,
        draws=args.draws,
        seed=args.seed,
    )
    facts = {"gt": str(gt)} | ({} if only is None else {"only": str(args.only)})
    markdown = write_comparison(comparison, args.output, "comparison", files, facts)
    print(markdown)


@command_line_tool
def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    run(args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
