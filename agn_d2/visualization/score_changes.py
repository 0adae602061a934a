"""What the detection report says of scores that the other views changed."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np

from ..cross_view.explanation import Explanation, PartnerEvidence
from ..evaluation.records import Detections, by_image

# By which the boxes (pixels) and scores of two files may differ through rounding.
BOX_TOLERANCE = 0.1
SCORE_TOLERANCE = 1e-3

Explained = Mapping[Any, Sequence[Explanation]]


@dataclass(frozen=True)
class ExplainedDetections:
    """Which explanations are those of a model's detections.

    Attributes:
        numbers: (D,) int64, the position among those of the image; -1 where the image has none.
        side: "before" or "after", which of the explained scores the model's are.
    """

    numbers: np.ndarray
    side: str


def find_explained(
    detections: Detections, image_ids: Sequence[Any], explained: Explained
) -> ExplainedDetections | None:
    """Find the explanations of a model's detections.

    Args:
        detections: D detections.
        image_ids: of their images.
        explained: image id -> explanations of its detections, in the order of the results file.

    Returns:
        None where all explanations are of other images, boxes or scores.
    """
    numbers = np.full(len(detections.scores), -1)
    reasons: list[Explanation] = []
    of_images = by_image(detections.images, len(image_ids))
    for image_id, of_image in zip(image_ids, of_images, strict=True):
        known = explained.get(image_id)
        if known is None:
            continue
        if len(known) != len(of_image):
            return None
        numbers[of_image] = np.arange(len(known))
        reasons += known
    if not reasons:
        return None
    order = np.concatenate(of_images)
    here = order[numbers[order] >= 0]
    boxes = np.array([one.bbox for one in reasons])
    boxes[:, 2:] += boxes[:, :2]
    if not np.allclose(boxes, detections.boxes[here], rtol=0, atol=BOX_TOLERANCE):
        return None
    for side in ("before", "after"):
        scores = np.array([getattr(one, side) for one in reasons])
        if np.allclose(scores, detections.scores[here], rtol=0, atol=SCORE_TOLERANCE):
            return ExplainedDetections(numbers, side)
    return None


def explained_models(
    models: Mapping[str, Detections], image_ids: Sequence[Any], explained: Explained | None
) -> dict[str, ExplainedDetections]:
    """The models whose detections are explained.

    Raises:
        ValueError: there are explanations, and none of a model.
    """
    if explained is None:
        return {}
    found = {name: find_explained(one, image_ids, explained) for name, one in models.items()}
    known = {name: one for name, one in found.items() if one is not None}
    if not known:
        raise ValueError(
            f"the explanations are of other detections than those of {', '.join(models)}; make "
            "them of the same results (tools/cross_view.py, --explain)"
        )
    return known


def page_explanation(explanation: Explanation, examined: Container[Any]) -> dict[str, Any]:
    """An explanation as the page reads it: ``before``, ``after``, ``missing``, ``read``.

    ``read`` has for each kind of partner view that is there ``kind``, ``image`` (id), ``change``,
    ``share``, ``boxes`` (x, y, w, h, score, weight), ``others`` and ``none``; of a view that only
    serves others ``file`` (its name without folders) in place of ``image``.

    Args:
        explanation: of one detection.
        examined: ids of the images of the ground truth.
    """
    kinds = {
        "auxiliary": explanation.auxiliary,
        "contralateral": explanation.contralateral,
    }
    return {
        "before": round(explanation.before, 4),
        "after": round(explanation.after, 4),
        "missing": round(explanation.missing, 3),
        "read": [
            _page_evidence(kind, one, examined) for kind, one in kinds.items() if one is not None
        ],
    }


def _page_evidence(
    kind: str, evidence: PartnerEvidence, examined: Container[Any]
) -> dict[str, Any]:
    partner = evidence.image_id
    known = partner in examined
    return {
        "kind": kind,
        **({"image": partner} if known else {"file": PurePath(str(partner)).name}),
        "change": round(evidence.change, 3),
        "share": round(evidence.share, 4),
        "boxes": [
            [*(round(value, 1) for value in one.bbox), round(one.score, 4), round(one.weight, 4)]
            for one in evidence.candidates
        ],
        "others": round(evidence.others, 4),
        "none": round(evidence.no_counterpart, 4),
    }
