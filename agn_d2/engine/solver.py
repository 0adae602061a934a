"""Optimizers: SGD or AdamW, learning-rate factors, clipping of the global gradient norm."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

import torch
from detectron2.config import CfgNode
from detectron2.solver.build import get_default_optimizer_params, maybe_add_gradient_clipping
from torch import nn

logger = logging.getLogger(__name__)

# Each gradient, the norm of each parameter's gradients, or the norm of all of them together.
CLIP_TYPES = ("value", "norm", "full_model")


def check_solver(cfg: CfgNode) -> None:
    """Raise a ValueError that names the key if a training of this config could not learn."""
    solver = cfg.SOLVER
    if not solver.STAGES:
        # Stages have lengths and rates of their own.
        if solver.MAX_ITER < 1:
            raise ValueError(
                f"SOLVER.MAX_ITER must be 1 or more, got {solver.MAX_ITER}; to evaluate without "
                "training: --eval-only"
            )
        if not 0 < solver.BASE_LR < float("inf"):
            raise ValueError(
                f"SOLVER.BASE_LR must be a number above 0, got {solver.BASE_LR}; with 0 nothing "
                "learns"
            )
    for key in ("IMS_PER_BATCH", "CHECKPOINT_PERIOD"):
        if solver[key] < 1:
            raise ValueError(f"SOLVER.{key} must be 1 or more, got {solver[key]}")
    clip = solver.CLIP_GRADIENTS
    if clip.ENABLED and clip.CLIP_TYPE not in CLIP_TYPES:
        raise ValueError(
            f"SOLVER.CLIP_GRADIENTS.CLIP_TYPE must be one of {', '.join(CLIP_TYPES)}, got "
            f"{clip.CLIP_TYPE!r}"
        )
    if clip.ENABLED and not clip.CLIP_VALUE > 0:
        raise ValueError(
            f"SOLVER.CLIP_GRADIENTS.CLIP_VALUE must be above 0, got {clip.CLIP_VALUE}; for no "
            "clipping: SOLVER.CLIP_GRADIENTS.ENABLED False"
        )


def with_room_after_warmup(cfg: CfgNode) -> CfgNode:
    """A config whose warm-up is half of the training at most, which a warning says.

    Detectron2 warms up towards the rate that the schedule has when the warm-up ends: one as long
    as the training leads to the end of the schedule, and hardly anything would be learned.
    """
    longest = cfg.SOLVER.MAX_ITER // 2
    if longest >= cfg.SOLVER.WARMUP_ITERS:
        return cfg
    logger.warning(
        "SOLVER.WARMUP_ITERS %d is more than half of the %d steps of SOLVER.MAX_ITER: the warm-up "
        "is %d steps",
        *(cfg.SOLVER.WARMUP_ITERS, cfg.SOLVER.MAX_ITER, longest),
    )
    cfg = cfg.clone()
    cfg.defrost()
    cfg.SOLVER.WARMUP_ITERS = longest
    cfg.freeze()
    return cfg


def build_optimizer(cfg: CfgNode, model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer of ``SOLVER``.

    Beside Detectron2's keys: ``SOLVER.OPTIMIZER``, ``BACKBONE_MULTIPLIER``, ``AGN_MULTIPLIER``
    and the ``CLIP_TYPE`` "full_model" of ``CLIP_GRADIENTS``.

    Raises:
        ValueError: an unknown optimizer or kind of clipping.
    """
    params = get_default_optimizer_params(
        model,
        base_lr=cfg.SOLVER.BASE_LR,
        weight_decay_norm=cfg.SOLVER.WEIGHT_DECAY_NORM,
        weight_decay_bias=cfg.SOLVER.WEIGHT_DECAY_BIAS,
        lr_factor_func=_learning_rate_factor(cfg, model),
    )
    common = {"lr": cfg.SOLVER.BASE_LR, "weight_decay": cfg.SOLVER.WEIGHT_DECAY}
    if cfg.SOLVER.OPTIMIZER == "SGD":
        kind = torch.optim.SGD
        common |= {"momentum": cfg.SOLVER.MOMENTUM, "nesterov": cfg.SOLVER.NESTEROV}
    elif cfg.SOLVER.OPTIMIZER == "ADAMW":
        kind = torch.optim.AdamW
        common |= _fused_on_cpu(cfg)
    else:
        raise ValueError(f"SOLVER.OPTIMIZER must be SGD or ADAMW, got {cfg.SOLVER.OPTIMIZER!r}")
    clip = cfg.SOLVER.CLIP_GRADIENTS
    if clip.ENABLED and clip.CLIP_TYPE == "full_model":
        return _with_global_clipping(kind, clip.CLIP_VALUE, clip.NORM_TYPE)(params, **common)
    return maybe_add_gradient_clipping(cfg, kind)(params, **common)


def _fused_on_cpu(cfg: CfgNode) -> dict[str, bool]:
    """One pass over a parameter instead of a dozen; PyTorch has it for the CPU since 2.4."""
    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    return {"fused": True} if cfg.MODEL.DEVICE == "cpu" and version >= (2, 4) else {}


def _learning_rate_factor(cfg: CfgNode, model: nn.Module) -> Callable[[str], float]:
    """Parameter name -> factor of the learning rate."""
    # A model whose convolutional part has another name says so.
    bottom_up = getattr(model, "bottom_up_prefix", "backbone.bottom_up.")
    factors = {
        bottom_up: cfg.SOLVER.BACKBONE_MULTIPLIER,
        "backbone.agn.": cfg.SOLVER.AGN_MULTIPLIER,
    }

    def factor(name: str) -> float:
        of_part = next((f for prefix, f in factors.items() if name.startswith(prefix)), 1.0)
        # Detectron2's own bias_lr_factor would take the place of the part's.
        is_bias = name.rpartition(".")[2] == "bias"
        return of_part * (cfg.SOLVER.BIAS_LR_FACTOR if is_bias else 1.0)

    return factor


def _with_global_clipping(
    kind: type[torch.optim.Optimizer], max_norm: float, norm_type: float
) -> Callable[[Iterable], torch.optim.Optimizer]:
    """An optimizer class that clips the norm of all gradients together before each step.

    [S] asks for ||grad|| <= 1 over the whole network.
    """

    class WithGlobalClipping(kind):
        def step(self, closure=None):
            parameters = [p for group in self.param_groups for p in group["params"]]
            torch.nn.utils.clip_grad_norm_(parameters, max_norm, norm_type)
            return super().step(closure)

    WithGlobalClipping.__name__ = f"{kind.__name__}WithGlobalClipping"
    return WithGlobalClipping
