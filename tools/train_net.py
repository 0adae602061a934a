#!/usr/bin/env python
"""Train or evaluate a detector that reads several views.

tools/train_net.py --config-file configs/agrcnn_R50_FPN.yaml [--eval-only] [KEY VALUE ...]
torchrun --nproc-per-node 4 tools/train_net.py --config-file ...
"""

from __future__ import annotations

from agn_d2.utils.command_line import command_line_tool

# isort: split
import argparse
import contextlib
import sys

from detectron2.engine import default_argument_parser, default_setup
from detectron2.utils import comm
from detectron2.utils.logger import setup_logger

import agn_d2  # noqa: F401  registers backbones and meta-architectures
from agn_d2.engine import AGNTrainer, setup_cfg
from agn_d2.engine.dataset_checks import check_datasets
from agn_d2.engine.launch import launch_processes
from agn_d2.engine.output_folder import output_lock
from agn_d2.engine.predictor import load_trained


def run(args: argparse.Namespace):
    """Train or evaluate, in one process of the training."""
    cfg = setup_cfg(args)
    # Before log.txt and config.yaml are written.
    with contextlib.nullcontext() if args.eval_only else output_lock(cfg.OUTPUT_DIR):
        default_setup(cfg, args)
        # Detectron2 sets up its own loggers only; without this the stages are not announced.
        setup_logger(cfg.OUTPUT_DIR, distributed_rank=comm.get_rank(), name="agn_d2")
        if args.eval_only:
            check_datasets(cfg, training=False)
            model = load_trained(cfg, AGNTrainer.build_model(cfg))
            return AGNTrainer.test(cfg, model)
        trainer = AGNTrainer(cfg)
        trainer.resume_or_load(resume=args.resume)
        return trainer.train()


@command_line_tool
def main() -> None:
    launch_processes(run, default_argument_parser().parse_args())


if __name__ == "__main__":
    sys.exit(main())
