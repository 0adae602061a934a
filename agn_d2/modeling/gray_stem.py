"""RGB convolution weights for one gray channel."""

from __future__ import annotations

import torch
from torch import Tensor

LUMA_RGB = (0.299, 0.587, 0.114)
STEMS = ("luma", "sum")


def gray_stem(weight: Tensor, kind: str = "luma", *, order: str = "RGB") -> Tensor:
    """Turn the first convolution of an RGB network into one for a gray image.

    - ``luma`` [S]: W_gray = 0.299 W_R + 0.587 W_G + 0.114 W_B.
    - ``sum``: W_gray = W_R + W_G + W_B, which computes what the RGB network computes on the
      gray image repeated three times.

    Args:
        weight: (C, 3, h, w).
        kind: "luma" or "sum".
        order: "RGB" or "BGR", the order of the channels in ``weight``; Detectron2's
            caffe-style (MSRA) models are BGR, torchvision's and timm's are RGB.

    Returns:
        (C, 1, h, w).

    Raises:
        ValueError: another shape, kind or order.
    """
    if weight.dim() != 4 or weight.shape[1] != 3:
        raise ValueError(f"expected weights (C, 3, h, w), got {tuple(weight.shape)}")
    if kind not in STEMS or order not in ("RGB", "BGR"):
        raise ValueError(f"kind must be one of {STEMS} and order RGB or BGR: {kind!r}, {order!r}")
    factors = torch.tensor(LUMA_RGB if kind == "luma" else (1.0, 1.0, 1.0), dtype=weight.dtype)
    if order == "BGR":
        factors = factors.flip(0)
    return (weight * factors.to(weight.device)[None, :, None, None]).sum(1, keepdim=True)
