"""New scores of detections by the other views."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from detectron2.structures import Instances
from torch import Tensor

from ..data.cases import Case
from .candidates import (
    MAX_CANDIDATES,
    CaseCandidates,
    ViewDetections,
    collect_candidates,
    view_key,
)
from .relation import CandidateRelation

# Views that pass the relation at once.
CHUNK = 256


def rescore_case(
    relation: CandidateRelation, case: Case, found: Sequence[Instances]
) -> list[Instances]:
    """Detections of all views of a case with new scores, by falling score.

    Args:
        relation: a fitted one.
        case: with ``landmarks``.
        found: of each image of the case, with ``pred_boxes`` in pixels of its record.

    Returns:
        the same detections; further fields move along.

    Raises:
        ValueError: a view has no landmarks.
    """
    scores = rescore(relation, *detections_of_case(case, found, range(len(found))))
    rescored = []
    for n, instances in enumerate(found):
        order = torch.from_numpy(np.argsort(-scores[n], kind="stable"))
        moved = instances[order.to(instances.scores.device)]
        moved.scores = torch.as_tensor(scores[n])[order].to(instances.scores)
        rescored.append(moved)
    return rescored


def detections_of_case(
    case: Case, found: Sequence[Instances], keys: Iterable[Hashable]
) -> tuple[list[Case], dict[Hashable, ViewDetections]]:
    """The detections of a case as ``rescore`` and ``explain`` take them, with keys as image ids."""
    keys = list(keys)
    images = (image | {"image_id": key} for key, image in zip(keys, case.images, strict=True))
    detections = {
        key: ViewDetections(
            instances.pred_boxes.tensor.detach().cpu().double().numpy(),
            instances.scores.detach().cpu().double().numpy(),
        )
        for key, instances in zip(keys, found, strict=True)
    }
    return [replace(case, images=tuple(images))], detections


@torch.no_grad()
def rescore(
    relation: CandidateRelation,
    cases: Sequence[Case],
    detections: Mapping[Any, ViewDetections],
    limit: int = MAX_CANDIDATES,
) -> dict[Any, np.ndarray]:
    """Scores of all detections after the other views have been heard.

    A view without a partner view keeps its scores to the last bit, and so do detections beyond
    ``limit``, whose scores are the lowest.

    Args:
        relation: a fitted one.
        cases: whose views have ``landmarks``.
        detections: by ``view_key``, see ``collect_candidates``.
        limit: candidates of a view.

    Returns:
        by ``view_key``: (D,) float64, in the order of the detections.

    Raises:
        ValueError: a view has no landmarks.
    """
    data = collect_candidates(cases, detections, limit)
    logits = [relation(data.candidates, *links) for links in linked_views(data)]
    return new_scores(data, detections, logits)


def linked_views(data: CaseCandidates) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """The views in parts that pass the relation at once: (B,) each, its indices of views."""
    for index in torch.arange(len(data.records)).split(CHUNK):
        yield index, data.auxiliary[index], data.contralateral[index]


def new_scores(
    data: CaseCandidates, detections: Mapping[Any, ViewDetections], logits: Iterable[Tensor]
) -> dict[Any, np.ndarray]:
    """Scores of all detections, see ``rescore``, from the (B, K) logits of ``linked_views``."""
    scores = {key: found.scores.astype(np.float64) for key, found in detections.items()}
    for n, new in enumerate(row for part in logits for row in part.double().numpy()):
        if data.auxiliary[n] < 0 and data.contralateral[n] < 0:
            continue
        chosen = data.chosen[n]
        key = view_key(data.records[n])
        scores[key] = scores[key].copy()
        scores[key][chosen] = 1 / (1 + np.exp(-new[: len(chosen)]))
    return scores
