"""Optimizers: SGD or AdamW, learning-rate factors, clipping of the global gradient norm."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from detectron2.config import CfgNode
from detectron2.solver.build import get_default_optimizer_params, maybe_add_gradient_clipping
from torch import nn


def build_optimizer(cfg: CfgNode, model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer of ``SOLVER``.

    Beside Detectron2's keys: ``SOLVER.OPTIMIZER``, ``BACKBONE_LR_FACTOR``, ``AGN_LR_FACTOR``
    and the clip type "global_norm".

    Raises:
        ValueError: unknown optimizer.
    """
    params = get_default_optimizer_params(
        model,
        base_lr=cfg.SOLVER.BASE_LR,
        weight_decay_norm=cfg.SOLVER.WEIGHT_DECAY_NORM,
        bias_lr_factor=cfg.SOLVER.BIAS_LR_FACTOR,
        weight_decay_bias=cfg.SOLVER.WEIGHT_DECAY_BIAS,
        lr_factor_func=_learning_rate_factor(cfg),
    )
    common = {"lr": cfg.SOLVER.BASE_LR, "weight_decay": cfg.SOLVER.WEIGHT_DECAY}
    if cfg.SOLVER.OPTIMIZER == "SGD":
        kind = torch.optim.SGD
        common |= {"momentum": cfg.SOLVER.MOMENTUM, "nesterov": cfg.SOLVER.NESTEROV}
    elif cfg.SOLVER.OPTIMIZER == "ADAMW":
        kind = torch.optim.AdamW
    else:
        raise ValueError(f"SOLVER.OPTIMIZER must be SGD or ADAMW, got {cfg.SOLVER.OPTIMIZER!r}")
    clip = cfg.SOLVER.CLIP_GRADIENTS
    if clip.ENABLED and clip.CLIP_TYPE == "global_norm":
        return _with_global_clipping(kind, clip.CLIP_VALUE, clip.NORM_TYPE)(params, **common)
    return maybe_add_gradient_clipping(cfg, kind)(params, **common)


def _learning_rate_factor(cfg: CfgNode) -> Callable[[str], float]:
    """Parameter name -> factor of the learning rate."""
    factors = {
        "backbone.bottom_up.": cfg.SOLVER.BACKBONE_LR_FACTOR,
        "backbone.agn.": cfg.SOLVER.AGN_LR_FACTOR,
    }

    def factor(name: str) -> float:
        return next((f for prefix, f in factors.items() if name.startswith(prefix)), 1.0)

    return factor


def _with_global_clipping(
    kind: type[torch.optim.Optimizer], max_norm: float, norm_type: float
) -> Callable[[Iterable], torch.optim.Optimizer]:
    """An optimizer class that clips the norm of all gradients together before each step.

    Detectron2's clip type "norm" clips each parameter by itself; [S] asks for ||grad|| <= 1
    over the whole network.
    """

    class WithGlobalClipping(kind):
        def step(self, closure=None):
            parameters = [p for group in self.param_groups for p in group["params"]]
            torch.nn.utils.clip_grad_norm_(parameters, max_norm, norm_type)
            return super().step(closure)

    WithGlobalClipping.__name__ = f"{kind.__name__}WithGlobalClipping"
    return WithGlobalClipping
