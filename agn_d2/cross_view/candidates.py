"""From the detections of whole cases to tensors of candidates and their partner views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data.cases import Case
from .geometry import breast_coordinates, breast_height, pixel_lengths
from .relation import CandidateBatch

# Scores are kept off 0 and 1, whose logits are infinite.
SCORE_MARGIN = 1e-6
MAX_CANDIDATES = 64


@dataclass(frozen=True)
class ViewDetections:
    """Detections of one view.

    Attributes:
        boxes: (D, 4) float64, XYXY in pixels of the stored image.
        scores: (D,) float64 in 0 .. 1.
    """

    boxes: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class CaseCandidates:
    """Candidates of all views of some cases, and which view serves which.

    Attributes:
        records: V dataset dicts.
        candidates: candidates of the V views.
        chosen: of each view the positions of its candidates among its detections, by falling
            score.
        cases: (V,) int64, positions of the cases that the views were collected for.
        auxiliary, contralateral: (V,) int64, positions of the partner views among the V, or -1.
        context: (V,) bool, views that only serve others: context views, whose lesions are not
            known, and those of another case, see ``shuffle_partners``.
    """

    records: tuple[dict[str, Any], ...]
    candidates: CandidateBatch
    chosen: tuple[np.ndarray, ...]
    cases: np.ndarray
    auxiliary: Tensor
    contralateral: Tensor
    context: Tensor


def score_logits(scores: np.ndarray) -> np.ndarray:
    """log s / (1 - s), finite for all scores."""
    kept = np.clip(np.asarray(scores, dtype=np.float64), SCORE_MARGIN, 1 - SCORE_MARGIN)
    return np.log(kept) - np.log1p(-kept)


def view_key(record: dict[str, Any]) -> Any:
    """What detections of a view are known by: its image id, or the file of a context view."""
    return record["image_id"] if "image_id" in record else record["file_name"]


def collect_candidates(
    cases: Sequence[Case],
    detections: Mapping[Any, ViewDetections],
    limit: int = MAX_CANDIDATES,
) -> CaseCandidates:
    """Candidates of cases.

    Args:
        cases: with ``landmarks``.
        detections: by ``view_key``. A view without a detection (empty arrays) is a partner view
            that speaks for no counterpart; one that is not among them serves no other view.
        limit: candidates of a view, those of the highest scores.

    Raises:
        ValueError: a view with detections has no landmarks; names the file.
    """
    records, links, rows = [], {"auxiliary": [], "contralateral": []}, []
    context, numbers = [], []
    for number, case in enumerate(cases):
        own = [case.record(position) for position in range(len(case) + len(case.borrowed))]
        present = [i for i, r in enumerate(own) if view_key(r) in detections]
        place = {position: len(records) + n for n, position in enumerate(present)}
        views = [own[position] for position in present]
        for record in views:
            if record.get("landmarks") is None:
                raise ValueError(f"{record['file_name']} has no landmarks; the relation needs them")
        lengths = pixel_lengths(views) if views else ()
        for position, record, length in zip(present, views, lengths, strict=True):
            rows.append(_row(record, detections[view_key(record)], length, limit))
            for name, link in links.items():
                partners = getattr(case, name)
                partner = partners[position] if position < len(case) else None
                link.append(place.get(partner, -1))
            context.append(position >= len(case) or not record.get("examined", True))
        records += views
        numbers += [number] * len(views)
    return CaseCandidates(
        tuple(records),
        _pad([fields for fields, _ in rows], limit),
        tuple(chosen for _, chosen in rows),
        np.array(numbers, dtype=np.int64),
        torch.tensor(links["auxiliary"], dtype=torch.int64),
        torch.tensor(links["contralateral"], dtype=torch.int64),
        torch.tensor(context, dtype=torch.bool),
    )


def _row(
    record: dict[str, Any], found: ViewDetections, length: float, limit: int
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    chosen = np.argsort(-found.scores, kind="stable")[:limit]
    boxes = found.boxes[chosen]
    landmarks = record["landmarks"]
    place = breast_coordinates((boxes[:, :2] + boxes[:, 2:]) / 2, landmarks) * length
    sides = np.clip(boxes[:, 2:] - boxes[:, :2], 1e-3, None)
    fields = {
        "logits": score_logits(found.scores[chosen]),
        "depth": place[:, 0],
        "height": place[:, 1],
        "size": np.sqrt(sides.prod(axis=1)) * length,
        "breast_height": np.array(breast_height(landmarks) * length),
    }
    return fields, chosen


def _pad(rows: Sequence[Mapping[str, np.ndarray]], limit: int) -> CandidateBatch:
    # Padding is masked wherever it is read; sizes are 1 since their logarithm is taken.
    fill = {"logits": 0.0, "depth": 0.0, "height": 0.0, "size": 1.0}
    width = max((len(row["logits"]) for row in rows), default=0)
    padded = {name: np.full((len(rows), width), value) for name, value in fill.items()}
    valid = np.zeros((len(rows), width), dtype=bool)
    for n, row in enumerate(rows):
        count = len(row["logits"])
        valid[n, :count] = True
        for name, values in padded.items():
            values[n, :count] = row[name]
    return CandidateBatch(
        **{name: torch.tensor(values, dtype=torch.float32) for name, values in padded.items()},
        valid=torch.from_numpy(valid),
        breast_height=torch.tensor(
            np.array([row["breast_height"] for row in rows]).reshape(-1), dtype=torch.float32
        ),
    )
