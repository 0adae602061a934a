"""Detections and attention of one case."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from ..cross_view.relation import CandidateRelation
from ..cross_view.rescoring import rescore_case
from ..data.cases import Case
from ..data.mapper import CaseMapper
from ..structures import ViewResult
from .inside import map_of_image


@torch.no_grad()
def predict_case(
    model: nn.Module,
    mapper: CaseMapper,
    case: Case,
    *,
    relation: CandidateRelation | None = None,
    attention_level: str | None = None,
) -> list[ViewResult]:
    """Run a detector on all views of a case.

    Args:
        model: a multi-view detector in eval mode.
        mapper: the mapper of test time.
        case: the views.
        relation: re-scores the detections by those of the other views; None: none.
        attention_level: level whose attention is handed back; None: the finest one with AGN.

    Returns:
        one result per view, in the order of ``case.images``.
    """
    inputs = mapper(case, range(len(case)))
    outputs = model(inputs)
    found = [output["instances"].to("cpu") for output in outputs]
    if relation is not None:
        found = rescore_case(relation, case, found)
    maps = _attention(model, inputs, attention_level)
    return [
        ViewResult(record, instances, attention)
        for record, instances, attention in zip(case.images, found, maps, strict=True)
    ]


def _attention(
    model: nn.Module, inputs: list[dict[str, Any]], level: str | None
) -> list[np.ndarray | None]:
    backbone = model.backbone
    if not getattr(backbone, "reads_context", False):
        return [None] * len(inputs)
    level = level or backbone.agn.in_features[0]
    images = model.preprocess_image(inputs)
    attention = backbone.attention(images.tensor, level)
    if attention is None:
        return [None] * len(inputs)
    stride = backbone.output_shape()[level].stride
    return [
        map_of_image(one, size, stride)
        for one, size in zip(attention[:, 0], images.image_sizes, strict=True)
    ]
