"""What the graph of a model does to the views of a case."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from ..data.cases import Case
from ..data.mapper import CaseMapper
from ..modeling import LayerIntermediates
from ..structures import ViewInside


def check_level(model: nn.Module, level: str = "") -> str:
    """The level to look at: the one that is asked for, or the finest one with a graph.

    Raises:
        ValueError: the model has no graph, or none on this level.
    """
    if not getattr(model.backbone, "reads_context", False):
        raise ValueError("the model has no graph to look into: MODEL.AGN.ENABLED is False")
    levels = model.backbone.agn.in_features
    if level and level not in levels:
        raise ValueError(f"the graph does not work on level {level!r}, but on {', '.join(levels)}")
    return level or levels[0]


@torch.no_grad()
def inspect_case(
    model: nn.Module, mapper: CaseMapper, case: Case, level: str = ""
) -> list[ViewInside]:
    """What the graph does to each view of a case.

    Args:
        model: a multi-view detector in eval mode.
        mapper: the mapper of test time.
        case: the views; each of them is examined, those that serve others too.
        level: pyramid level, such as "p3"; empty: the finest one with a graph.

    Returns:
        one result per view, in the order of ``case.images``.

    Raises:
        ValueError: the model has no graph, or none on this level.
    """
    level = check_level(model, level)
    backbone = model.backbone
    images = model.preprocess_image(mapper(case, range(len(case))))
    batch = images.tensor
    inside = backbone.inspect(batch, level)
    stride = backbone.output_shape()[level].stride
    maps, counts = _maps(inside), batch.node_valid.sum(1).tolist()
    results = []
    for position, record in enumerate(case.images):
        auxiliary = case.auxiliary[position]
        matrix = None
        if inside.correspondence is not None and auxiliary is not None:
            nodes = counts[batch.examined[position]], counts[int(batch.auxiliary[position])]
            matrix = inside.correspondence[position, : nodes[0], : nodes[1]].cpu().numpy()
        size = images.image_sizes[position]
        cut = {name: map_of_image(one[position], size, stride) for name, one in maps.items()}
        shown = {name: one for name, one in cut.items() if one is not None}
        results.append(ViewInside(record, level, shown, auxiliary, matrix))
    return results


def map_of_image(values: Tensor, image_size: tuple[int, int], stride: int) -> np.ndarray | None:
    """The part of a map that covers the image: the cells whose center lies in it.

    Args:
        values: (H, W), on the padded grid of a level; NaN where the view that is read is missing.
        image_size: (height, width) of the image before padding.
        stride: pixels per cell.

    Returns:
        (h, w) float32, or None where the view that is read is missing.
    """
    height, width = (math.ceil(length / stride - 0.5) for length in image_size)
    covered = values[:height, :width].float().cpu().numpy()
    return None if np.isnan(covered).any() else covered


def _maps(inside: LayerIntermediates) -> dict[str, Tensor]:
    """The maps of all views by name, each (B, H, W); without those that the model lacks."""
    attention = inside.attention
    maps = {
        "original": _strength(inside.original),
        "enhanced": _strength(inside.enhanced),
        "bipartite": _strength(inside.bipartite),
        "inception": _strength(inside.inception),
        "difference": _strength(inside.enhanced - inside.original),
        "attention": None if attention is None else attention[:, 0],
    }
    return {name: one for name, one in maps.items() if one is not None}


def _strength(features: Tensor | None) -> Tensor | None:
    """Root mean square over the channels, (B, H, W)."""
    return None if features is None else features.float().square().mean(1).sqrt()
