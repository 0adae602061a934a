"""Bipartite (BGN) and inception (IGN) graph convolution between the nodes of two views.

Shape legend
    B: examined images      C: channels      N: nodes (padded; N_cc, N_mlo without padding)
    e: examined, a: auxiliary, c: contralateral view

Padded nodes carry features of 0 and are masked, so that they take part in nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

logger = logging.getLogger(__name__)


class BipartiteGraphConvolution(nn.Module):
    """BGN: nodes of one projection read the nodes of the other one of the same breast.

    With H = H^g o H^s and H^B = [[0, H], [H^T, 0]], Z^B = relu(H^B X^B W^B) ([P], eq. of BGN);
    only the half of the examined view is computed. H^s_ij = sigmoid([X^cc_i, X^mlo_j] w_s) is
    the sigmoid of a sum of two per-node scores, hence no (N, N, 2C) tensor.

    Args:
        channels: C.
        prior: (N_cc, N_mlo) float, H^g, a node correspondence that is not negative. It is saved
            with the weights; a checkpoint's prior takes the place of this one, and says so.
        normalize: divide each row of H by its sum (the graph then takes a mean; not in [P]).
    """

    def __init__(self, channels: int, prior: Tensor, *, normalize: bool = False) -> None:
        super().__init__()
        if prior.dim() != 2 or bool((prior < 0).any()):
            raise ValueError("prior must be a matrix (N_cc, N_mlo) without negative entries")
        self.normalize = normalize
        self.register_buffer("prior", prior.float())
        self.affinity = nn.Parameter(torch.empty(2, channels))  # w_s: row 0 for CC, row 1 for MLO
        self.weight = nn.Parameter(torch.empty(channels, channels))  # W^B
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.normal_(self.affinity, std=self.affinity.shape[1] ** -0.5)
        nn.init.xavier_uniform_(self.weight)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        """A checkpoint brings the prior that it was trained with: that one is taken."""
        loaded = state_dict.get(f"{prefix}prior")
        if loaded is not None and loaded.shape == self.prior.shape:
            built = self.prior.cpu()
            # NaN: a prior that was left to the checkpoint, see ``awaited_prior``.
            awaited = bool(built.isnan().any())
            # Exported weights are rounded to float16, whose step is 1 / 1,024 of a number.
            if not awaited and not torch.allclose(
                torch.as_tensor(loaded).cpu().float(), built, rtol=1e-3, atol=1e-6
            ):
                logger.warning(
                    "The checkpoint has another prior H^g than MODEL.AGN.BGN.PRIOR; "
                    "the checkpoint's is taken."
                )
        super()._load_from_state_dict(state_dict, prefix, *args)

    def adjacency(self, x_examined: Tensor, x_auxiliary: Tensor, examined_is_mlo: Tensor) -> Tensor:
        """H seen from the examined view.

        Args:
            x_examined, x_auxiliary: (B, N, C).
            examined_is_mlo: (B,) bool.

        Returns:
            (B, N, N): rows are nodes of the examined view, columns of the auxiliary one.
        """
        side = examined_is_mlo.long()
        score_e = (x_examined * self.affinity[side][:, None]).sum(-1)
        score_a = (x_auxiliary * self.affinity[1 - side][:, None]).sum(-1)
        similarity = torch.sigmoid(score_e[:, :, None] + score_a[:, None, :])
        adjacency = self._oriented_prior(x_examined.shape[1])[side] * similarity
        if self.normalize:
            adjacency = adjacency / adjacency.sum(-1, keepdim=True).clamp(min=1e-6)
        return adjacency

    def _oriented_prior(self, nodes: int) -> Tensor:
        """(2, N, N): H^g for examined CC views, its transpose for MLO views, padded with 0."""
        n_cc, n_mlo = self.prior.shape
        return torch.stack(
            [
                F.pad(self.prior, (0, nodes - n_mlo, 0, nodes - n_cc)),
                F.pad(self.prior.t(), (0, nodes - n_cc, 0, nodes - n_mlo)),
            ]
        )

    def forward(
        self,
        x_examined: Tensor,
        x_auxiliary: Tensor,
        examined_is_mlo: Tensor,
        *,
        return_adjacency: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Z^B of the examined view.

        Args:
            x_examined, x_auxiliary, examined_is_mlo: see ``adjacency``.
            return_adjacency: hand back H too.

        Returns:
            (B, N, C), or that and H, (B, N, N).
        """
        adjacency = self.adjacency(x_examined, x_auxiliary, examined_is_mlo)
        z = F.relu(adjacency @ (x_auxiliary @ self.weight))
        return (z, adjacency) if return_adjacency else z


