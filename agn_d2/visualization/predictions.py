"""From the results of a case to its figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from detectron2.structures import BoxMode
from matplotlib.figure import Figure

from ..data.pixels import record_shares
from ..landmarks.nodes import NodeLayout, place_nodes
from ..structures import ViewResult
from .case_figure import ViewPanel, case_figure


def draw_predictions(
    title: str,
    results: Sequence[ViewResult],
    *,
    min_score: float = 0.3,
    layout: NodeLayout | None = None,
    with_truth: bool = True,
) -> Figure:
    """Draw what the model says of a case beside the truth.

    Args:
        title: above the figure.
        results: one for each view of the case.
        min_score: detections below are left out.
        layout: number of nodes to be drawn in each view; None for no nodes.
        with_truth: draw the annotations of the data set.

    Returns:
        the figure.
    """
    panels = {}
    for result in results:
        key = (result.record["laterality"], result.record["view"])
        # Where a view was taken twice, the first is the one that serves the others.
        panels.setdefault(key, _panel(result, min_score, layout, with_truth))
    with_attention = any(result.attention is not None for result in results)
    return case_figure(title, panels, with_attention=with_attention)


def _panel(
    result: ViewResult, min_score: float, layout: NodeLayout | None, with_truth: bool
) -> ViewPanel:
    record = result.record
    instances = result.instances[result.instances.scores >= min_score]
    has_nodes = layout is not None and record.get("landmarks") is not None
    return ViewPanel(
        image=record_shares(record),
        predicted=instances.pred_boxes.tensor.numpy(),
        scores=instances.scores.numpy(),
        truth=_truth(record) if with_truth else None,
        nodes=place_nodes(record["landmarks"], layout) if has_nodes else None,
        attention=result.attention,
    )


def _truth(record: dict[str, Any]) -> np.ndarray:
    boxes = [
        BoxMode.convert(a["bbox"], a["bbox_mode"], BoxMode.XYXY_ABS)
        for a in record.get("annotations", [])
    ]
    return np.asarray(boxes, dtype=float).reshape(-1, 4)
