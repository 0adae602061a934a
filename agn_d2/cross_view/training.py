"""Fitting a relation on the candidates of cases whose lesions are known.

The loss is the figure by which detectors are compared, made smooth. The mean recall over 1/8 to 8
FPPI, on a logarithmic scale, is 1 - mean_m clip(log(8 F_m) / log 64, 0, 1) with F_m the false
positives per image that score higher than lesion m. The loss has

    F_m = 1/N sum_f sigmoid((z_f - z_m) / T)
    L   = mean_m [ log(F_m + a) - log(1 + (F_m + a) / c) ]

in the place of the clipped logarithm: a = 1/16 and c = 8 flatten it below 1/8 and above 8 FPPI. z_f
are the new logits of the false marks, z_m that of the best candidate on lesion m, N the views.

It is taken twice and averaged: over the lesions in films, each film by itself, and over the lesions
of a breast, whose z_m is the best in either view. The first alone teaches to raise a lesion in the
view where it is faint, at the cost of lesions that show in one view only.

L does not mind a constant that is added to all logits, so where hardly any view lacks all partners,
whose scores stay as they are, two relations may rank the marks of a film alike and yet not compare.
And which views a film has may tell women with a lesion from others, by how the data came about. So
the mean change of the logit is held near 0 among the views that have the same kinds of partners.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from detectron2.structures import BoxMode
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ..data.lesion_pairs import pair_lesions
from ..evaluation.matching import DEFAULT_IOU, assign_detections
from ..evaluation.records import Detections, Lesions
from ..utils.view_names import OTHER_VIEW
from .candidates import CaseCandidates, ViewDetections, view_key
from .relation import CandidateRelation
from .rescoring import CHUNK

logger = logging.getLogger(__name__)


class NothingToLearnError(ValueError):
    """No candidate lies on a lesion."""


# Steps of the sigmoid in logits, and where the logarithm flattens, in false positives per image.
TEMPERATURE, LEAST_FPPI, MOST_FPPI = 0.25, 1 / 16, 8.0
# Pairs of a lesion and a false mark that are held at once.
PAIRS = 2**22


@dataclass(frozen=True)
class Targets:
    """What is known of V views with K candidates each.

    Attributes:
        lesion: (V, K) int64, which lesion of its film a candidate lies on, numbered over all views;
            -1: none.
        breast_lesion: likewise, with one number for a lesion in all views of its breast. The views
            of another patient, in the control, are none of the breast.
        counterpart: (V, K, K + 1) bool, for candidates on a lesion whose counterpart is known: the
            auxiliary view's candidates on it, or the last entry where none is; else all False.
        false: (V, K) bool, candidates that are false positives: neither on a lesion nor on an
            ignored region (``iscrowd``). Without a meaning in context views.
    """

    lesion: Tensor
    breast_lesion: Tensor
    counterpart: Tensor
    false: Tensor


def make_targets(
    data: CaseCandidates,
    detections: dict[Any, ViewDetections],
    iou: float = DEFAULT_IOU,
) -> Targets:
    """Targets from the annotations of the records, by the rule of the evaluation.

    Lesions of the two views of a breast are paired by ``pair_lesions``. A lesion without a
    counterpart has the target "no counterpart", unless the partner is a context view, whose
    lesions are unknown.
    """
    views, width = data.candidates.valid.shape
    on = np.full((views, width), -1)
    false = np.zeros((views, width), dtype=bool)
    first = np.zeros(views, dtype=np.int64)
    firsts = [_first_boxes(record) for record in data.records]
    count = 0
    for n, record in enumerate(data.records):
        lesions = _lesions(record)
        found, chosen = detections[view_key(record)], data.chosen[n]
        one_image = np.zeros(len(chosen), dtype=np.int64)
        assigned = assign_detections(
            Detections(found.boxes[chosen], found.scores[chosen], one_image),
            lesions,
            iou=iou,
            duplicates="any",
        )
        # Counted without ignored regions, as by ``pair_lesions``; the last entry stands for none.
        number = np.append(np.cumsum(~lesions.ignored) - 1, -1)
        on[n, : len(chosen)] = number[assigned.lesions]
        false[n, : len(chosen)] = assigned.false
        first[n], count = count, count + int((~lesions.ignored).sum())
    in_breast = _number_in_breasts(data, first, firsts)
    counterpart = np.zeros((views, width, width + 1), dtype=bool)
    for n, partner in enumerate(data.auxiliary.tolist()):
        if partner < 0 or "annotations" not in data.records[partner]:
            continue
        other = _counterparts(data.records[n], data.records[partner])
        theirs = np.append(firsts[partner], -1)[on[partner]]
        for k in np.flatnonzero(on[n] >= 0):
            lesion = other.get(int(firsts[n][on[n, k]]))
            hits = np.zeros(width, bool) if lesion is None else theirs == lesion
            counterpart[n, k] = np.append(hits, not hits.any())
    lesion = np.where(on >= 0, on + first[:, None], -1)
    breast_lesion = np.append(in_breast, -1)[lesion]
    return Targets(*map(torch.from_numpy, (lesion, breast_lesion, counterpart, false)))


def _first_boxes(record: dict[str, Any]) -> np.ndarray:
    """(L,) int64, of each lesion of a film the first that has the same ``lesion_id``, or itself."""
    ids = [a.get("lesion_id") for a in record.get("annotations", ()) if not a.get("iscrowd", 0)]
    where = [n if name is None else ids.index(name) for n, name in enumerate(ids)]
    return np.array(where, dtype=np.int64)


def _number_in_breasts(
    data: CaseCandidates, first: np.ndarray, firsts: Sequence[np.ndarray]
) -> np.ndarray:
    """(L,) int64, the smallest number of a lesion in any view of its breast.

    The own views count and not those that are read: in the control, whose loss is so the same.

    Args:
        data: V views.
        first: (V,) number of the first lesion of a view.
        firsts: ``_first_boxes`` of each view; L lesions in all.
    """
    places = [
        (case, record["laterality"], record["view"])
        for case, record in zip(data.cases.tolist(), data.records, strict=True)
    ]
    own = {place: n for n, place in reversed(list(enumerate(places))) if not data.context[n]}
    own_numbers = [start + some for start, some in zip(first, firsts, strict=True)]
    number = np.concatenate([np.arange(0), *own_numbers])
    for n, (case, laterality, view) in enumerate(places):
        partner = own.get((case, laterality, OTHER_VIEW[view]))
        if data.context[n] or partner is None:
            continue
        for mine, its in _counterparts(data.records[n], data.records[partner]).items():
            pair = number[[first[n] + mine, first[partner] + its]]
            number[number == pair.max()] = pair.min()
    return number


def fit_relation(
    relation: CandidateRelation,
    data: Sequence[tuple[CaseCandidates, Targets]],
    *,
    floor: float = -3.0,
    link_weight: float = 0.03,
    level_weight: float = 0.1,
    weight_decay: float = 1e-3,
    fit_widths: bool = False,
    steps: int = 60,
) -> float:
    """Fit a relation in place, by L-BFGS on all views at once.

    The loss is that of the module's docstring, over all parts of ``data`` together, plus
    ``link_weight`` times the negative logarithm of the attention on the counterpart, a mean over
    the candidates that have one, plus ``level_weight`` times ``squared_levels`` of the changes of
    the logits, over the candidates of all examined views from ``floor`` on, plus ``weight_decay``
    times the squared parameters. The widths sigma stay as they are unless asked for.

    Args:
        relation: what to fit.
        data: candidates and targets, of detectors that have *not* seen these cases.
        floor: least logit, by the detector, of a false mark that counts, and of a candidate whose
            change does.
        link_weight, level_weight, weight_decay: see above.
        fit_widths: fit the widths sigma too.
        steps: most steps of L-BFGS.

    Returns:
        the loss at the end.

    Raises:
        NothingToLearnError: no view, or no candidate on a lesion.
    """
    if not any(bool((targets.lesion >= 0).any()) for _, targets in data):
        raise NothingToLearnError("no candidate lies on a lesion: there is nothing to learn from")
    views = sum(int((~part.context).sum()) for part, _ in data)
    widths = [p for name, p in relation.named_parameters() if "sigma" in name]
    fitted = [p for name, p in relation.named_parameters() if "sigma" not in name]
    optimizer = torch.optim.LBFGS(
        [*fitted, *(widths if fit_widths else ())],
        max_iter=steps,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        decay = weight_decay * sum((parameter**2).sum() for parameter in fitted)
        loss = _loss(relation, data, floor, link_weight, level_weight) + decay
        loss.backward()
        return loss.detach()

    optimizer.step(closure)
    with torch.enable_grad():
        end = float(closure())
    logger.info("Relation fitted on %d views, loss %.4f", views, end)
    return end


def _loss(
    relation: CandidateRelation,
    data: Sequence[tuple[CaseCandidates, Targets]],
    floor: float,
    link_weight: float,
    level_weight: float,
) -> Tensor:
    masses: list[list[Tensor]] = [[], []]
    false, links, changes, partners, views = [], [], [], [], 0
    for part, targets in data:
        index = torch.nonzero(~part.context)[:, 0]
        # Read again on the way back: what a reading holds grows with the square of the candidates.
        read = [
            checkpoint(_read, relation, part, targets, some, use_reentrant=False)
            for some in index.split(CHUNK)
        ]
        logits = torch.cat([logits for logits, _ in read])
        links += [link for _, link in read]
        own = part.candidates[index]
        for found, lesion in zip(masses, (targets.lesion, targets.breast_lesion), strict=True):
            found.append(best_of_lesions(logits, lesion[index]))
        counts = own.logits >= floor
        false.append(logits[targets.false[index] & counts])
        changes.append((logits - own.logits)[own.valid & counts])
        there = 2 * (part.auxiliary[index] >= 0) + (part.contralateral[index] >= 0)
        partners.append(there[:, None].expand_as(counts)[own.valid & counts])
        views += len(index)
    marks = torch.cat(false)
    loss = sum(smooth_log_fppi(torch.cat(found), marks, views) for found in masses) / len(masses)
    loss = loss + level_weight * squared_levels(torch.cat(changes), torch.cat(partners))
    link = torch.cat(links)
    return loss - link_weight * link.mean() if len(link) else loss


def squared_levels(change: Tensor, group: Tensor) -> Tensor:
    """The mean, over all values, of the square of their group's mean; 0 without any value.

    Args:
        change: (C,).
        group: (C,) int64, which group a value is in.
    """
    _, which, size = group.unique(return_inverse=True, return_counts=True)
    level = change.new_zeros(len(size)).index_add(0, which, change) / size
    return (size * level**2).sum() / max(len(change), 1)


def _read(
    relation: CandidateRelation, part: CaseCandidates, targets: Targets, index: Tensor
) -> tuple[Tensor, Tensor]:
    """New logits of some views, and the log-attention on the counterparts that are known."""
    logits, steps = relation(
        part.candidates,
        index,
        part.auxiliary[index],
        part.contralateral[index],
        return_intermediates=True,
    )
    counterpart = targets.counterpart[index]
    linked = counterpart.any(dim=-1)
    attention = steps.auxiliary.log_attention[linked]
    return logits, attention.masked_fill(~counterpart[linked], -torch.inf).logsumexp(dim=-1)


def best_of_lesions(logits: Tensor, lesion: Tensor) -> Tensor:
    """The largest logit on each lesion that has a candidate.

    Args:
        logits: (V, K).
        lesion: (V, K) of ``Targets``.
    """
    on = lesion >= 0
    found, which = lesion[on].unique(return_inverse=True)
    lowest = logits.new_full((len(found),), -torch.inf)
    return lowest.scatter_reduce(0, which, logits[on], "amax", include_self=False)


def smooth_log_fppi(masses: Tensor, false: Tensor, views: int) -> Tensor:
    """The loss of the module's docstring.

    Args:
        masses: (M,) logits, of the best candidate on each lesion.
        false: (F,) logits of the false marks.
        views: over which the false marks are spread.
    """
    step = max(PAIRS // max(len(false), 1), 1)
    above = [
        checkpoint(_share_above, some, false, use_reentrant=False) for some in masses.split(step)
    ]
    fppi = torch.cat(above) / views + LEAST_FPPI
    return (fppi.log() - (fppi / MOST_FPPI).log1p()).mean()


def _share_above(masses: Tensor, false: Tensor) -> Tensor:
    return ((false - masses[:, None]) / TEMPERATURE).sigmoid().sum(dim=1)


def _lesions(record: dict[str, Any]) -> Lesions:
    """The lesions and ignored regions of a view, as those of the only image of a data set."""
    annotations = record.get("annotations", ())
    boxes = [BoxMode.convert(a["bbox"], a["bbox_mode"], BoxMode.XYXY_ABS) for a in annotations]
    ignored = np.array([bool(a.get("iscrowd", 0)) for a in annotations], dtype=bool)
    return Lesions(np.asarray(boxes), np.zeros(len(boxes), dtype=np.int64), 1, ignored)


def _counterparts(record: dict[str, Any], partner: dict[str, Any]) -> dict[int, int]:
    """Lesion of a view -> that lesion in the other view of the breast."""
    if record["view"] == "CC":
        return dict(pair_lesions(record, partner))
    return {own: other for other, own in pair_lesions(partner, record)}
