"""Fitting a relation on the candidates of cases whose lesions are known."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from detectron2.structures import Boxes, BoxMode, pairwise_iou
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.lesion_pairs import pair_lesions
from ..evaluation.matching import DEFAULT_IOU
from .candidates import CaseCandidates, ViewDetections, view_key
from .relation import CandidateRelation
from .rescoring import CHUNK

logger = logging.getLogger(__name__)


class NothingToLearnError(ValueError):
    """No candidate lies on a lesion."""


@dataclass(frozen=True)
class Targets:
    """What is known of V views with K candidates each.

    Attributes:
        is_mass: (V, K) bool, the candidate lies on a lesion.
        counterpart: (V, K, K + 1) bool, for candidates on a lesion whose counterpart is known: the
            auxiliary view's candidates on it, or the last entry where none is; else all False.
    """

    is_mass: Tensor
    counterpart: Tensor


def make_targets(
    data: CaseCandidates,
    detections: dict[Any, ViewDetections],
    iou: float = DEFAULT_IOU,
) -> Targets:
    """Targets from the annotations of the records.

    Lesions of the two views of a breast are paired by ``pair_lesions``. A lesion without a
    counterpart has the target "no counterpart", unless the partner is a context view, whose
    lesions are unknown.
    """
    views, width = data.candidates.valid.shape
    on = np.full((views, width), -1)
    for n, record in enumerate(data.records):
        lesions = _lesion_boxes(record)
        found = detections[view_key(record)].boxes[data.chosen[n]]
        if len(lesions) and len(found):
            overlap = pairwise_iou(Boxes(torch.tensor(found)), Boxes(torch.tensor(lesions)))
            best, which = overlap.max(dim=1)
            on[n, : len(found)] = np.where(best >= iou - 1e-9, which, -1)
    counterpart = np.zeros((views, width, width + 1), dtype=bool)
    for n, partner in enumerate(data.auxiliary.tolist()):
        if partner < 0 or "annotations" not in data.records[partner]:
            continue
        other = _counterparts(data.records[n], data.records[partner])
        for k in np.flatnonzero(on[n] >= 0):
            lesion = other.get(int(on[n, k]))
            hits = np.zeros(width, bool) if lesion is None else on[partner] == lesion
            counterpart[n, k] = np.append(hits, not hits.any())
    return Targets(torch.from_numpy(on >= 0), torch.from_numpy(counterpart))


def fit_relation(
    relation: CandidateRelation,
    data: Sequence[tuple[CaseCandidates, Targets]],
    *,
    floor: float = -3.0,
    link_weight: float = 0.3,
    weight_decay: float = 1e-3,
    fit_widths: bool = False,
    steps: int = 60,
) -> float:
    """Fit a relation in place, by L-BFGS on all views at once.

    The loss is the sum over the candidates of a view of the binary cross-entropy of
    sigmoid(c z + c_0), z the new logit, plus ``link_weight`` times the negative logarithm of the
    attention on the counterpart, plus ``weight_decay`` times the squared parameters, a mean over
    views. The calibration c, c_0 belongs to the loss alone: detectors are too sure of what they
    find, and the order of the candidates does not depend on it. The widths sigma stay as they are
    unless asked for: on CBIS-DDSM, fitted by the cross-entropy, they served the many candidates of
    low score at the expense of the few that decide the FROC curve.

    Args:
        relation: what to fit.
        data: candidates and targets, of detectors that have *not* seen these cases.
        floor: least logit of a candidate that enters the cross-entropy.
        link_weight, weight_decay: see above.
        fit_widths: fit the widths sigma too.
        steps: most steps of L-BFGS.

    Returns:
        the loss at the end.

    Raises:
        NothingToLearnError: no view, or no candidate on a lesion.
    """
    if not any(bool(targets.is_mass.any()) for _, targets in data):
        raise NothingToLearnError("no candidate lies on a lesion: there is nothing to learn from")
    views = sum(int((~part.context).sum()) for part, _ in data)
    calibration = nn.Parameter(torch.tensor([0.5, -1.0]))
    widths = [p for name, p in relation.named_parameters() if "sigma" in name]
    fitted = [p for name, p in relation.named_parameters() if "sigma" not in name]
    optimizer = torch.optim.LBFGS(
        [*fitted, *(widths if fit_widths else ()), calibration],
        max_iter=steps,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        total = torch.zeros(())
        for part, targets in data:
            for index in torch.nonzero(~part.context)[:, 0].split(CHUNK):
                loss = _loss(relation, part, targets, index, calibration, floor, link_weight)
                (loss / views).backward()
                total += loss.detach() / views
        decay = weight_decay * sum((parameter**2).sum() for parameter in fitted)
        decay.backward()
        return total + decay.detach()

    optimizer.step(closure)
    with torch.enable_grad():
        end = float(closure())
    logger.info("Relation fitted on %d views, loss %.4f", views, end)
    return end


def _loss(
    relation: CandidateRelation,
    part: CaseCandidates,
    targets: Targets,
    index: Tensor,
    calibration: Tensor,
    floor: float,
    link_weight: float,
) -> Tensor:
    """Sum over some views."""
    logits, steps = relation(
        part.candidates,
        index,
        part.auxiliary[index],
        part.contralateral[index],
        return_intermediates=True,
    )
    attention = steps.auxiliary.log_attention
    own = part.candidates[index]
    counted = own.valid & (own.logits >= floor)
    is_mass = targets.is_mass[index]
    loss = F.binary_cross_entropy_with_logits(
        calibration[0] * logits[counted] + calibration[1],
        is_mass[counted].float(),
        reduction="sum",
    )
    counterpart = targets.counterpart[index]
    linked = counterpart.any(dim=-1)
    if linked.any():
        on_it = attention[linked].masked_fill(~counterpart[linked], -torch.inf).logsumexp(dim=-1)
        loss = loss - link_weight * on_it.sum()
    return loss


def _lesion_boxes(record: dict[str, Any]) -> np.ndarray:
    """(L, 4) XYXY of the lesions, in the order of ``pair_lesions``."""
    boxes = [
        BoxMode.convert(a["bbox"], a["bbox_mode"], BoxMode.XYXY_ABS)
        for a in record.get("annotations", ())
        if not a.get("iscrowd", 0)
    ]
    return np.asarray(boxes, dtype=np.float64).reshape(-1, 4)


def _counterparts(record: dict[str, Any], partner: dict[str, Any]) -> dict[int, int]:
    """Lesion of a view -> that lesion in the other view of the breast."""
    if record["view"] == "CC":
        return dict(pair_lesions(record, partner))
    return {own: other for other, own in pair_lesions(partner, record)}
