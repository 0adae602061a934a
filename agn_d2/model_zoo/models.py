"""Config and model by name."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from .files import get_checkpoint_url, get_config_file

# The engine is imported by those who ask for a model: ``import agn_d2`` stays as quick as it was.
if TYPE_CHECKING:
    from detectron2.config import CfgNode
    from torch import nn

logger = logging.getLogger(__name__)


def get_config(name: str, trained: bool = True) -> CfgNode:
    """The config of a model, not frozen.

    Args:
        name: one of ``list_models()``.
        trained: with ``MODEL.WEIGHTS zoo://NAME``; False: with random weights.

    Raises:
        ValueError: no model of this name.
    """
    from ..engine.setup import load_cfg

    weights = get_checkpoint_url(name) if trained else ""
    return load_cfg(get_config_file(name), ["MODEL.WEIGHTS", weights])


def get(name: str, trained: bool = True, device: str | None = None) -> nn.Module:
    """A model, in training mode as Detectron2's ``model_zoo.get`` gives it.

    Most will want ``agn_d2.Predictor.from_pretrained(name)``, which takes images. What comes before
    and after the network, such as mirrored readings and the relation of candidates, is done there
    and in evaluations, not by the network; a warning says so where the model has any.

    Args:
        name: one of ``list_models()``.
        trained: False: with random weights.
        device: such as "cpu"; None: the GPU if there is one.

    Raises:
        ValueError: no model of this name, or a damaged weight file.
    """
    from detectron2.modeling import build_model

    from ..engine.inference_setup import configure_for_inference
    from ..engine.predictor import load_trained
    from ..engine.setup import resolve_device

    cfg = get_config(name, trained)
    if device is not None:
        cfg.MODEL.DEVICE = device
    resolve_device(cfg)
    around = {
        "mirrored readings": cfg.TEST.AUG.ENABLED,
        "the relation": cfg.MODEL.CROSS_VIEW.RELATION,
    }
    missing = [what for what, there in around.items() if there]
    if missing:
        logger.warning(
            "%s: this is its network alone, without %s; agn_d2.Predictor.from_pretrained(%r) has "
            "all of it",
            *(name, " and ".join(missing), name),
        )
    if not trained:
        return build_model(cfg)
    configure_for_inference(cfg)
    return load_trained(cfg, build_model(cfg))
