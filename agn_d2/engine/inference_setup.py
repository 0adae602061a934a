"""What inference takes from the checkpoint, so that it needs no training data."""

from __future__ import annotations

import logging
from typing import Any

from detectron2.config import CfgNode
from torch import nn

from ..config import INITIAL_WEIGHTS
from ..modeling.backbone.agn_fpn import PRIOR_OF_CHECKPOINT, find_prior_file
from .checkpoint import AGNCheckpointer, read_state

logger = logging.getLogger(__name__)

MASK_HEAD = "roi_heads.mask_head."


def configure_for_inference(cfg: CfgNode, *, resume: bool = False) -> None:
    """Set weights, masks and prior of a model that is not trained any more, in place.

    Training reads from its data set whether there are masks, and the prior from a file. A
    trained model needs neither: its checkpoint holds the mask head if there is one, and the prior.

    Args:
        cfg: not frozen.
        resume: take the last checkpoint of ``OUTPUT_DIR``, if there is one.

    Raises:
        FileNotFoundError: MODEL.WEIGHTS cannot be read.
        ValueError: no MODEL.WEIGHTS, or a damaged file.
    """
    last = AGNCheckpointer(nn.Module(), cfg.OUTPUT_DIR)
    if resume and last.has_checkpoint():
        cfg.MODEL.WEIGHTS = last.get_checkpoint_file()
    if not cfg.MODEL.WEIGHTS:
        raise ValueError(
            "MODEL.WEIGHTS is empty: give the checkpoint of a trained model, such as "
            "MODEL.WEIGHTS output/agrcnn_R50_FPN/model_final.pth"
        )
    state = read_state(cfg.MODEL.WEIGHTS)
    _resolve_masks(cfg, state)
    _resolve_prior(cfg, state)
    # Initial weights of training; the checkpoint has them all.
    for part in cfg.MODEL.values():
        for key in INITIAL_WEIGHTS:
            if isinstance(part, CfgNode) and key in part:
                part[key] = ""


def _resolve_masks(cfg: CfgNode, state: dict[str, Any]) -> None:
    if cfg.MODEL.MASK_ON and not any(name.startswith(MASK_HEAD) for name in state):
        logger.warning(
            "%s has no mask head: MODEL.MASK_ON is switched off, boxes only.", cfg.MODEL.WEIGHTS
        )
        cfg.MODEL.MASK_ON = False


def _resolve_prior(cfg: CfgNode, state: dict[str, Any]) -> None:
    """A prior in the checkpoint makes its file dispensable."""
    bgn = cfg.MODEL.AGN.BGN
    if not bgn.PRIOR or not any(name.endswith("bipartite.prior") for name in state):
        return
    try:
        find_prior_file(cfg)
    except FileNotFoundError:
        bgn.PRIOR = PRIOR_OF_CHECKPOINT
