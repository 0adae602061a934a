"""Precision and memory layout for training on a CPU."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from typing import Any

import torch
from detectron2.config import CfgNode
from torch import Tensor, nn

from ..modeling.parallel_roi_align import pool_in_parallel

logger = logging.getLogger(__name__)

PRECISIONS = ("auto", "bfloat16", "float32")


def cpu_has_bfloat16() -> bool:
    """Whether this CPU computes in bfloat16 itself, as far as PyTorch knows and may use it.

    A CPU that emulates bfloat16 is many times slower in it than in float32. What
    ``ATEN_CPU_CAPABILITY`` or ``ONEDNN_MAX_CPU_ISA`` hold back counts as not there.

    Returns:
        False too where a PyTorch is too old to be asked.
    """
    # oneDNN says yes from AVX-512 on, where it emulates; hence the instructions besides.
    if not _onednn_takes_bfloat16():
        return False
    capabilities = _capabilities()
    if capabilities.get("bf16", False):  # ARM
        return True
    has_instructions = any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))
    return has_instructions and torch.backends.cpu.get_cpu_capability().startswith("AVX512")


def trains_in_bfloat16(cfg: CfgNode) -> bool:
    """Whether a training of this config on the CPU runs in bfloat16; why not is logged.

    Raises:
        ValueError: ``SOLVER.AMP.CPU_PRECISION`` is none of ``PRECISIONS``.
    """
    wanted = cfg.SOLVER.AMP.CPU_PRECISION
    if wanted not in PRECISIONS:
        raise ValueError(f"SOLVER.AMP.CPU_PRECISION must be one of {PRECISIONS}, got {wanted!r}")
    if not cfg.SOLVER.AMP.ENABLED or wanted == "float32":
        return False
    if wanted == "auto" and not cpu_has_bfloat16():
        logger.info(
            "Training in float32: this CPU has no bfloat16 instructions that PyTorch can use "
            "(SOLVER.AMP.CPU_PRECISION bfloat16 forces it)."
        )
        return False
    return True


def speed_up_on_cpu(model: nn.Module, *, amp: bool) -> nn.Module:
    """Prepare a model for training on the CPU, in place.

    Convolutions of a CPU like the channels-last layout, and RoIAlign runs on all threads. With
    ``amp`` the forward pass of training runs in bfloat16 where autocast deems it safe, but for
    depthwise convolutions that are faster in float32; weights, gradients and inference stay
    float32, and bfloat16 has the range of float32, so no loss scaling is needed. (Detectron2's
    ``AMPTrainer`` works on CUDA only.)

    Args:
        model: a detector on the CPU.
        amp: mixed precision, see ``trains_in_bfloat16``.

    Returns:
        the same model.
    """
    model.to(memory_format=torch.channels_last)
    pool_in_parallel(model)
    if amp:
        for module in model.modules():
            if _is_slow_in_bfloat16(module):
                module.__class__ = _with_precision(_InFloat32, type(module))
        # Of the class, not of the instance: a copy of the model would run the original.
        model.__class__ = _with_precision(_InBfloat16, type(model))
    return model


def _is_slow_in_bfloat16(module: nn.Module) -> bool:
    """Depthwise convolutions whose gradients oneDNN has no fast way to in bfloat16.

    5 x 5 the gradient of the weights takes four times as long as in float32, with stride 2 that of
    the input three times.
    """
    return (
        isinstance(module, nn.Conv2d)
        and module.groups == module.in_channels > 1
        and (max(module.kernel_size) > 3 or max(module.stride) > 1)
    )


class _Precision(nn.Module):
    """Goes before a module's class and says in which precision its forward pass runs."""

    def __reduce__(self) -> tuple[Any, ...]:
        """The class is made when it is wanted: a pickle cannot find it by its name."""
        return _blank, type(self).__bases__, self.__dict__


class _InBfloat16(_Precision):
    """A detector: mixed precision in steps of training, float32 in evaluations.

    A validation computes losses, in training mode but without gradients.
    """

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        enabled = self.training and torch.is_grad_enabled()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            return super().forward(*args, **kwargs)


class _InFloat32(_Precision):
    """A layer of a detector in mixed precision: float32 inside, the type of its input outside."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            return super().forward(x.float()).to(x.dtype)


@functools.cache
def _with_precision(precision: type[_Precision], kind: type[nn.Module]) -> type[nn.Module]:
    return type(kind.__name__, (precision, kind), {})


def _blank(precision: type[_Precision], kind: type[nn.Module]) -> nn.Module:
    """A module of that precision that has nothing yet."""
    made = _with_precision(precision, kind)
    return made.__new__(made)


def _onednn_takes_bfloat16() -> bool:
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return torch.backends.mkldnn.is_available() and supported is not None and supported()


def _capabilities() -> Mapping[str, Any]:
    """Those of ``torch.cpu.get_capabilities``; of an older PyTorch those that it can tell."""
    if hasattr(torch.cpu, "get_capabilities"):
        return torch.cpu.get_capabilities()
    queries = {"avx512_bf16": "_is_avx512_bf16_supported", "amx_bf16": "_is_amx_tile_supported"}
    return {name: getattr(torch.cpu, query, bool)() for name, query in queries.items()}
