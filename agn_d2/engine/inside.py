"""What the graph of a model does to the views of a case."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from ..data.cases import Case
from ..data.mapper import CaseMapper
from ..modeling.inside import LevelInside
from ..results import ViewInside


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
def look_inside_case(
    model: nn.Module, mapper: CaseMapper, case: Case, level: str = ""
) -> list[ViewInside]:
    """Look inside the graph while it reads a case.

    Args:
        model: a multi-view detector in eval mode.
        mapper: of test time.
        case: the views; all of them are examined.
        level: of the pyramid, such as "p3"; empty: the finest one with a graph.

    Returns:
        one result per view, in the order of ``case.images``.

    Raises:
        ValueError: the model has no graph, or none on this level.
    """
    level = check_level(model, level)
    backbone = model.backbone
    images = model.preprocess_image(mapper(case))
    batch = images.tensor
    inside = backbone.inside(batch, level)
    stride = backbone.output_shape()[level].stride
    counts = batch.node_valid.sum(1).tolist()
    results = []
    for position, record in enumerate(case.images):
        height, width = images.image_sizes[position]
        grid = (math.ceil(height / stride - 0.5), math.ceil(width / stride - 0.5))
        auxiliary = case.auxiliary[position]
        matrix = None
        if inside.correspondence is not None and auxiliary is not None:
            nodes = counts[batch.examined[position]], counts[int(batch.auxiliary[position])]
            matrix = inside.correspondence[position, : nodes[0], : nodes[1]].cpu().numpy()
        maps = _maps(inside, position, grid)
        results.append(ViewInside(record, level, maps, auxiliary, matrix))
    return results


def _maps(inside: LevelInside, position: int, grid: tuple[int, int]) -> dict[str, np.ndarray]:
    """The maps of one view, cut to the cells whose centre lies in the image."""
    tensors: dict[str, Tensor | None] = {
        "original": inside.original,
        "enhanced": inside.enhanced,
        "bipartite": inside.bipartite,
        "inception": inside.inception,
        "difference": inside.enhanced - inside.original,
    }
    maps = {
        name: tensor[position].float().square().mean(0).sqrt()
        for name, tensor in tensors.items()
        if tensor is not None
    }
    if inside.attention is not None:
        maps["attention"] = inside.attention[position, 0].float()
    cut = {name: one[: grid[0], : grid[1]].cpu().numpy() for name, one in maps.items()}
    return {name: one for name, one in cut.items() if not np.isnan(one).any()}
