"""Feature pyramid whose levels are fused with the other views of a case."""

from __future__ import annotations

from pathlib import Path

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, Backbone, build_resnet_backbone
from detectron2.modeling.backbone import FPN
from detectron2.modeling.backbone.fpn import LastLevelMaxPool, LastLevelP6P7
from torch import Tensor, nn

from ...graph.prior import awaited_prior, read_prior, uniform_prior
from ...structures import MultiViewBatch
from ...utils.paths import resolve_data_path
from ..agn import AnatomyGraphNetwork
from ..agn_layer import AGNLayer, LayerIntermediates
from .timm_bottom_up import build_timm_bottom_up

# MODEL.AGN.BGN.PRIOR of a model whose checkpoint brings the prior.
PRIOR_OF_CHECKPOINT = "checkpoint"


class AGNFPN(FPN):
    """FPN with an Anatomy-aware Graph Network on its levels.

    Parameters bear the names of Detectron2's ``FPN``, so that a checkpoint of a trained
    detector loads as it is (RetinaNet's with ``MODEL.FPN.TOP_BLOCK p6p7_res5``); those of the
    graph lie below ``agn``. Given a plain tensor, or built without ``agn``, it is Detectron2's FPN.

    Args:
        bottom_up, in_features, out_channels, norm, top_block, fuse_type: see ``FPN``.
        agn: the graph network; None for a plain FPN.
    """

    @configurable
    def __init__(
        self,
        *,
        bottom_up: Backbone,
        in_features: list[str],
        out_channels: int,
        norm: str = "",
        top_block: nn.Module | None = None,
        fuse_type: str = "sum",
        agn: AnatomyGraphNetwork | None = None,
    ) -> None:
        super().__init__(bottom_up, in_features, out_channels, norm, top_block, fuse_type)
        if agn is not None:
            unknown = set(agn.in_features) - set(self.fused_levels())
            if unknown:
                raise ValueError(
                    f"MODEL.AGN.IN_FEATURES has {sorted(unknown)}; AGN can work on "
                    f"{self.fused_levels()} (further levels are pooled from the fused ones)"
                )
        self.agn = agn
        # Before the stage that first trains the graph: it starts as the identity, so that leaving
        # it out changes nothing but the cost.
        self.leave_out_agn = False

    def fused_levels(self) -> list[str]:
        """Levels made by the FPN itself, not by its top block."""
        return self._out_features[: len(self.in_features)]

    @property
    def reads_context(self) -> bool:
        """Whether the other views change anything; if not, nobody need compute them."""
        return self.agn is not None and not self.leave_out_agn

    def forward(self, x: Tensor | MultiViewBatch) -> dict[str, Tensor]:
        """Pyramid features.

        Args:
            x: (B, C, H, W) images, or V distinct views of which B are examined.

        Returns:
            level -> (B, C, H / stride, W / stride).
        """
        if not isinstance(x, MultiViewBatch):
            return super().forward(x)
        features = super().forward(x.views)
        if self.agn is None:
            return {level: x.take_examined(feature) for level, feature in features.items()}
        fused = self.agn(features, x)
        return fused | self._top_levels(fused)

    @torch.no_grad()
    def inspect(self, batch: MultiViewBatch, level: str) -> LayerIntermediates:
        """What the graph does on one level, see ``AnatomyGraphNetwork``; only with a graph."""
        return self.agn.inspect(super().forward(batch.views), batch, level)

    def attention(self, batch: MultiViewBatch, level: str) -> Tensor | None:
        """IGN's attention on one level, (B, 1, H, W), see ``LayerIntermediates``; None without."""
        return None if self.agn is None else self.inspect(batch, level).attention

    def _top_levels(self, fused: dict[str, Tensor]) -> dict[str, Tensor]:
        """Top levels made from a fused level; those made from the bottom-up stay as they are."""
        if self.top_block is None or self.top_block.in_feature not in fused:
            return {}
        names = self._out_features[len(self.in_features) :]
        levels = self.top_block(fused[self.top_block.in_feature])
        return dict(zip(names, levels, strict=True))

    @classmethod
    def build_bottom_up(cls, cfg: CfgNode, input_shape: ShapeSpec) -> Backbone:
        """The network below the pyramid."""
        raise NotImplementedError

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: ShapeSpec) -> dict:
        """
        Raises:
            ValueError: the config lacks the keys of agn_d2.
        """
        if "AGN" not in cfg.MODEL:
            raise ValueError(
                f"{cls.__name__}: the config has no MODEL.AGN; call agn_d2.add_agn_config(cfg) "
                "before a YAML is merged"
            )
        bottom_up = cls.build_bottom_up(cfg, input_shape)
        fpn = cfg.MODEL.FPN
        strides = {
            f"p{spec.stride.bit_length() - 1}": spec.stride
            for spec in (bottom_up.output_shape()[name] for name in fpn.IN_FEATURES)
        }
        return {
            "bottom_up": bottom_up,
            "in_features": fpn.IN_FEATURES,
            "out_channels": fpn.OUT_CHANNELS,
            "norm": fpn.NORM,
            "top_block": build_top_block(cfg, bottom_up.output_shape()),
            "fuse_type": fpn.FUSE_TYPE,
            "agn": build_agn(cfg, fpn.OUT_CHANNELS, strides),
        }


