"""Anatomy-aware Graph Network (AGN) over the levels of a feature pyramid.

Shape legend
    V: distinct views      B: examined images      C: channels      H, W: cells      N: nodes
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..graph.mapping import assign_cells, cells_within_reach, pixels_to_nodes
from ..structures import MultiViewBatch
from .fusion import GraphFusion
from .graph_convolution import BipartiteGraphConvolution, InceptionGraphConvolution


class AGNLayer(nn.Module):
    """BGN, IGN and their fusion for one feature map ([P]; AGN = BGN + IGN).

    Args:
        channels: C of the feature map.
        fusion: "residual" ([S]), "paper" ([P]) or "concat", see ``GraphFusion``.
        prior: (N_cc, N_mlo), H^g; None switches BGN off.
        inception_neighbors: branch sizes of IGN; empty switches IGN off.
        normalize_bipartite, normalize_inception: normalise the rows of the adjacency.
        own_weight: IGN's examined node has a weight of its own (not in [P]).
        context_gradient: let gradients flow into the views that an image reads.
    """

    def __init__(
        self,
        channels: int,
        *,
        fusion: str,
        prior: Tensor | None,
        inception_neighbors: Sequence[int],
        normalize_bipartite: bool = False,
        normalize_inception: bool = False,
        own_weight: bool = False,
        context_gradient: bool = True,
    ) -> None:
        super().__init__()
        self.context_gradient = context_gradient
        self.bipartite = (
            None
            if prior is None
            else BipartiteGraphConvolution(channels, prior, normalize=normalize_bipartite)
        )
        self.inception = (
            InceptionGraphConvolution(
                channels,
                inception_neighbors,
                normalize=normalize_inception,
                own_weight=own_weight,
            )
            if inception_neighbors
            else None
        )
        if self.bipartite is None and self.inception is None:
            raise ValueError("AGN needs BGN or IGN; to have neither set MODEL.AGN.ENABLED False")
        self.fusion = GraphFusion(
            channels,
            fusion,
            bipartite=self.bipartite is not None,
            inception=self.inception is not None,
        )

    def check_layout(self, layout: tuple[int, int]) -> None:
        """Raise a ValueError unless the layer fits views of (N_cc, N_mlo) nodes."""
        if self.bipartite is not None and tuple(self.bipartite.prior.shape) != tuple(layout):
            raise ValueError(
                f"the prior is for {tuple(self.bipartite.prior.shape)} nodes, MODEL.AGN.LAYOUT is "
                f"{tuple(layout)}"
            )
        if self.inception is not None and max(self.inception.neighbors) > min(layout):
            raise ValueError(
                f"MODEL.AGN.IGN.NEIGHBORS {self.inception.neighbors} wants more nodes than the "
                f"views have: {tuple(layout)}"
            )

    def node_features(
        self, features: Tensor, assignment: Tensor, batch: MultiViewBatch, links: Tensor
    ) -> tuple[Tensor | None, Tensor | None]:
        """Z^B and Z^I of the examined views, each (B, N, C), or None where switched off."""
        # Nodes are few: in float32 what happens between them stays exact under AMP.
        with torch.autocast(features.device.type, enabled=False):
            x = pixels_to_nodes(features, assignment)
            x_examined = batch.take_examined(x)
            context = x if self.context_gradient else x.detach()
            auxiliary, contralateral = links.clamp(min=0)
            z_bipartite = z_inception = None
            if self.bipartite is not None:
                is_mlo = batch.take_examined(batch.is_mlo)
                z_bipartite = self.bipartite(x_examined, context[auxiliary], is_mlo)
            if self.inception is not None:
                z_inception = self.inception(
                    x_examined,
                    context[contralateral],
                    batch.nodes[contralateral],
                    batch.node_valid[contralateral],
                )
        return z_bipartite, z_inception

    def forward(
        self,
        features: Tensor,
        assignment: Tensor,
        batch: MultiViewBatch,
        links: Tensor,
        k: int,
        attended: Tensor | None = None,
    ) -> Tensor:
        """Fused features of the examined views.

        Args:
            features: (V, C, H, W).
            assignment: (V, H * W, N), see ``assign_cells``.
            batch: the views and their nodes.
            links: (2, B) int64, auxiliary and contralateral view of each examined one, or -1.
            k: neighbours of a cell in ``assignment``.
            attended: (V, H, W) bool, cells that the attention works on; None: all.

        Returns:
            (B, C, H, W).
        """
        z_bipartite, z_inception = self.node_features(features, assignment, batch, links)
        has_auxiliary, has_contralateral = links >= 0
        return self.fusion(
            batch.take_examined(features),
            z_bipartite,
            z_inception,
            has_auxiliary,
            has_contralateral,
            batch.take_examined(assignment),
            k,
            None if attended is None else batch.take_examined(attended),
        )


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

    def assignment(self, level: str, grid: tuple[int, int], batch: MultiViewBatch) -> Tensor:
        """Cells of a level and their nodes, (V, H * W, N)."""
        return assign_cells(
            batch.nodes,
            batch.node_valid,
            batch.view_sizes,
            grid,
            self.strides[level],
            self.num_neighbors,
        )

    def attended(self, level: str, grid: tuple[int, int], batch: MultiViewBatch) -> Tensor | None:
        """Cells of a level that the attention works on, (V, H, W) bool; None: all."""
        if self.attention_reach == 0:
            return None
        return cells_within_reach(
            batch.nodes, batch.node_valid, grid, self.strides[level], self.attention_reach
        )

    def links(self, batch: MultiViewBatch) -> Tensor:
        """(2, B) auxiliary and contralateral views, some of them hidden in training."""
        links = torch.stack([batch.auxiliary, batch.contralateral])
        if self.training and self.view_drop > 0:
            hidden = torch.rand(links.shape, device=links.device) < self.view_drop
            links = links.masked_fill(hidden, -1)
        return links

    def attention(
        self, features: dict[str, Tensor], batch: MultiViewBatch, level: str
    ) -> Tensor | None:
        """The attention F^_I of one level, to look at.

        Args:
            features: level -> (V, C, H, W), before the fusion.
            batch: the views and their nodes.
            level: one of ``in_features``.

        Returns:
            (B, 1, H, W) in (0, 1), NaN where an image has no contralateral view; None without IGN.
        """
        layer, feature = self.layer(level), features[level]
        if layer.inception is None:
            return None
        links, grid = self.links(batch), feature.shape[-2:]
        assignment = self.assignment(level, grid, batch)
        _, z_inception = layer.node_features(feature, assignment, batch, links)
        attention = layer.fusion.attention_map(
            z_inception, batch.take_examined(assignment), grid, self.num_neighbors
        )
        attended = self.attended(level, grid, batch)
        if attended is not None:
            outside = ~batch.take_examined(attended)[:, None]
            attention = attention.masked_fill(outside, layer.fusion.neutral)
        return attention.masked_fill((links[1] < 0)[:, None, None, None], float("nan"))

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
                grid = feature.shape[-2:]
                fused[level] = self.layer(level)(
                    feature,
                    self.assignment(level, grid, batch),
                    batch,
                    links,
                    self.num_neighbors,
                    self.attended(level, grid, batch),
                )
            else:
                fused[level] = batch.take_examined(feature)
        return fused
