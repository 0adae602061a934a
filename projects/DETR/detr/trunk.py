"""The convolutional part of DETR: a ResNet of ``transformers``, or any of ``MODEL.TIMM``."""

from __future__ import annotations

from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from torch import Tensor, nn

from agn_d2.modeling.backbone.timm_bottom_up import TimmBottomUp, build_timm_bottom_up

TRUNKS = ("resnet", "timm")
FEATURES = {"res4": "stage3", "res5": "stage4"}  # our names -> those of transformers


class TimmTrunk(nn.Module):
    """One feature map of a ``timm`` model, as DETR's encoder of images wants it.

    Args:
        bottom_up: the model.
        feature: res2 ... res5, of stride 4 ... 32.
    """

    def __init__(self, bottom_up: TimmBottomUp, feature: str) -> None:
        super().__init__()
        self.bottom_up = bottom_up
        self.feature = feature

    @property
    def channels(self) -> int:
        return self.bottom_up.output_shape()[self.feature].channels

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, 1, H, W) -> one (B, C, H / stride, W / stride)."""
        return [self.bottom_up(images)[self.feature]]


def put_timm_trunk(detr: nn.Module, cfg: CfgNode) -> None:
    """Give a ``DetrForObjectDetection`` the trunk of ``MODEL.TIMM``, in place."""
    bottom_up = build_timm_bottom_up(cfg, ShapeSpec(channels=1))
    trunk = TimmTrunk(bottom_up, cfg.MODEL.DETR.BACKBONE_FEATURE)
    detr.model.backbone.model = trunk
    detr.model.backbone.intermediate_channel_sizes = [trunk.channels]
    detr.model.input_projection = nn.Conv2d(trunk.channels, cfg.MODEL.DETR.HIDDEN_DIM, 1)


def check_trunk(cfg: CfgNode) -> None:
    """Refuse settings that no trunk has.

    Raises:
        ValueError: names the key.
    """
    detr = cfg.MODEL.DETR
    if detr.BACKBONE not in TRUNKS:
        raise ValueError(
            f"MODEL.DETR.BACKBONE must be one of {', '.join(TRUNKS)}, got {detr.BACKBONE!r}"
        )
    if detr.BACKBONE_FEATURE not in FEATURES:
        raise ValueError(
            f"MODEL.DETR.BACKBONE_FEATURE must be one of {', '.join(FEATURES)}, "
            f"got {detr.BACKBONE_FEATURE!r}"
        )
    if detr.BACKBONE == "timm" and detr.PRETRAINED:
        raise ValueError(
            "MODEL.DETR.PRETRAINED brings a ResNet of its own: set MODEL.DETR.BACKBONE 'resnet'"
        )
