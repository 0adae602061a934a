"""What the graph does on one level: the features before, between and after, to look at.

Shape legend
    V: distinct views      B: examined images      C: channels      H, W: cells      N: nodes
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..graph.mapping import nodes_to_pixels, pixels_to_nodes
from ..structures import MultiViewBatch
from .agn import AnatomyGraphNetwork


@dataclass(frozen=True)
class LevelInside:
    """The graph at work on one level; NaN where the view that is read is missing.

    Attributes:
        original: (B, C, H, W), F_e.
        enhanced: (B, C, H, W), Y.
        bipartite: (B, C, H, W), F_B = psi_k(Z^B), or None without BGN.
        inception: (B, C, H, W), F_I = psi_k(Z^I), or None without IGN.
        attention: (B, 1, H, W), F^_I in (0, 1), or None without IGN.
        correspondence: (B, N, N), H of BGN from the nodes of the examined view (rows) to those
            of the auxiliary one, padded with 0; or None without BGN.
    """

    original: Tensor
    enhanced: Tensor
    bipartite: Tensor | None
    inception: Tensor | None
    attention: Tensor | None
    correspondence: Tensor | None


@torch.no_grad()
def look_inside(
    agn: AnatomyGraphNetwork, features: dict[str, Tensor], batch: MultiViewBatch, level: str
) -> LevelInside:
    """Run the graph on one level and keep what it makes on the way.

    Args:
        agn: the graph network, in eval mode.
        features: level -> (V, C, H, W), before the fusion.
        batch: the views and their nodes.
        level: one of ``agn.in_features``.
    """
    layer, feature = agn.layer(level), features[level]
    links, grid, k = agn.links(batch), feature.shape[-2:], agn.num_neighbors
    assignment = agn.assignment(level, grid, batch)
    examined = batch.take_examined(assignment)
    z_bipartite, z_inception = layer.node_features(feature, assignment, batch, links)

    def on_pixels(z: Tensor | None, link: Tensor) -> Tensor | None:
        return None if z is None else _hide(nodes_to_pixels(z, examined, grid, k), link)

    attention = None
    if z_inception is not None:
        attention = layer.fusion.attention_map(z_inception, examined, grid, k)
    return LevelInside(
        original=batch.take_examined(feature),
        enhanced=agn({level: feature}, batch)[level],
        bipartite=on_pixels(z_bipartite, links[0]),
        inception=on_pixels(z_inception, links[1]),
        attention=None if attention is None else _hide(attention, links[1]),
        correspondence=_correspondence(agn, feature, assignment, batch, level),
    )


def _correspondence(
    agn: AnatomyGraphNetwork,
    feature: Tensor,
    assignment: Tensor,
    batch: MultiViewBatch,
    level: str,
) -> Tensor | None:
    """H of each examined view."""
    bipartite, auxiliary = agn.layer(level).bipartite, agn.links(batch)[0]
    if bipartite is None:
        return None
    x = pixels_to_nodes(feature, assignment)
    adjacency = bipartite.adjacency(
        batch.take_examined(x), x[auxiliary.clamp(min=0)], batch.take_examined(batch.is_mlo)
    )
    return _hide(adjacency, auxiliary)


def _hide(values: Tensor, link: Tensor) -> Tensor:
    """NaN where there is no view to read."""
    missing = (link < 0).view(-1, *[1] * (values.dim() - 1))
    return values.masked_fill(missing, float("nan"))
