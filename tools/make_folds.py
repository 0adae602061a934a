#!/usr/bin/env python
"""Divide the patients of a prepared data set into cross-validation folds, each a data set.

tools/make_folds.py --dataset cbis_ddsm --folds 3 [--seed 0]

Below DETECTRON2_DATASETS, <dataset>_fold1of3 has the images of its patients as its test set and all
others as its training set, and so on; <dataset>_folds3 holds all images once, to score the pooled
results against. Images are linked, not copied; all splits of the data set take part.
"""

from __future__ import annotations

from agn_d2.utils.command_line import command_line_tool

# isort: split
import argparse
import sys
from collections.abc import Sequence

from agn_d2.prepare.folds import write_folds
from agn_d2.utils.fold_names import pooled_name
from agn_d2.utils.paths import datasets_root


@command_line_tool
def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", required=True, help="folder below DETECTRON2_DATASETS")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0, help="of the division")
    args = parser.parse_args(argv)
    root = datasets_root()
    names = write_folds(root, args.dataset, args.folds, args.seed)
    print(f"{root}: {', '.join(names)} and {pooled_name(args.dataset, args.folds)}")


if __name__ == "__main__":
    sys.exit(main())
