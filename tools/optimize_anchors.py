#!/usr/bin/env python
"""Find anchors that fit the training boxes, at the input size of a config.

tools/optimize_anchors.py --config-file configs/agrcnn_R50_FPN.yaml --figure sizes.png

Prints how well the config's anchors and the found ones meet the boxes, and the YAML lines. With
--predictions the figure shows the sizes of detections too.
"""

from __future__ import annotations

from agn_d2.utils.command_line import command_line_tool

# isort: split
import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from detectron2.config import CfgNode
from detectron2.data import MetadataCatalog

from agn_d2.data.builtin import check_registered, register_builtin_datasets
from agn_d2.data.transforms import build_augmentations
from agn_d2.engine.setup import load_cfg, score
from agn_d2.evaluation.anchors import Anchors, FitStatistics, best_ious, suggest_anchors
from agn_d2.evaluation.coco_results import GroundTruth, read_detections, read_ground_truth
from agn_d2.evaluation.records import by_image
from agn_d2.visualization.box_sizes import box_size_figure
from agn_d2.visualization.figure_files import check_figure_place, write_curves

# Of a padded image (Detectron2's FPN of five levels).
DIVISOR = 32


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config-file", required=True)
    parser.add_argument("--ratios", type=int, default=3, help="k of the k-means (%(default)s)")
    parser.add_argument("--figure", type=Path, help=".png (and .svg), .svg or .pdf")
    parser.add_argument("--predictions", type=Path, help="COCO results file, for the figure")
    parser.add_argument("--dataset", help="data set of the predictions; default: DATASETS.TEST")
    parser.add_argument(
        "--min-score", type=score, default=0.3, help="lowest score of a prediction (%(default)s)"
    )
    parser.add_argument("opts", nargs=argparse.REMAINDER, help="KEY VALUE of the config")
    args = parser.parse_args(argv)
    if args.predictions and not args.figure:
        parser.error("--predictions is drawn: give --figure too")
    return args


def ground_truth(name: str) -> GroundTruth:
    check_registered([name])
    file = Path(MetadataCatalog.get(name).json_file)
    if not file.is_file():
        raise FileNotFoundError(
            f"{name}: no file {file}. Prepare the data set first (see datasets/README.md) and "
            "point DETECTRON2_DATASETS to its folder."
        )
    return read_ground_truth(file)


def at_input_size(
    cfg: CfgNode, truth: GroundTruth, boxes: np.ndarray, images: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (n, 4) and their images' sizes (n, 2), as the network gets them in testing."""
    (resize,) = build_augmentations(cfg, is_train=False)
    moved, sizes = np.zeros((len(boxes), 4)), np.zeros((len(boxes), 2))
    for image, rows in enumerate(by_image(images, len(truth.images))):
        if not len(rows):
            continue
        size = truth.images[image].size
        if size is None:
            raise ValueError(f"image {truth.image_ids[image]!r} has no height and width")
        transform = resize.get_transform(np.broadcast_to(np.float32(0), size))
        moved[rows] = transform.apply_box(boxes[rows])
        sizes[rows] = transform.new_h, transform.new_w
    return moved, sizes


def training_boxes(cfg: CfgNode) -> tuple[np.ndarray, np.ndarray]:
    """Those of DATASETS.TRAIN, and the sizes of their images."""
    if not cfg.DATASETS.TRAIN:
        raise ValueError("DATASETS.TRAIN is empty: name the data sets that the anchors shall fit")
    parts = []
    for name in cfg.DATASETS.TRAIN:
        truth = ground_truth(name)
        kept = ~truth.lesions.ignored
        parts.append(
            at_input_size(cfg, truth, truth.lesions.boxes[kept], truth.lesions.images[kept])
        )
    boxes, sizes = (np.concatenate(part) for part in zip(*parts, strict=True))
    if len(boxes) == 0:
        raise ValueError(f"{', '.join(cfg.DATASETS.TRAIN)}: no boxes")
    return boxes, sizes


def predicted_sizes(cfg: CfgNode, args: argparse.Namespace) -> np.ndarray:
    """(n, 2) width and height of the detections above the score that have an area."""
    name = args.dataset or next(iter(cfg.DATASETS.TEST), None)
    if name is None:
        raise ValueError("DATASETS.TEST is empty: say by --dataset what the predictions are of")
    truth = ground_truth(name)
    found = read_detections(args.predictions, truth)
    has_area = (found.boxes[:, 2:] > found.boxes[:, :2]).all(axis=1)
    kept = has_area & (found.scores >= args.min_score)
    boxes, _ = at_input_size(cfg, truth, found.boxes[kept], found.images[kept])
    return boxes[:, 2:] - boxes[:, :2]


def levels_of(cfg: CfgNode) -> list[int]:
    """Strides of the levels with anchors, from their names: p2 has stride 4."""
    if cfg.MODEL.META_ARCHITECTURE != "MultiViewRCNN":
        raise ValueError(f"{cfg.MODEL.META_ARCHITECTURE} is no R-CNN with one anchor size a level")
    return [2 ** int(name[1:]) for name in cfg.MODEL.RPN.IN_FEATURES]


def table(statistics: dict[str, FitStatistics]) -> str:
    lines = [
        "| anchors | mean best IoU | 10 % below | IoU ≥ 0.5 | IoU ≥ 0.7 |",
        "|---|--:|--:|--:|--:|",
    ]
    for label, s in statistics.items():
        shares = f"{100 * s.above_half:.1f} % | {100 * s.above_positive:.1f} %"
        lines.append(f"| {label} | {s.mean:.3f} | {s.tenth:.3f} | {shares} |")
    return "\n".join(lines)


def yaml_lines(anchors: Anchors) -> str:
    sizes, ratios = ([list(level) for level in of] for of in (anchors.sizes, anchors.ratios))
    return f"MODEL:\n  ANCHOR_GENERATOR:\n    SIZES: {sizes}\n    ASPECT_RATIOS: {ratios}"


def optimize(args: argparse.Namespace) -> None:
    cfg = load_cfg(args.config_file, args.opts)
    register_builtin_datasets()
    if args.figure:
        check_figure_place(args.figure)
    strides, generator = levels_of(cfg), cfg.MODEL.ANCHOR_GENERATOR
    boxes, image_sizes = training_boxes(cfg)
    wh = boxes[:, 2:] - boxes[:, :2]
    before = Anchors(tuple(map(tuple, generator.SIZES)), tuple(map(tuple, generator.ASPECT_RATIOS)))
    anchors = {"config": before, "found": suggest_anchors(wh, len(strides), args.ratios)}
    fit = {
        label: FitStatistics.of(
            best_ious(boxes, image_sizes, a, strides, generator.OFFSET, DIVISOR)
        )
        for label, a in anchors.items()
    }
    height, width = cfg.INPUT.SIZE
    names = ", ".join(cfg.DATASETS.TRAIN)
    print(f"{len(boxes)} boxes of {names} at {height} × {width} px ({cfg.INPUT.RESIZE})\n")
    print(f"{table(fit)}\n\n{yaml_lines(anchors['found'])}")
    if args.figure:
        drawn = {"training boxes": wh}
        if args.predictions:
            drawn[f"detections, score ≥ {args.min_score:g}"] = predicted_sizes(cfg, args)
        figure = box_size_figure(drawn, {f"anchors, {label}": a for label, a in anchors.items()})
        print("\n" + " ".join(map(str, write_curves(figure, args.figure))))


@command_line_tool
def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    optimize(args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