@BACKBONE_REGISTRY.register()
class AGNResNetFPN(AGNFPN):
    """``AGNFPN`` over Detectron2's ResNet; one input channel makes a one-channel stem."""

    @classmethod
    def build_bottom_up(cls, cfg: CfgNode, input_shape: ShapeSpec) -> Backbone:
        return build_resnet_backbone(cfg, input_shape)


@BACKBONE_REGISTRY.register()
class AGNTimmFPN(AGNFPN):
    """``AGNFPN`` over any feature extractor of ``timm`` (``MODEL.TIMM``)."""

    @classmethod
    def build_bottom_up(cls, cfg: CfgNode, input_shape: ShapeSpec) -> Backbone:
        return build_timm_bottom_up(cfg, input_shape)


def build_top_block(cfg: CfgNode, bottom_up: dict[str, ShapeSpec]) -> nn.Module | None:
    """The extra levels on top of the pyramid (``MODEL.FPN.TOP_BLOCK``).

    Args:
        bottom_up: the output shapes of the network below the pyramid.

    Raises:
        ValueError: unknown name, or the network does not give res5.
    """
    kind, channels = cfg.MODEL.FPN.TOP_BLOCK, cfg.MODEL.FPN.OUT_CHANNELS
    if kind == "maxpool":
        return LastLevelMaxPool()
    if kind == "p6p7":
        return LastLevelP6P7(channels, channels, in_feature="p5")
    if kind == "p6p7_res5":
        if "res5" not in bottom_up:
            raise ValueError(f"MODEL.FPN.TOP_BLOCK p6p7_res5 needs res5 among {list(bottom_up)}")
        return LastLevelP6P7(bottom_up["res5"].channels, channels)
    if kind == "none":
        return None
    raise ValueError(f"MODEL.FPN.TOP_BLOCK must be maxpool, p6p7, p6p7_res5 or none, got {kind!r}")


def build_agn(cfg: CfgNode, channels: int, strides: dict[str, int]) -> AnatomyGraphNetwork | None:
    """The graph network of ``MODEL.AGN``, or None where it is switched off.

    Args:
        channels: C of the pyramid.
        strides: level -> input pixels per cell, for the levels that the FPN makes.

    Raises:
        ValueError: a level that the pyramid lacks, a prior of another layout, k out of range.
    """
    agn = cfg.MODEL.AGN
    if not agn.ENABLED:
        return None
    unknown = [level for level in agn.IN_FEATURES if level not in strides]
    if unknown:
        raise ValueError(
            f"MODEL.AGN.IN_FEATURES has {unknown}; the FPN makes {list(strides)} from "
            f"MODEL.FPN.IN_FEATURES {list(cfg.MODEL.FPN.IN_FEATURES)}: name some of these"
        )

    def layer() -> AGNLayer:
        return AGNLayer(
            channels,
            fusion=agn.FUSION,
            prior=build_prior(cfg) if agn.BGN.ENABLED else None,
            inception_neighbors=agn.IGN.NEIGHBORS if agn.IGN.ENABLED else (),
            normalize_bipartite=agn.BGN.NORMALIZE,
            normalize_inception=agn.IGN.NORMALIZE,
            own_weight=agn.IGN.OWN_WEIGHT,
            context_gradient=agn.CONTEXT_GRADIENT,
        )

    count = len(agn.IN_FEATURES)
    layers = [layer()] * count if agn.SHARE_LEVELS else [layer() for _ in range(count)]
    return AnatomyGraphNetwork(
        layers,
        agn.IN_FEATURES,
        [strides[level] for level in agn.IN_FEATURES],
        layout=tuple(agn.LAYOUT),
        num_neighbors=agn.NUM_NEIGHBORS,
        view_drop=agn.VIEW_DROP,
        attention_reach=agn.IGN.REACH,
    )


def find_prior_file(cfg: CfgNode) -> Path:
    """The file that ``MODEL.AGN.BGN.PRIOR`` names, with "{layout}" filled in.

    Raises:
        FileNotFoundError: there is none, neither as it is nor below DETECTRON2_DATASETS.
    """
    layout = "_".join(map(str, cfg.MODEL.AGN.LAYOUT))
    return resolve_data_path(cfg.MODEL.AGN.BGN.PRIOR.replace("{layout}", layout))


def build_prior(cfg: CfgNode) -> Tensor:
    """H^g of ``MODEL.AGN.BGN.PRIOR``: (N_cc, N_mlo) float32.

    Uniform where no file is named, NaN until the checkpoint is loaded where that brings it.
    """
    bgn, layout = cfg.MODEL.AGN.BGN, tuple(cfg.MODEL.AGN.LAYOUT)
    if not bgn.PRIOR:
        return torch.as_tensor(uniform_prior(layout), dtype=torch.float32)
    if bgn.PRIOR == PRIOR_OF_CHECKPOINT:
        return torch.as_tensor(awaited_prior(layout), dtype=torch.float32)
    try:
        path = find_prior_file(cfg)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"MODEL.AGN.BGN.PRIOR: {error} tools/build_prior.py makes a prior from a data set; an "
            "empty PRIOR takes every pair of nodes alike."
        ) from error
    prior = read_prior(path, layout)
    return torch.as_tensor(prior.matrix(bgn.PRIOR_BANDWIDTH), dtype=torch.float32)
