"""Anatomy-aware Graph Network (AGN) over the levels of a feature pyramid.

Shape legend
    V: distinct views      B: examined images      C: channels      H, W: cells      N: nodes
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..graph.mapping import NodeMapping
from ..structures import MultiViewBatch
from .agn_layer import AGNLayer, LayerIntermediates


class AnatomyGraphNetwork(nn.Module):
    """AGN on several pyramid levels.

    Args:
        layers: one ``AGNLayer`` per level, in the order of ``in_features``; the same object may
            stand at several levels (shared weights).
        in_features: names of the levels, e.g. ("p2", "p3", "p4", "p5").
        strides: input pixels per cell of each level.
        layout: (N_cc, N_mlo), nodes of a CC and of an MLO view.
        num_neighbors: k of phi_k and psi_k.
        view_drop: probability to hide a present auxiliary or contralateral view in training.
        attention_reach: how far from the nodes the attention works, see
            ``cells_within_reach``; 0: everywhere.

    Raises:
        ValueError: no level, k or a branch of IGN wants more nodes than a view has, a prior of
            another layout, view_drop is no probability, or attention_reach is negative.
    """

    def __init__(
        self,
        layers: Sequence[AGNLayer],
        in_features: Sequence[str],
        strides: Sequence[int],
        *,
        layout: tuple[int, int],
        num_neighbors: int = 3,
        view_drop: float = 0.0,
        attention_reach: float = 0.0,
    ) -> None:
        super().__init__()
        if not in_features:
            raise ValueError("MODEL.AGN.IN_FEATURES is empty; to have no AGN set ENABLED False")
        if not 0 <= view_drop <= 1:
            raise ValueError(f"MODEL.AGN.VIEW_DROP must be a probability, got {view_drop}")
        if attention_reach < 0:
            raise ValueError(f"MODEL.AGN.IGN.REACH must not be negative, got {attention_reach}")
        if not 1 <= num_neighbors <= min(layout):
            raise ValueError(
                f"MODEL.AGN.NUM_NEIGHBORS is {num_neighbors}, but the views have {layout} nodes"
            )
        for layer in layers:
            layer.check_layout(layout)
        self.layout = tuple(layout)
        self.in_features = tuple(in_features)
        self.strides = dict(zip(in_features, strides, strict=True))
        self.num_neighbors = num_neighbors
        self.view_drop = view_drop
        self.attention_reach = attention_reach
        unique = list(dict.fromkeys(layers))
        self.layers = nn.ModuleList(unique)
        self._layer_of = {
            name: unique.index(layer) for name, layer in zip(in_features, layers, strict=True)
        }

    def layer(self, level: str) -> AGNLayer:
        """The layer that works on a pyramid level."""
        return self.layers[self._layer_of[level]]

    def mapping(self, level: str, grid: tuple[int, int], batch: MultiViewBatch) -> NodeMapping:
        """Cells of a level, their nodes, and the reach of the attention."""
        return NodeMapping.build(
            batch.nodes,
            batch.node_valid,
            batch.view_sizes,
            grid,
            self.strides[level],
            self.num_neighbors,
            self.attention_reach,
        )

    def links(self, batch: MultiViewBatch) -> Tensor:
        """(2, B) auxiliary and contralateral views, some of them hidden in training."""
        links = torch.stack([batch.auxiliary, batch.contralateral])
        if self.training and self.view_drop > 0:
            hidden = torch.rand(links.shape, device=links.device) < self.view_drop
            links = links.masked_fill(hidden, -1)
        return links

    def inspect(
        self, features: dict[str, Tensor], batch: MultiViewBatch, level: str
    ) -> LayerIntermediates:
        """Fuse one level, and keep what is made on the way.

        Args:
            features: level -> (V, C, H, W), before the fusion.
            batch: the views and their nodes.
            level: one of ``in_features``.
        """
        feature = features[level]
        _, intermediates = self.layer(level)(
            feature,
            self.mapping(level, feature.shape[-2:], batch),
            batch,
            self.links(batch),
            return_intermediates=True,
        )
        return intermediates

    def forward(self, features: dict[str, Tensor], batch: MultiViewBatch) -> dict[str, Tensor]:
        """Fuse the views.

        Args:
            features: level -> (V, C, H, W).
            batch: the views and their nodes.

        Returns:
            level -> (B, C, H, W); levels without AGN are handed through for the examined views.
        """
        links = self.links(batch)
        fused = {}
        for level, feature in features.items():
            if level in self.strides:
                mapping = self.mapping(level, feature.shape[-2:], batch)
                fused[level] = self.layer(level)(feature, mapping, batch, links)
            else:
                fused[level] = batch.take_examined(feature)
        return fused
