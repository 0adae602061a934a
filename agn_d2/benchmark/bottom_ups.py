"""Bottom-up networks that fit below the pyramid, and what each costs."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from detectron2.config import CfgNode
from detectron2.modeling import build_backbone
from fvcore.nn import FlopCountAnalysis

_RESNET, _TIMM = "MODEL.BACKBONE.NAME AGNResNetFPN", "MODEL.BACKBONE.NAME AGNTimmFPN"
_BASIC = f"{_RESNET} MODEL.RESNETS.RES2_OUT_CHANNELS 64 MODEL.RESNETS.DEPTH"
# Name -> overrides of a config, as on the command line.
BOTTOM_UPS = {
    "ResNet-18": f"{_BASIC} 18",
    "ResNet-34": f"{_BASIC} 34",
    "ResNet-50": f"{_RESNET} MODEL.RESNETS.DEPTH 50",
    "ResNet-101": f"{_RESNET} MODEL.RESNETS.DEPTH 101",
    "ResNeXt-101-32x8d": f"{_RESNET} MODEL.RESNETS.DEPTH 101 MODEL.RESNETS.NUM_GROUPS 32 "
    "MODEL.RESNETS.WIDTH_PER_GROUP 8",
} | {
    f"timm {name}": f"{_TIMM} MODEL.TIMM.NAME {name}"
    for name in (
        *("resnet18", "resnet34", "resnet50", "resnet101"),
        *("mobilenetv3_small_050", "tf_efficientnet_lite0", "tf_efficientnet_b3"),
        *("regnety_032", "convnext_tiny"),
    )
}
# Of the image that operations are counted on; its square makes counting quick.
COUNTED = 256


@dataclass(frozen=True)
class BottomUpCost:
    """What a bottom-up network costs for one gray image.

    Attributes:
        parameters: number of weights.
        multiplications: multiply-adds of one forward pass.
        seconds: CPU seconds of one forward pass in float32; None if not measured.
    """

    parameters: int
    multiplications: float
    seconds: float | None


def bottom_up_cost(cfg: CfgNode, size: int, repeats: int = 0) -> BottomUpCost:
    """Count, and measure if wanted; the pyramid above is not part of it.

    Operations are counted on a smaller image and scaled, for they grow with the area.

    Args:
        cfg: of a detector; initial weights are not read.
        size: height and width of the image in pixels, a multiple of 32.
        repeats: forward passes to measure, of which the fastest counts; 0: none.
    """
    cfg = cfg.clone()
    cfg.defrost()
    cfg.MODEL.TIMM.WEIGHTS, cfg.MODEL.AGN.ENABLED = "", False
    network = build_backbone(cfg).bottom_up.eval()
    counter = FlopCountAnalysis(network, torch.zeros(1, 1, COUNTED, COUNTED))
    counter.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    seconds = None
    if repeats:
        network.to(memory_format=torch.channels_last)
        image = torch.rand(1, 1, size, size)
        seconds = min(_forward_seconds(network, image) for _ in range(repeats))
    parameters = sum(parameter.numel() for parameter in network.parameters())
    # Nothing but the size differs, and no cell of a multiple of 32 is padding.
    return BottomUpCost(parameters, counter.total() * (size / COUNTED) ** 2, seconds)


@torch.no_grad()
def _forward_seconds(network: torch.nn.Module, image: torch.Tensor) -> float:
    start = time.process_time()
    network(image)
    return time.process_time() - start
