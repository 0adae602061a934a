"""A training or an evaluation from its command line, in one process."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterable
from typing import Any

from detectron2.config import CfgNode
from detectron2.engine import default_setup
from detectron2.evaluation import verify_results
from detectron2.utils import comm
from detectron2.utils.logger import setup_logger

from .dataset_checks import check_datasets
from .output_folder import output_lock
from .predictor import load_trained
from .setup import AddConfig, setup_cfg
from .trainer import AGNTrainer


def train_or_evaluate(
    args: argparse.Namespace, add_configs: Iterable[AddConfig] = ()
) -> dict[str, Any]:
    """Train, or evaluate with ``--eval-only``, in one process of the training.

    Args:
        args: of Detectron2's ``default_argument_parser``.
        add_configs: of ``load_cfg``: a project's own keys.

    Returns:
        the results of the evaluation.

    Raises:
        FileNotFoundError, ValueError: a fault of the config, the data or the checkpoint, named.
    """
    cfg = setup_cfg(args, add_configs)
    # Before log.txt and config.yaml are written.
    with contextlib.nullcontext() if args.eval_only else output_lock(cfg.OUTPUT_DIR):
        default_setup(cfg, args)
        # Detectron2 sets up its own loggers only; without this the stages are not announced.
        setup_logger(cfg.OUTPUT_DIR, distributed_rank=comm.get_rank(), name="agn_d2")
        if args.eval_only:
            return evaluate(cfg)
        trainer = AGNTrainer(cfg)
        trainer.resume_or_load(resume=args.resume)
        return trainer.train()


def evaluate(cfg: CfgNode) -> dict[str, Any]:
    """Evaluate the trained model of a config on ``DATASETS.TEST``.

    Returns:
        the results, which are those of ``TEST.EXPECTED_RESULTS`` if that has any: Detectron2 ends
        the program otherwise.

    Raises:
        FileNotFoundError, ValueError: a fault of the data or the checkpoint, named.
    """
    check_datasets(cfg, training=False)
    results = AGNTrainer.test(cfg, load_trained(cfg, AGNTrainer.build_model(cfg)))
    if comm.is_main_process():
        verify_results(cfg, results)
    return results