class InceptionGraphConvolution(nn.Module):
    """IGN: nodes of one breast read their counterparts in the other one.

    With the block matrix [[I, J_s], [J_s^T, I]] as adjacency,
    Z^I = relu(sum_i [[I, J_si], [J_si^T, I]] X^I W_i) ([P], eq. of IGN); only the half of the
    examined view is computed. J_s(m, n) = 1 if the contralateral node n is among the s nearest
    of the counterpart of m. Both views have the same layout, so the counterpart of node m is
    node m of the contralateral view.

    Args:
        channels: C.
        neighbors: the branch sizes s, ascending or not; [P] takes (1, 3, 5).
        normalize: divide each row of the adjacency by its sum 1 + s (not in [P]).
        own_weight: the examined node meets a weight W_0 of its own (not in [P]):
            Z^I = relu(X_e W_0 + sum_i J_si X_c W_i), J_s alone divided by s if ``normalize``.
            In [P]'s form I and J_s share their W_i, so a node and its own counterpart always enter
            with the same weight and cannot be told apart; here they can, and W_0 = -sum_i W_i at
            the start: a node is compared with its counterpart.
    """

    def __init__(
        self,
        channels: int,
        neighbors: Sequence[int] = (1, 3, 5),
        *,
        normalize: bool = False,
        own_weight: bool = False,
    ) -> None:
        super().__init__()
        if not neighbors or min(neighbors) < 1:
            raise ValueError(f"neighbors must be positive branch sizes, got {tuple(neighbors)}")
        self.neighbors = tuple(neighbors)
        self.normalize = normalize
        self.weight = nn.Parameter(torch.empty(len(self.neighbors), channels, channels))  # W_i
        self.own_weight = nn.Parameter(torch.empty(channels, channels)) if own_weight else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for branch in self.weight:
            nn.init.xavier_uniform_(branch)
        if self.own_weight is not None:
            self.own_weight.data = -self.weight.data.sum(0)

    def correspondence(self, nodes: Tensor, node_valid: Tensor) -> Tensor:
        """J_s for every branch.

        Args:
            nodes: (B, N, 2), nodes of the contralateral view, (x, y) in pixels.
            node_valid: (B, N) bool.

        Returns:
            (S, B, N, N) float32 of zeros and ones; rows and columns of padded nodes are 0.

        Raises:
            ValueError: a branch wants more neighbors than there are nodes.
        """
        if max(self.neighbors) > nodes.shape[1]:
            raise ValueError(f"IGN with s = {max(self.neighbors)}, but {nodes.shape[1]} nodes")
        with torch.no_grad():
            nodes = nodes.float()
            distance = (nodes[:, :, None] - nodes[:, None]).square().sum(-1)
            # The counterpart itself comes first, also where several nodes lie on one spot.
            distance.diagonal(dim1=1, dim2=2).fill_(-1)
            both = node_valid[:, :, None] & node_valid[:, None, :]
            distance = distance.masked_fill(~both, float("inf"))
            order = distance.topk(max(self.neighbors), dim=2, largest=False).indices
            branches = [
                torch.zeros_like(distance).scatter_(2, order[:, :, :s], 1.0) * both
                for s in self.neighbors
            ]
        return torch.stack(branches)

    def forward(
        self, x_examined: Tensor, x_contralateral: Tensor, nodes: Tensor, node_valid: Tensor
    ) -> Tensor:
        """Z^I of the examined view.

        Args:
            x_examined, x_contralateral: (B, N, C).
            nodes, node_valid: those of the contralateral view, see ``correspondence``.

        Returns:
            (B, N, C).
        """
        shared = self.own_weight is None
        total = torch.zeros_like(x_examined) if shared else x_examined @ self.own_weight
        branches = self.correspondence(nodes, node_valid)
        for s, adjacency, weight in zip(self.neighbors, branches, self.weight, strict=True):
            mixed = adjacency.to(x_examined.dtype) @ x_contralateral
            if shared:
                mixed = mixed + x_examined
            if self.normalize:
                mixed = mixed / (s + shared)
            total = total + mixed @ weight
        return F.relu(total)
