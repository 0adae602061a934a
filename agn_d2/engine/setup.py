"""From command-line arguments to a frozen config."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from detectron2.config import CfgNode, get_cfg
from detectron2.data import DatasetCatalog

from ..config import add_agn_config
from ..data.builtin import register_builtin_datasets

logger = logging.getLogger(__name__)


def load_cfg(config_file: str | None, overrides: Iterable[str] = ()) -> CfgNode:
    """Detectron2's defaults with the keys of agn_d2, a YAML and KEY VALUE overrides.

    Raises:
        FileNotFoundError: no such YAML.
        ValueError: an unknown key, a value of the wrong type, or a key without a value.
    """
    cfg = get_cfg()
    add_agn_config(cfg)
    if config_file and not Path(config_file).is_file():
        raise FileNotFoundError(f"No config file {config_file}")
    try:
        if config_file:
            cfg.merge_from_file(config_file)
        cfg.merge_from_list(list(overrides))
    except (AssertionError, KeyError) as error:
        raise ValueError(f"config: {error.args[0] if error.args else error}") from error
    return cfg


def setup_cfg(args: argparse.Namespace) -> CfgNode:
    """The config of a run: data sets registered, device and masks settled, frozen.

    Args:
        args: with ``config_file`` and ``opts``, as Detectron2's ``default_argument_parser``
            makes them.
    """
    cfg = load_cfg(args.config_file, args.opts)
    register_builtin_datasets()
    _settle_device(cfg)
    _settle_masks(cfg)
    cfg.freeze()
    return cfg


def _settle_device(cfg: CfgNode) -> None:
    if cfg.MODEL.DEVICE.startswith("cuda") and not torch.cuda.is_available():
        logger.warning("No CUDA device: running on the CPU, which takes far longer.")
        cfg.MODEL.DEVICE = "cpu"


def _settle_masks(cfg: CfgNode) -> None:
    """Without masks in the training data a mask head cannot be trained: boxes only, said so."""
    if not cfg.MODEL.MASK_ON or _has_masks(cfg.DATASETS.TRAIN):
        return
    logger.warning(
        "%s: no masks; MODEL.MASK_ON is switched off, boxes only.", ", ".join(cfg.DATASETS.TRAIN)
    )
    cfg.MODEL.MASK_ON = False


def _has_masks(names: Iterable[str]) -> bool:
    return any(
        annotation.get("segmentation")
        for name in names
        for image in _dataset(name)
        for annotation in image.get("annotations", [])
    )


def _dataset(name: str) -> list[dict[str, Any]]:
    if name not in DatasetCatalog:
        raise ValueError(f"DATASETS: unknown data set {name!r}; known: {DatasetCatalog.list()}")
    return DatasetCatalog.get(name)
