#!/usr/bin/env python
"""Draw what the augmentations of a config make of the views of a case.

tools/show_augmentations.py --config-file configs/agrcnn_R50_FPN.yaml --output grid.png \\
    INPUT.ROTATE 15.0 INPUT.ELASTIC 0.03

Columns: the views as in testing, each augmentation alone (--each), and draws of all together, as
the model is trained on them, with boxes, masks and nodes.
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
from detectron2.data import transforms as T
from tqdm import tqdm

from agn_d2.data.build import load_cases
from agn_d2.data.cases import Case
from agn_d2.data.mapper import CaseMapper
from agn_d2.data.seeding import numpy_seed
from agn_d2.data.transforms import ResizeTo, build_augmentations
from agn_d2.engine import setup_cfg
from agn_d2.visualization.augmentation_grid import InputPicture, augmentation_grid
from agn_d2.visualization.figure_files import check_figure_place, write_figure


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config-file", required=True)
    parser.add_argument("--dataset", help="default: the first of DATASETS.TRAIN")
    parser.add_argument("--case", help="patient; default: the first with the most views")
    parser.add_argument(
        "--draws", type=int, default=5, help="columns of all together (%(default)s)"
    )
    parser.add_argument("--each", action="store_true", help="each augmentation alone, too")
    parser.add_argument("--seed", type=int, default=0, help="random seed (%(default)s)")
    parser.add_argument("--output", type=Path, required=True, help="picture, .png or .svg")
    parser.add_argument("opts", nargs=argparse.REMAINDER, help="KEY VALUE of the config")
    args = parser.parse_args(argv)
    if args.draws < 1:
        parser.error("--draws must be 1 or more")
    if args.dataset:
        args.opts += ["DATASETS.TRAIN", f"('{args.dataset}',)"]
    args.opts += ["DATASETS.TEST", "()"]
    return args


def choose(cases: Sequence[Case], wanted: str | None) -> Case:
    if wanted is None:
        return max(cases, key=len)
    found = [case for case in cases if case.case_id == wanted]
    if not found:
        raise ValueError(f"no case {wanted}; the first ones: {[c.case_id for c in cases[:5]]}")
    return found[0]


def columns(cfg: CfgNode, draws: int, each: bool) -> dict[str, list[T.Augmentation]]:
    """Caption -> augmentations."""
    every = build_augmentations(cfg, is_train=True)
    found = {"as in testing": build_augmentations(cfg, is_train=False)}
    for augmentation in every if each else ():
        if not isinstance(augmentation, ResizeTo | T.RandomFlip):
            name = type(augmentation).__name__.removeprefix("Random")
            alone = [a for a in every if a is augmentation or isinstance(a, ResizeTo)]
            found[f"{name} alone"] = alone
    return found | {f"draw {number}": every for number in range(1, draws + 1)}


def pictures(
    cfg: CfgNode, case: Case, augmentations: list[T.Augmentation], seed: Sequence[int]
) -> list[InputPicture]:
    """The views of a case as the model would get them."""
    options = CaseMapper.from_config(cfg, is_train=True) | {"augmentations": augmentations}
    with numpy_seed(*seed):
        items = CaseMapper(**options)(case)
    found = []
    for item in items:
        instances, nodes = item["instances"], item["examined_view"].nodes
        masks = instances.gt_masks.tensor.numpy() if instances.has("gt_masks") else None
        found.append(
            InputPicture(
                item["image"][0].numpy(),
                instances.gt_boxes.tensor.numpy(),
                masks,
                None if nodes is None else nodes.numpy(),
            )
        )
    return found


def draw(args: argparse.Namespace) -> None:
    args.opts += ["INPUT.MASK_FORMAT", "bitmask"]
    cfg = setup_cfg(args)
    case = choose(load_cases(cfg.DATASETS.TRAIN[:1]), args.case)
    check_figure_place(args.output)
    wanted = columns(cfg, args.draws, args.each)
    drawn = [
        pictures(cfg, case, augmentations, (args.seed, number))
        for number, augmentations in enumerate(tqdm(wanted.values(), disable=None))
    ]
    names = [f"{case.images[i]['laterality']}-{case.images[i]['view']}" for i in case.examined]
    rows = {
        name if names.count(name) == 1 else f"{name} ({number})": [of[number] for of in drawn]
        for number, name in enumerate(names)
    }
    height, width = np.shape(drawn[0][0].image)
    title = f"{case.case_id}, {height} × {width} px, drawn for each {cfg.INPUT.AUGMENTATION_DRAW}"
    write_figure(augmentation_grid(title, list(wanted), rows), args.output)


@command_line_tool
def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    draw(args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
