"""Mixed precision and memory layout for training on a CPU."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import nn


def speed_up_on_cpu(model: nn.Module, *, amp: bool) -> nn.Module:
    """Prepare a model for training on the CPU, in place.

    Convolutions of a CPU like the channels-last layout. With ``amp`` the forward pass of
    training runs in bfloat16 where autocast deems it safe; weights, gradients and inference stay
    float32, and bfloat16 has the range of float32, so no loss scaling is needed. (Detectron2's
    ``AMPTrainer`` works on CUDA only.)

    Args:
        model: a detector on the CPU.
        amp: mixed precision, ``SOLVER.AMP.ENABLED``.

    Returns:
        the same model.
    """
    model.to(memory_format=torch.channels_last)
    if amp:
        forward = model.forward

        @functools.wraps(forward)
        def mixed_precision(*args: Any, **kwargs: Any) -> Any:
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=model.training):
                return forward(*args, **kwargs)

        model.forward = mixed_precision
    return model
