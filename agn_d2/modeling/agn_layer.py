"""BGN, IGN and their fusion on one feature map, and what they make on the way.

Shape legend
    V: distinct views      B: examined images      C: channels      H, W: cells      N: nodes
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..graph.mapping import NodeMapping
from ..structures import MultiViewBatch
from .fusion import GraphFusion
from .graph_convolution import BipartiteGraphConvolution, InceptionGraphConvolution


@dataclass(frozen=True, eq=False)
class LayerIntermediates:
    """What a layer made of the examined views; NaN where the view that is read is missing.

    Attributes:
        original: (B, C, H, W), F_e.
        enhanced: (B, C, H, W), Y, the result of the layer.
        z_bipartite: (B, N, C), Z^B, or None without BGN.
        correspondence: (B, N, N), H of BGN from the nodes of the examined view (rows) to those
            of the auxiliary one, padded with 0; or None without BGN.
        z_inception: (B, N, C), Z^I, or None without IGN.
        attention: (B, 1, H, W), F^_I in (0, 1) as it was applied; or None without IGN.
        mapping: node mapping of the examined views.
    """

    original: Tensor
    enhanced: Tensor
    z_bipartite: Tensor | None
    correspondence: Tensor | None
    z_inception: Tensor | None
    attention: Tensor | None
    mapping: NodeMapping

    # As large as the features, and the fusion does without them: made for whoever asks.
    @property
    def bipartite(self) -> Tensor | None:
        """(B, C, H, W), F_B = psi_k(Z^B), or None without BGN."""
        return None if self.z_bipartite is None else self.mapping.to_pixels(self.z_bipartite)

    @property
    def inception(self) -> Tensor | None:
        """(B, C, H, W), F_I = psi_k(Z^I), or None without IGN."""
        return None if self.z_inception is None else self.mapping.to_pixels(self.z_inception)


class AGNLayer(nn.Module):
    """BGN, IGN and their fusion for one feature map ([P]; AGN = BGN + IGN).

    Args:
        channels: C of the feature map.
        fusion: "residual" ([S]), "paper" ([P]) or "concat", see ``GraphFusion``.
        prior: (N_cc, N_mlo), H^g; None switches BGN off.
        inception_neighbors: branch sizes of IGN; empty switches IGN off.
        normalize_bipartite, normalize_inception: normalize the rows of the adjacency.
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

    def read_other_views(
        self, x: Tensor, batch: MultiViewBatch, links: Tensor
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """What the examined views read, node by node.

        Args:
            x: (V, N, C), features of the nodes.
            batch, links: see ``forward``.

        Returns:
            Z^B (B, N, C), H (B, N, N) and Z^I (B, N, C); each is None where it is switched off.
            Of a view that is missing they hold anything.
        """
        x_examined = batch.take_examined(x)
        context = x if self.context_gradient else x.detach()
        auxiliary, contralateral = links.clamp(min=0)
        z_bipartite = correspondence = z_inception = None
        if self.bipartite is not None:
            z_bipartite, correspondence = self.bipartite(
                x_examined,
                context[auxiliary],
                batch.take_examined(batch.is_mlo),
                return_adjacency=True,
            )
        if self.inception is not None:
            z_inception = self.inception(
                x_examined,
                context[contralateral],
                batch.nodes[contralateral],
                batch.node_valid[contralateral],
            )
        return z_bipartite, correspondence, z_inception

    def forward(
        self,
        features: Tensor,
        mapping: NodeMapping,
        batch: MultiViewBatch,
        links: Tensor,
        *,
        return_intermediates: bool = False,
    ) -> Tensor | tuple[Tensor, LayerIntermediates]:
        """Fused features of the examined views.

        Args:
            features: (V, C, H, W).
            mapping: node mapping of the V views.
            batch: the views and their nodes.
            links: (2, B) int64, auxiliary and contralateral view of each examined one, or -1.
            return_intermediates: hand back what was made on the way too.

        Returns:
            (B, C, H, W), or that and the intermediates.
        """
        # Nodes are few: in float32 what happens between them stays exact under AMP.
        with torch.autocast(features.device.type, enabled=False):
            z_bipartite, correspondence, z_inception = self.read_other_views(
                mapping.to_nodes(features), batch, links
            )
        has_auxiliary, has_contralateral = links >= 0
        original, mapping = batch.take_examined(features), batch.take_examined(mapping)
        fused, attention = self.fusion(
            original,
            z_bipartite,
            z_inception,
            has_auxiliary,
            has_contralateral,
            mapping,
            return_attention=True,
        )
        if not return_intermediates:
            return fused
        return fused, LayerIntermediates(
            original=original,
            enhanced=fused,
            z_bipartite=_hide_missing(z_bipartite, has_auxiliary),
            correspondence=_hide_missing(correspondence, has_auxiliary),
            z_inception=_hide_missing(z_inception, has_contralateral),
            attention=_hide_missing(attention, has_contralateral),
            mapping=mapping,
        )


def _hide_missing(values: Tensor | None, present: Tensor) -> Tensor | None:
    """NaN where there is no view to read; values (B, ...), present (B,) bool."""
    if values is None:
        return None
    return values.masked_fill(~present.view(-1, *[1] * (values.dim() - 1)), float("nan"))
