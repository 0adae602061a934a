"""Fusion of the examined view's features with what the graph brought from the other views.

Shape legend
    B: examined images      C: channels      H, W: cells      P = H * W      N: nodes
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..graph.mapping import NodeMapping

FUSIONS = ("residual", "paper", "concat")
RESIDUAL_GAIN, RESIDUAL_FLOOR = 2.0, 0.2  # [S]: F_e o (2 F^_I + 0.2)


class GraphFusion(nn.Module):
    """Y = [factor o F_e, F_B] W_f^T with F_B = psi_k(Z^B) and F_I = psi_k(Z^I).

    The factor holds the attention F^_I = sigmoid(F_I w_I):

    - ``paper`` [P]: 2 F^_I. [P] has F^_I alone; the constant 2 is absorbed by W_f and makes the
      factor 1 at the start, so that views with and without attention meet the same W_f.
    - ``residual`` [S]: 2 F^_I + 0.2, which keeps a share of F_e whatever the attention does.
    - ``concat`` (neither's): as ``residual``, and Y = [factor o F_e, F_B, F_I] W_f^T with W_f
      (C, 3C). What IGN found then reaches the heads as features too, not as one number a cell
      alone; docs/ablation.md tells why.

    Starts as the identity: W_f = [I, 0, 0], w_I = 0 and a bias that makes the factor 1. Both W_f
    and w_I (without its bias) act on nodes before psi_k, since Q^r (Z W) = (Q^r Z) W: only the
    C x C part of W_f that meets F_e works on pixels.

    A missing auxiliary view means F_B = 0, a missing contralateral view a factor of 1 and F_I = 0.

    Args:
        channels: C.
        kind: "residual", "paper" or "concat".
        bipartite: F_B exists.
        inception: F_I exists.
    """

    def __init__(
        self, channels: int, kind: str = "residual", *, bipartite: bool, inception: bool
    ) -> None:
        super().__init__()
        if kind not in FUSIONS:
            raise ValueError(f"fusion must be one of {FUSIONS}, got {kind!r}")
        self.kind = kind
        self.weight_examined = nn.Parameter(torch.empty(channels, channels))
        self.weight_auxiliary = nn.Parameter(torch.empty(channels, channels)) if bipartite else None
        adds_inception = inception and kind == "concat"
        self.weight_contralateral = (
            nn.Parameter(torch.empty(channels, channels)) if adds_inception else None
        )
        self.attention = nn.Linear(channels, 1) if inception else None  # w_I
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.eye_(self.weight_examined)
        for weight in (self.weight_auxiliary, self.weight_contralateral):
            if weight is not None:
                nn.init.zeros_(weight)
        if self.attention is not None:
            nn.init.zeros_(self.attention.weight)
            start = self.neutral
            nn.init.constant_(self.attention.bias, math.log(start / (1 - start)))

    @property
    def neutral(self) -> float:
        """The attention F^_I that makes the factor 1."""
        return 0.5 if self.kind == "paper" else (1 - RESIDUAL_FLOOR) / RESIDUAL_GAIN

    def attention_map(
        self, z_inception: Tensor, has_contralateral: Tensor, mapping: NodeMapping
    ) -> Tensor:
        """F^_I = sigmoid(psi_k(Z^I w_I)), as it is applied.

        Args:
            z_inception, has_contralateral, mapping: see ``forward``.

        Returns:
            (B, 1, H, W) in (0, 1); ``neutral`` in cells that are not attended and in images
            without a contralateral view.
        """
        scores = F.linear(z_inception, self.attention.weight)
        # The bias comes after psi_k, which is linear only: in the padding psi_k gives 0.
        attention = torch.sigmoid(mapping.to_pixels(scores) + self.attention.bias)
        idle = ~has_contralateral[:, None, None, None]
        if mapping.attended is not None:
            idle = idle | ~mapping.attended[:, None]
        return attention.masked_fill(idle, self.neutral)

    def factor(self, attention: Tensor) -> Tensor:
        """What F_e is multiplied with, (B, 1, H, W); exactly 1 where the attention is neutral."""
        floor = 0.0 if self.kind == "paper" else RESIDUAL_FLOOR
        return RESIDUAL_GAIN * attention + floor

    def added_nodes(
        self,
        z_bipartite: Tensor | None,
        z_inception: Tensor | None,
        has_auxiliary: Tensor,
        has_contralateral: Tensor,
    ) -> Tensor | None:
        """Z^B, and Z^I for ``concat``, times their parts of W_f, (B, N, C); None: neither exists.

        A missing view brings 0.
        """
        parts = [
            (z @ weight.t()).masked_fill(~present[:, None, None], 0)
            for z, weight, present in (
                (z_bipartite, self.weight_auxiliary, has_auxiliary),
                (z_inception, self.weight_contralateral, has_contralateral),
            )
            if z is not None and weight is not None
        ]
        return sum(parts) if parts else None

    def forward(
        self,
        features: Tensor,
        z_bipartite: Tensor | None,
        z_inception: Tensor | None,
        has_auxiliary: Tensor,
        has_contralateral: Tensor,
        mapping: NodeMapping,
        *,
        return_attention: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor | None]:
        """Fuse one level.

        Args:
            features: (B, C, H, W), F_e.
            z_bipartite: (B, N, C), Z^B, or None without BGN.
            z_inception: (B, N, C), Z^I, or None without IGN.
            has_auxiliary, has_contralateral: (B,) bool.
            mapping: node mapping of the examined views.
            return_attention: hand back the attention that was applied too.

        Returns:
            Y, (B, C, H, W); or that and F^_I, see ``attention_map``, or None without IGN.
        """
        attention = factor = None
        if z_inception is not None:
            attention = self.attention_map(z_inception, has_contralateral, mapping)
            factor = self.factor(attention)
        brought = self.added_nodes(z_bipartite, z_inception, has_auxiliary, has_contralateral)
        # The factor is one number a cell: before W_f or behind it is the same.
        fused = mapping.transform_and_add(features, self.weight_examined, factor, brought)
        return (fused, attention) if return_attention else fused
