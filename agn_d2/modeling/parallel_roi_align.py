"""RoIAlign for the CPU: on all threads, of which torchvision takes one, and by boxes in float32."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import torch
from detectron2.layers import ROIAlign
from torch import Tensor, nn
from torchvision.ops import roi_align


def pool_in_parallel(model: nn.Module) -> None:
    """Have all RoIAligns of a detector share out their work among PyTorch's threads, in place."""
    for module in model.modules():
        if isinstance(module, ROIAlign):
            module.__class__ = ParallelROIAlign


class ParallelROIAlign(ROIAlign):
    """``ROIAlign`` with the same results to the last bit in float32, for the CPU.

    The boxes are shared out forward, the channels backward, so that no two threads write to the
    same place and no sum runs in another order. Features in half precision are pooled in float32,
    as torchvision does under autocast, by boxes in float32: Detectron2 rounds them to the type of
    the features, and bfloat16 has steps of 4 pixels from 512 on. The gradient of channels-last
    features is channels-last too, see ``_KeepLayout``.
    """

    def forward(self, input: Tensor, rois: Tensor) -> Tensor:
        """See ``ROIAlign.forward``."""
        if input.device.type != "cpu":
            return super().forward(input, rois)
        wide = torch.float32 if input.dtype in (torch.bfloat16, torch.float16) else input.dtype
        options = (self.output_size, self.spatial_scale, self.sampling_ratio, self.aligned)
        pool = roi_align if torch.get_num_threads() == 1 else _pool_in_threads
        features = _KeepLayout.apply(input)
        return pool(features.to(wide), rois.to(wide), *options).to(input.dtype)


class _KeepLayout(torch.autograd.Function):
    """The identity, whose gradient has the memory layout of its input.

    torchvision's gradient is contiguous. Added to that of a convolution on the same features it
    hands its layout down the pyramid, and on the CPU the gradient of a batch norm is ten times as
    slow where it and the features are laid out differently.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor) -> Tensor:
        ctx.channels_last = features.is_contiguous(memory_format=torch.channels_last)
        return features.view_as(features)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad.contiguous(memory_format=torch.channels_last) if ctx.channels_last else grad


def _pool_in_threads(features: Tensor, rois: Tensor, *options: Any) -> Tensor:
    return _Pool.apply(features, rois, options)


class _Pool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, rois: Tensor, options: tuple) -> Tensor:
        ctx.save_for_backward(rois)
        ctx.shape, ctx.options = features.shape, options
        # Once for all threads: torchvision would copy another layout for each.
        features = features.contiguous()
        return torch.cat(_shared_out(lambda part: roi_align(features, part, *options), rois, 0))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (rois,) = ctx.saved_tensors
        (height, width), scale, ratio, aligned = ctx.options
        images, _, *cells = ctx.shape

        def of_channels(part: Tensor) -> Tensor:
            return torch.ops.torchvision._roi_align_backward(
                part, rois, scale, height, width, images, part.shape[1], *cells, ratio, aligned
            )

        return torch.cat(_shared_out(of_channels, grad, 1), dim=1), None, None


def _shared_out(work: Callable[[Tensor], Tensor], whole: Tensor, dim: int) -> Sequence[Tensor]:
    """``work`` on as many parts of a tensor as there are threads, in order."""
    threads = torch.get_num_threads()
    return list(_pool(threads).map(work, whole.chunk(threads, dim)))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="roi_align")
