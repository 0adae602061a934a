"""Why the other views changed a score: what each detection read from its partner views."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
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
from .relation import CandidateRelation, PartnerReading
from .rescoring import detections_of_case, linked_views, new_scores

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class AttendedCandidate:
    """A candidate of a partner view.

    Attributes:
        bbox: XYWH, pixels of the partner's stored image.
        score: the detector's, 0 to 1.
        weight: attention on it, 0 to 1.
    """

    bbox: Box
    score: float
    weight: float


@dataclass(frozen=True)
class PartnerEvidence:
    """What a detection read from one partner view. The weights sum to 1.

    Attributes:
        image_id: of the partner view, or the file of a context view.
        change: of the detection's logit by this view.
        share: of the view's evidence that lies where the counterpart would be, 0 to 1.
        candidates: those of the largest attention, by falling weight.
        others: weight of the partner's other candidates.
        no_counterpart: weight of "no counterpart".
    """

    image_id: Any
    change: float
    share: float
    candidates: tuple[AttendedCandidate, ...]
    others: float
    no_counterpart: float


@dataclass(frozen=True)
class Explanation:
    """How the score of a detection came about.

    Attributes:
        bbox: XYWH, pixels of the stored image.
        before, after: score, 0 to 1.
        auxiliary, contralateral: what was read from these views; None where there is none, and for
            detections that are no candidates (beyond ``limit``).
        missing: change of the logit that stands for a view that is missing where the other one is
            there, else 0.
    """

    bbox: Box
    before: float
    after: float
    auxiliary: PartnerEvidence | None
    contralateral: PartnerEvidence | None
    missing: float


@torch.no_grad()
def explain(
    relation: CandidateRelation,
    cases: Sequence[Case],
    detections: Mapping[Any, ViewDetections],
    *,
    most: int = 3,
    limit: int = MAX_CANDIDATES,
) -> dict[Any, tuple[Explanation, ...]]:
    """Explain the new scores that ``rescore`` gives.

    Args:
        relation, cases, detections, limit: see ``rescore``.
        most: candidates of a partner view that are named one by one.

    Returns:
        image id -> explanations of its detections, in their order; examined views alone.

    Raises:
        ValueError: a view has no landmarks.
    """
    data = collect_candidates(cases, detections, limit)
    logits, steps = zip(
        *(
            relation(data.candidates, *links, return_intermediates=True)
            for links in linked_views(data)
        ),
        strict=True,
    )
    after = new_scores(data, detections, logits)
    missing = torch.cat([part.missing for part in steps]).tolist()
    auxiliary = _evidence(data, detections, data.auxiliary, [s.auxiliary for s in steps], most)
    contralateral = _evidence(
        data, detections, data.contralateral, [s.contralateral for s in steps], most
    )
    explained = {}
    for view, record in enumerate(data.records):
        if data.context[view]:
            continue
        key = view_key(record)
        found = detections[key]
        read = {
            n: (of_auxiliary, of_contralateral, missing[view])
            for n, of_auxiliary, of_contralateral in zip(
                data.chosen[view].tolist(), auxiliary[view], contralateral[view], strict=True
            )
        }
        explained[key] = tuple(
            Explanation(
                _xywh(found.boxes[n]),
                float(found.scores[n]),
                float(after[key][n]),
                *read.get(n, (None, None, 0.0)),
            )
            for n in range(len(found.scores))
        )
    return explained


class Explanations(Sequence[Explanation]):
    """Explanations of detections, which ``Instances`` can index, filter and join.

    Args:
        them: one for each detection.
    """

    def __init__(self, them: Iterable[Explanation] = ()) -> None:
        self._them = tuple(them)

    def __len__(self) -> int:
        return len(self._them)

    def __getitem__(self, which: Any) -> Any:
        """One by an int; those of a slice, or of positions or flags in a tensor, array or list."""
        which = which.cpu() if isinstance(which, Tensor) else which
        positions = torch.arange(len(self))[which].tolist()
        if isinstance(positions, int):
            return self._them[positions]
        return Explanations(self._them[n] for n in positions)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Explanations) and self._them == other._them

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Explanations({list(self._them)!r})"

    @staticmethod
    def cat(parts: Sequence[Explanations]) -> Explanations:
        """Joined, for ``Instances.cat``."""
        return Explanations(one for part in parts for one in part)


def explain_case(
    relation: CandidateRelation,
    case: Case,
    found: Sequence[Instances],
    keys: Sequence[Hashable],
    *,
    most: int = 3,
) -> list[Explanations]:
    """Explain the new scores that ``rescore_case`` gives.

    Args:
        relation, case, found: see ``rescore_case``; the detections with the detector's scores.
        keys: of each image, in the place of image ids.
        most: see ``explain``.

    Returns:
        of each image those of its D detections, in their order, a field for ``Instances``. Boxes
        are in pixels of the film, where the images were cut to the breast.
    """
    explained = explain(relation, *detections_of_case(case, found, keys), most=most)
    corner = {
        key: tuple(image.get("crop", (0, 0))[:2])
        for key, image in zip(keys, case.images, strict=True)
    }
    return [Explanations(_on_the_film(one, key, corner) for one in explained[key]) for key in keys]


def _on_the_film(one: Explanation, key: Hashable, corner: Mapping[Any, tuple]) -> Explanation:
    """The same with boxes that count from the corner of the film, not of what was cut out."""

    def moved(box: Box, key: Hashable) -> Box:
        return box[0] + corner[key][0], box[1] + corner[key][1], *box[2:]

    def of_partner(read: PartnerEvidence | None) -> PartnerEvidence | None:
        if read is None:
            return None
        candidates = (replace(c, bbox=moved(c.bbox, read.image_id)) for c in read.candidates)
        return replace(read, candidates=tuple(candidates))

    return replace(
        one,
        bbox=moved(one.bbox, key),
        auxiliary=of_partner(one.auxiliary),
        contralateral=of_partner(one.contralateral),
    )


def _evidence(
    data: CaseCandidates,
    detections: Mapping[Any, ViewDetections],
    partners: Tensor,
    readings: Sequence[PartnerReading],
    most: int,
) -> list[list[PartnerEvidence | None]]:
    """Of each view and each of its candidates what was read from one kind of partner."""
    changes = torch.cat([reading.change for reading in readings]).tolist()
    shares = torch.cat([reading.log_share for reading in readings]).exp().tolist()
    weights = torch.cat([reading.log_attention for reading in readings]).double().exp().numpy()
    evidence: list[list[PartnerEvidence | None]] = []
    for view, partner in enumerate(partners.tolist()):
        count = len(data.chosen[view])
        if partner < 0:
            evidence.append([None] * count)
            continue
        key, chosen = view_key(data.records[partner]), data.chosen[partner]
        boxes, scores = detections[key].boxes[chosen], detections[key].scores[chosen]
        evidence.append(
            [
                PartnerEvidence(
                    key,
                    changes[view][k],
                    shares[view][k],
                    *_attended(boxes, scores, weights[view, k], most),
                )
                for k in range(count)
            ]
        )
    return evidence


def _attended(
    boxes: np.ndarray, scores: np.ndarray, weights: np.ndarray, most: int
) -> tuple[tuple[AttendedCandidate, ...], float, float]:
    """The first candidates of a partner, the weight of its others, and of "no counterpart".

    Args:
        boxes, scores: of its N candidates.
        weights: (K + 1,), of the N candidates, padding, and "no counterpart".
    """
    order = np.argsort(-weights[: len(boxes)], kind="stable")
    candidates = tuple(
        AttendedCandidate(_xywh(boxes[n]), float(scores[n]), float(weights[n]))
        for n in order[:most]
    )
    return candidates, float(weights[order[most:]].sum()), float(weights[-1])


def _xywh(box: np.ndarray) -> Box:
    x0, y0, x1, y1 = (float(value) for value in box)
    return x0, y0, x1 - x0, y1 - y0
