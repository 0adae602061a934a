"""Object-level cross-view reasoning: candidates of one view against those of its partner views.

Shape legend
    V: views      B: examined images      K: candidates of a view (padded)

A mass shows in both views of a breast, at about the same depth behind the nipple; tissue that looks
like a mass is likely to show at the mirrored place of the other breast. So a candidate is the more
likely a mass, the more evidence the auxiliary view has where its counterpart would be, by itself
and as a share of what that view has at all; the contralateral view speaks for or against it in the
same way. With s the classification logits of the detector, i a candidate of the examined view and
j one of a partner view (auxiliary or contralateral), each partner view has

    e_ij = - (d_i - d_j)^2 / 2 sigma_d^2 - (log l_i - log l_j)^2 / 2 sigma_l^2
           - (h_i - h_j)^2 / 2 sigma_h^2                                           affinity
    a_ij = s_j + e_ij,   a_i0 = n                           attention; 0: no counterpart
    p_i  = log sum_{j >= 0} exp a_ij                             evidence for a counterpart
    r_i  = p_i - log (exp n + sum_{j > 0} exp s_j)                             its share
    delta_i = v p_i + w r_i + b

and the detector's logit s_i becomes s_i + delta_i^aux + delta_i^con. Here d is the depth behind
the nipple and h the height along the chest wall, both in breast heights, and l the size of the
box. The height counts in the contralateral view only: CC and MLO share no height. v, w and b start
at 0, so that the logits start as the detector's. The own logit s_i enters with weight 1: another
weight would set images with a partner view apart from those without one, whose logits stay.

The looks of the candidates are left out: pooled features of the detector were tried and told no
more than place and size do (docs/cross_view.md). So the module serves any detector, and one that
was trained on the candidates of several detectors (out of fold) serves yet another one.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

# Stands for the logarithm of 0 in sums over candidates.
LOG_ZERO = -1e4


@dataclass(frozen=True)
class CandidateBatch:
    """Candidates of V views, padded to K.

    Attributes:
        logits: (V, K) float32, classification logits s of the detector.
        depth: (V, K) float32, distance behind the nipple along the axis from the nipple to the
            chest wall, in a unit of length that the views of a case share.
        height: (V, K) float32, place along the chest wall, towards the upper edge of the image
            positive, same unit.
        size: (V, K) float32, square root of the box's area, same unit; positive.
        valid: (V, K) bool; the rest is padding.
        breast_height: (V,) float32, same unit.
    """

    logits: Tensor
    depth: Tensor
    height: Tensor
    size: Tensor
    valid: Tensor
    breast_height: Tensor

    def __getitem__(self, index: Tensor | slice) -> CandidateBatch:
        """Some of the views."""
        return CandidateBatch(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


@dataclass(frozen=True)
class PartnerReading:
    """What B examined views read from one of their partner views.

    Without a meaning where the partner is missing.

    Attributes:
        change: (B, K), delta of the logits.
        log_attention: (B, K, K + 1), logarithm of the attention over the partner's candidates,
            "no counterpart" last.
        log_share: (B, K), r.
    """

    change: Tensor
    log_attention: Tensor
    log_share: Tensor


@dataclass(frozen=True)
class RelationIntermediates:
    """What a relation computes on the way to the new logits of B examined views.

    Attributes:
        auxiliary, contralateral: what is read from each partner view.
        missing: (B,), change of the logits that stands for a partner view that is missing where
            the other one is there, else 0.
    """

    auxiliary: PartnerReading
    contralateral: PartnerReading
    missing: Tensor


class PartnerAttention(nn.Module):
    """The attention of candidates over those of one partner view, see the module's docstring.

    Args:
        sigma_depth, sigma_size: widths of the soft bias at the start, in breast heights and in
            units of the logarithm.
        sigma_height: likewise, in breast heights; None where the views share no height.
    """

    def __init__(
        self, sigma_depth: float, sigma_size: float, sigma_height: float | None = None
    ) -> None:
        super().__init__()

        def logarithm(value: float) -> nn.Parameter:
            return nn.Parameter(torch.tensor(value).log())

        self.log_sigma_depth = logarithm(sigma_depth)
        self.log_sigma_size = logarithm(sigma_size)
        self.log_sigma_height = None if sigma_height is None else logarithm(sigma_height)
        self.null = nn.Parameter(torch.tensor(-4.0))
        self.change = nn.Linear(2, 1)
        nn.init.zeros_(self.change.weight)
        nn.init.zeros_(self.change.bias)

    def affinity(self, own: CandidateBatch, partner: CandidateBatch) -> Tensor:
        """e of B pairs of views, (B, K, K)."""
        unit = (own.breast_height + partner.breast_height)[:, None, None] / 2
        depth = (own.depth[:, :, None] - partner.depth[:, None]) / unit
        size = own.size.log()[:, :, None] - partner.size.log()[:, None]
        e = (depth / self.log_sigma_depth.exp()) ** 2 + (size / self.log_sigma_size.exp()) ** 2
        if self.log_sigma_height is not None:
            height = (own.height[:, :, None] - partner.height[:, None]) / unit
            e = e + (height / self.log_sigma_height.exp()) ** 2
        return -0.5 * e

    def forward(self, own: CandidateBatch, partner: CandidateBatch) -> PartnerReading:
        """Changes of the logits of B examined views by their partners, and the attention."""
        evidence = partner.logits.masked_fill(~partner.valid, LOG_ZERO)
        null = self.null.expand(len(evidence), 1)
        to_null = null[:, None].expand(-1, evidence.shape[1], -1)
        a = torch.cat([self.affinity(own, partner) + evidence[:, None], to_null], dim=-1)
        whole = torch.cat([evidence, null], dim=-1).logsumexp(dim=-1, keepdim=True)
        evident = a.logsumexp(dim=-1)
        share = evident - whole
        delta = self.change(torch.stack([evident, share], dim=-1))
        return PartnerReading(delta[..., 0], a.log_softmax(dim=-1), share)


class CandidateRelation(nn.Module):
    """Re-scores the candidates of a view by those of its auxiliary and contralateral views.

    At the start, and where an image has neither partner view, the logits are the detector's.

    Args:
        sigma_depth, sigma_size, sigma_height: of the soft bias at the start, see
            ``PartnerAttention``.
    """

    def __init__(
        self, sigma_depth: float = 0.07, sigma_size: float = 0.4, sigma_height: float = 0.1
    ) -> None:
        super().__init__()
        self.auxiliary = PartnerAttention(sigma_depth, sigma_size)
        self.contralateral = PartnerAttention(sigma_depth, sigma_size, sigma_height)
        # What stands for a partner view that is missing where the other one is there.
        self.no_auxiliary = nn.Parameter(torch.zeros(()))
        self.no_contralateral = nn.Parameter(torch.zeros(()))

    def forward(
        self,
        views: CandidateBatch,
        examined: Tensor,
        auxiliary: Tensor,
        contralateral: Tensor,
        *,
        return_intermediates: bool = False,
    ) -> Tensor | tuple[Tensor, RelationIntermediates]:
        """Re-score candidates.

        Args:
            views: candidates of V views.
            examined: (B,) int64, the views to re-score.
            auxiliary, contralateral: (B,) int64, their partner views, or -1.
            return_intermediates: hand back what was made on the way too.

        Returns:
            (B, K), new logits; or that and the intermediates.
        """
        own = views[examined]
        has_auxiliary, has_contralateral = auxiliary >= 0, contralateral >= 0
        of_auxiliary = self.auxiliary(own, views[auxiliary.clamp(min=0)])
        of_contralateral = self.contralateral(own, views[contralateral.clamp(min=0)])
        delta = torch.where(has_auxiliary[:, None], of_auxiliary.change, self.no_auxiliary)
        delta = delta + torch.where(
            has_contralateral[:, None], of_contralateral.change, self.no_contralateral
        )
        alone = ~(has_auxiliary | has_contralateral)
        logits = torch.where(alone[:, None], own.logits, own.logits + delta)
        if not return_intermediates:
            return logits
        missing = torch.where(has_auxiliary, 0, self.no_auxiliary)
        missing = missing + torch.where(has_contralateral, 0, self.no_contralateral)
        return logits, RelationIntermediates(
            of_auxiliary, of_contralateral, missing.masked_fill(alone, 0)
        )
