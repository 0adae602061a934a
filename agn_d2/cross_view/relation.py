"""Object-level cross-view reasoning: candidates of one view against those of its partner views.

Shape legend
    B: examined images      K: candidates of a view (padded)      F: kinds of features
    C: channels of a feature

A mass shows in both views of a breast, at about the same depth behind the nipple. So a candidate is
the more likely a mass, the larger the share of the auxiliary view's evidence that lies where its
counterpart would be. With s the classification logits of the detector, i a candidate of the examined
view and j one of a partner view (auxiliary or contralateral), each partner view has

    e_ij = - (d_i - d_j)^2 / 2 sigma_d^2 - (h_i - h_j)^2 / 2 sigma_h^2
           - (log l_i - log l_j)^2 / 2 sigma_l^2 + sum_f w_f cos(x_if, x_jf)          affinity
    a_ij = tau s_j + e_ij,   a_i0 = n                                   attention, 0: no counterpart
    r_i  = log sum_{j >= 0} exp a_ij - log (exp n + sum_{j > 0} exp tau s_j)         log share
    delta_i = g(s_i, r_i)

and the detector's logit becomes s_i + delta_i^aux + delta_i^con. Here d is the depth behind the
nipple, h the height along the chest wall, both in breast heights, l the size of the box and x a
pooled feature. The height counts in the contralateral view only: CC and MLO share no height. g is
linear, and 0 at the start.

Features enter as cosines between candidates of one detector. A cosine does not change where the
channels are rotated, so that a relation trained on the candidates of several detectors (out of
fold) serves yet another one.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Stands for the logarithm of 0 in sums over candidates.
LOG_ZERO = -1e4


@dataclass(frozen=True)
class CandidateBatch:
    """Candidates of B views, padded to K.

    Attributes:
        logits: (B, K) float32, classification logits s of the detector.
        depth: (B, K) float32, distance behind the nipple along the axis from the nipple to the
            chest wall, in a unit of length that the views of a case share.
        height: (B, K) float32, place along the chest wall, towards the head positive, same unit.
        size: (B, K) float32, square root of the box's area, same unit; positive.
        features: (B, K, F, C) float32.
        valid: (B, K) bool; the rest is padding.
        breast_height: (B,) float32, same unit.
    """

    logits: Tensor
    depth: Tensor
    height: Tensor
    size: Tensor
    features: Tensor
    valid: Tensor
    breast_height: Tensor

    def __getitem__(self, index: Tensor | slice) -> CandidateBatch:
        """Some of the views."""
        return CandidateBatch(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


class PartnerAttention(nn.Module):
    """The attention of candidates over those of one partner view, see the module's docstring.

    Args:
        feature_kinds: F.
        use_height: whether the height along the chest wall is comparable in the two views.
    """

    def __init__(self, feature_kinds: int, *, use_height: bool) -> None:
        super().__init__()
        self.log_sigma_depth = nn.Parameter(torch.tensor(0.06).log())
        self.log_sigma_height = nn.Parameter(torch.tensor(0.1).log()) if use_height else None
        self.log_sigma_size = nn.Parameter(torch.tensor(0.5).log())
        self.feature_weight = nn.Parameter(torch.zeros(feature_kinds))
        self.log_tau = nn.Parameter(torch.zeros(()))
        self.null = nn.Parameter(torch.tensor(-4.0))
        self.change = nn.Linear(2, 1)
        nn.init.zeros_(self.change.weight)
        nn.init.zeros_(self.change.bias)

    def affinity(self, own: CandidateBatch, partner: CandidateBatch) -> Tensor:
        """e, (B, K, K): by place, size and looks."""
        unit = (own.breast_height + partner.breast_height)[:, None, None] / 2
        depth = (own.depth[:, :, None] - partner.depth[:, None]) / unit
        size = own.size.log()[:, :, None] - partner.size.log()[:, None]
        e = -0.5 * (depth / self.log_sigma_depth.exp()) ** 2
        e = e - 0.5 * (size / self.log_sigma_size.exp()) ** 2
        if self.log_sigma_height is not None:
            height = (own.height[:, :, None] - partner.height[:, None]) / unit
            e = e - 0.5 * (height / self.log_sigma_height.exp()) ** 2
        x, y = (F.normalize(batch.features, dim=-1) for batch in (own, partner))
        return e + torch.einsum("bifc,bjfc,f->bij", x, y, self.feature_weight)

    def forward(self, own: CandidateBatch, partner: CandidateBatch) -> tuple[Tensor, Tensor]:
        """Changes of the logits, and the attention.

        Returns:
            (B, K), delta; and (B, K, K + 1), logarithm of the attention over the partner's
            candidates, "no counterpart" last.
        """
        evidence = (self.log_tau.exp() * partner.logits).masked_fill(~partner.valid, LOG_ZERO)
        null = self.null.expand(*evidence.shape[:1], 1)
        a = torch.cat(
            [
                self.affinity(own, partner) + evidence[:, None],
                null[:, None].expand(-1, evidence.shape[1], -1),
            ],
            dim=-1,
        )
        whole = torch.cat([evidence, null], dim=-1).logsumexp(dim=-1, keepdim=True)
        share = a.logsumexp(dim=-1) - whole
        delta = self.change(torch.stack([own.logits, share], dim=-1))
        return delta[..., 0], a.log_softmax(dim=-1)


class CandidateRelation(nn.Module):
    """Re-scores the candidates of a view by those of its auxiliary and contralateral views.

    At the start, and where an image has neither partner view, the logits are the detector's.

    Args:
        feature_kinds: F, features of a candidate that are compared; 0: by place and size alone.
    """

    def __init__(self, feature_kinds: int = 2) -> None:
        super().__init__()
        self.auxiliary = PartnerAttention(feature_kinds, use_height=False)
        self.contralateral = PartnerAttention(feature_kinds, use_height=True)
        # What stands for a partner view that is missing where the other one is there.
        self.no_auxiliary = nn.Parameter(torch.zeros(()))
        self.no_contralateral = nn.Parameter(torch.zeros(()))

    def forward(
        self, views: CandidateBatch, examined: Tensor, auxiliary: Tensor, contralateral: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Re-score candidates.

        Args:
            views: candidates of V views.
            examined: (B,) int64, the views to re-score.
            auxiliary, contralateral: (B,) int64, their partner views, or -1.

        Returns:
            (B, K), new logits; and of each partner view (B, K, K + 1), see ``PartnerAttention``
            (without a meaning where the partner is missing).
        """
        own = views[examined]
        has_auxiliary, has_contralateral = auxiliary >= 0, contralateral >= 0
        of_auxiliary, link_auxiliary = self.auxiliary(own, views[auxiliary.clamp(min=0)])
        of_contralateral, link_contralateral = self.contralateral(
            own, views[contralateral.clamp(min=0)]
        )
        delta = torch.where(has_auxiliary[:, None], of_auxiliary, self.no_auxiliary)
        delta = delta + torch.where(
            has_contralateral[:, None], of_contralateral, self.no_contralateral
        )
        alone = ~(has_auxiliary | has_contralateral)
        logits = own.logits + delta.masked_fill(alone[:, None], 0.0)
        return logits, link_auxiliary, link_contralateral
