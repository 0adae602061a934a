#!/usr/bin/env python
"""Cross-validate a detector, rows on top of it, and the candidate relation; write one table.

tools/cross_validate.py --dataset cbis_ddsm --folds 3 \\
    --detector configs/faster_rcnn_EffLite0_FPN_long.yaml \\
    --base configs/agrcnn_EffLite0_FPN_long.yaml \\
    --rows configs/ablation/baseline.yaml configs/ablation/agn_concat.yaml \\
    --detector-opts SOLVER.MAX_ITER 928 --row-opts SOLVER.MAX_ITER 200 \\
    --output output/cv [KEY VALUE ...]

On each fold of the patients the detector is trained (or taken from --detector-weights), and each
row from there, with a prior of the fold's own; each row with a graph is tested a second time with
the views of other patients. The candidate relation of a fold is fitted on the others. The results
of all folds are pooled and compared: <output>/table.md, table.json, froc.png.

Each run is a process of tools/train_net.py in <output>/<row>/seed_<seed>/fold_<fold>. Started
again, the tool leaves out what is finished and resumes what is not; started several times at once
(one per GPU, say), its processes share the runs. The folds are made if they are missing. Exit
status 1: a run failed.
"""

from __future__ import annotations

from agn_d2.utils.command_line import command_line_tool

# isort: split
import argparse
import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

import agn_d2  # noqa: F401  registers what data sets need
from agn_d2.data.builtin import SPLITS, annotation_file, register_builtin_datasets
from agn_d2.experiments.ablation import Row, read_row, source_version
from agn_d2.experiments.cross_validation import execute_runs
from agn_d2.experiments.cross_validation_table import TableOptions, row_states, write_table
from agn_d2.experiments.fold_plan import FoldRun, Folds, check_plan, plan_folds
from agn_d2.prepare.folds import write_folds
from agn_d2.utils.files import check_writable_folder
from agn_d2.utils.fold_names import pooled_name
from agn_d2.utils.locks import locked
from agn_d2.utils.paths import datasets_root

TRAINER = Path(__file__).resolve().with_name("train_net.py")


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", required=True, help="folder below DETECTRON2_DATASETS")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--detector", required=True, help="config of the detector")
    parser.add_argument(
        "--detector-weights",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="trained detectors, one for each fold in order, which are tested only",
    )
    parser.add_argument("--rows", nargs="*", default=[], help="a YAML per row")
    parser.add_argument("--base", help="put the rows on top of this config")
    for stage in ("detector", "row"):
        parser.add_argument(
            f"--{stage}-opts",
            nargs="+",
            default=[],
            metavar="KEY VALUE",
            help=f"options of the {stage} trainings alone",
        )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--output", type=Path, required=True, help="folder of all runs")
    parser.add_argument("--num-gpus", type=int, default=1, help="GPUs of each run (0 on a CPU)")
    table = TableOptions()
    parser.add_argument(
        "--baseline", default=table.baseline, help="row that the others are compared with"
    )
    parser.add_argument("--fppi", type=float, nargs="+", default=table.fppi, metavar="X")
    parser.add_argument(
        "--draws", type=int, default=table.draws, help="bootstrap over patients; 0: none"
    )
    parser.add_argument(
        "--trainer", type=Path, default=TRAINER, help="script to run (default: train_net.py)"
    )
    parser.add_argument(
        "opts", nargs=argparse.REMAINDER, help="KEY VALUE ..., for all runs, after --output FOLDER"
    )
    return parser.parse_args(argv)


def plan(args: argparse.Namespace, folds: Folds) -> list[FoldRun]:
    def with_options(row: Row, own: Sequence[str]) -> Row:
        return replace(row, options=(*row.options, *args.opts, *own))

    runs = plan_folds(
        with_options(read_row(args.detector), args.detector_opts),
        [with_options(read_row(path, args.base), args.row_opts) for path in args.rows],
        folds,
        args.seeds,
        args.output,
        args.detector_weights,
    )
    names = list(dict.fromkeys(run.row.name for run in runs))
    if args.baseline not in names:
        raise ValueError(f"--baseline {args.baseline!r} is none of the rows {', '.join(names)}")
    return runs


def make_folds(args: argparse.Namespace) -> Path:
    """Write the folds unless they are there; returns the annotations of the pooled data set."""
    root = datasets_root()
    pooled = root / pooled_name(args.dataset, args.folds) / "annotations" / "test.json"
    with locked(args.output / ".folds.lock"):
        if not pooled.is_file():
            write_folds(root, args.dataset, args.folds)
    warn_of_outdated(pooled, root / args.dataset)
    register_builtin_datasets()
    return pooled


def warn_of_outdated(pooled: Path, source: Path) -> None:
    """Folds hold the annotations of their data set as they were when the folds were made."""
    made = pooled.stat().st_mtime
    files = [file for split in SPLITS if (file := annotation_file(source, split)).is_file()]
    newer = [file for file in files if file.stat().st_mtime > made]
    if newer:
        logging.warning(
            "%s is newer than the folds, which keep the annotations of before; if it has changed, "
            "make them anew (tools/make_folds.py) and take another --output",
            newer[0],
        )


@command_line_tool
def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool; returns the exit status."""
    args = parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    folds = Folds(args.dataset, args.folds)
    runs = plan(args, folds)
    check_writable_folder(args.output)
    pooled = make_folds(args)
    check_plan(runs)
    options = TableOptions(tuple(args.fppi), args.baseline, args.draws, time.time())

    def table() -> str:
        # Last come, last written: no table of an earlier state replaces a later one.
        with locked(args.output / ".table.lock"):
            return write_table(runs, folds, pooled, args.output, options)

    states = row_states(runs)
    command = [sys.executable, str(args.trainer), "--num-gpus", str(args.num_gpus)]
    with logging_redirect_tqdm(), tqdm(total=len(runs), disable=None) as bar:
        for done in execute_runs(runs, command, source_version(Path(__file__).parent)):
            bar.n = sum(run.finished for run in runs)
            bar.refresh()
            if any(done in state.runs and not state.missing for state in states):
                table()
    print(table())
    return int(not all(run.finished for run in runs))


if __name__ == "__main__":
    sys.exit(main())
