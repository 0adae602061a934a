"""Matching of detections to lesions, the first of the three steps of FROC.

Shapes: I images, L lesions, D detections, E events.

The rule:

1. A detection *reaches* a lesion of its image if their IoU is at least ``iou`` (``hit="iou"``), or
   if the center of its box lies in the lesion's box, border included (``hit="center"``).
2. Image by image, from the highest score down, each detection takes the free lesion that it
   reaches with the highest IoU. Equal scores: the detection with the higher IoU with any lesion
   of the image goes first, then the one whose (x0, y0, x1, y1) is smaller; of two lesions with
   equal IoU the one with the smaller (x0, y0, x1, y1) is taken. So the order in the files is
   without influence.
3. A detection that reaches taken lesions only is neither a hit nor a false positive
   (``duplicates="ignore"``), or a false positive (``"fp"``). With ``"any"`` nothing is taken: a
   detection finds every lesion that it reaches.
4. A detection that reaches no lesion is a false positive. But a false positive (of this rule or of
   rule 3) that lies on an ignored region (COCO's ``iscrowd``) counts as nothing: at least the share
   ``iou`` of its area is inside the region, or with ``hit="center"`` its center is. Ignored regions
   are no lesions.

Thresholds and borders are met to within ``TOLERANCE``: most decimal coordinates have no exact
binary form, so that an IoU of exactly 0.2 would come out a little below about as often as not. With
boxes of one decimal no IoU that is truly below 0.2 lies so near to it, as long as the boxes cover
less than two million square pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .records import Detections, Lesions

DEFAULT_IOU = 0.2
# Of IoUs and shares, and in pixels of the border that a center may lie on.
TOLERANCE = 1e-9
HITS = ("iou", "center")
DUPLICATES = ("ignore", "fp", "any")


@dataclass(frozen=True)
class FrocEvents:
    """What happens as the score threshold falls: lesions are found, false positives appear.

    Attributes:
        scores: (E,) float64, descending.
        images: (E,) int64.
        found: (E,) bool, True where a lesion is found, False for a false positive.
        lesions_per_image: (I,) int64, found or not.
        lesions: (E,) int64, the lesion found, -1 for a false positive; None where it is not known.
    """

    scores: np.ndarray
    images: np.ndarray
    found: np.ndarray
    lesions_per_image: np.ndarray
    lesions: np.ndarray | None = None


@dataclass(frozen=True)
class Assignment:
    """What becomes of each detection and each lesion. It is the same at every score threshold.

    Attributes:
        lesions: (D,) int64, the lesion that a detection takes, -1 for none; with ``"any"`` the one
            it reaches with the highest IoU.
        false: (D,) bool, False positives. A detection that neither takes a lesion nor is one
            counts as nothing: a duplicate, or on an ignored region.
        finders: (L,) int64, the detection of the highest score that finds a lesion, or -1.
    """

    lesions: np.ndarray
    false: np.ndarray
    finders: np.ndarray


def match_detections(
    detections: Detections,
    lesions: Lesions,
    *,
    iou: float = DEFAULT_IOU,
    hit: str = "iou",
    duplicates: str = "ignore",
) -> FrocEvents:
    """Matches detections to lesions, by rules 1 to 4 above.

    Args:
        detections, lesions, iou, hit, duplicates: see :func:`assign_detections`.

    Returns:
        The events, one for each lesion found and one for each false positive.

    Raises:
        ValueError: for an option out of range, or a detection on an image that does not exist.
    """
    assigned = assign_detections(detections, lesions, iou=iou, hit=hit, duplicates=duplicates)
    found = np.flatnonzero(assigned.finders >= 0)
    false = np.flatnonzero(assigned.false)
    scores = detections.scores[np.concatenate([assigned.finders[found], false])]
    images = np.concatenate([lesions.images[found], detections.images[false]])
    order = np.argsort(-scores, kind="stable")
    return FrocEvents(
        scores=scores[order],
        images=images[order],
        found=(np.arange(len(scores)) < len(found))[order],
        lesions_per_image=np.bincount(
            lesions.images[~lesions.ignored], minlength=lesions.num_images
        ),
        lesions=np.concatenate([found, np.full(len(false), -1)])[order],
    )


def assign_detections(
    detections: Detections,
    lesions: Lesions,
    *,
    iou: float = DEFAULT_IOU,
    hit: str = "iou",
    duplicates: str = "ignore",
) -> Assignment:
    """Says of each detection whether it is a hit, a false positive or counts as nothing.

    Args:
        detections: D detections.
        lesions: L lesions and ignored regions on I images.
        iou: least IoU of a hit, above 0, at most 1; not used with ``hit="center"``.
        hit: ``"iou"`` or ``"center"``.
        duplicates: ``"ignore"``, ``"fp"`` or ``"any"``.

    Returns:
        The assignment, by rules 1 to 4 above.

    Raises:
        ValueError: for an option out of range, or a detection on an image that does not exist.
    """
    check_options(iou, hit, duplicates)
    if len(detections.images) and detections.images.max() >= lesions.num_images:
        raise ValueError(
            f"detection on image {detections.images.max()} of only {lesions.num_images} images"
        )
    det, les = _same_image_pairs(detections.images, lesions)
    overlap, reached = _reach(detections.boxes[det], lesions, les, iou, hit)
    on_region = reached & lesions.ignored[les]
    on_lesion = reached & ~lesions.ignored[les]

    best = np.zeros(len(detections.scores))
    np.maximum.at(best, det, np.where(lesions.ignored[les], 0, overlap))
    rank = _ranks(detections.boxes, -best, -detections.scores)
    pairs = (det[on_lesion], les[on_lesion], overlap[on_lesion])
    find = _find_all if duplicates == "any" else _take
    finders, taken = find(*pairs, rank, lesions.boxes)

    is_hit = taken >= 0
    if duplicates == "ignore":
        is_hit |= _mark(det[on_lesion], len(taken))
    return Assignment(taken, ~is_hit & ~_mark(det[on_region], len(taken)), finders)


def check_options(iou: float, hit: str, duplicates: str) -> None:
    """Raises ValueError if a matching option is out of range."""
    if not 0 < iou <= 1:
        raise ValueError(f"iou must be above 0 and at most 1, got {iou}")
    if hit not in HITS:
        raise ValueError(f"hit must be one of {', '.join(HITS)}, got {hit!r}")
    if duplicates not in DUPLICATES:
        raise ValueError(f"duplicates must be one of {', '.join(DUPLICATES)}, got {duplicates!r}")


def _same_image_pairs(images: np.ndarray, lesions: Lesions) -> tuple[np.ndarray, np.ndarray]:
    """Every (detection, lesion) pair of one image, as two index arrays."""
    by_image = np.argsort(lesions.images, kind="stable")
    per_image = np.bincount(lesions.images, minlength=lesions.num_images)
    first = np.cumsum(per_image) - per_image
    partners = per_image[images]
    det = np.repeat(np.arange(len(images)), partners)
    within = np.arange(len(det)) - np.repeat(np.cumsum(partners) - partners, partners)
    return det, by_image[first[images[det]] + within]


def _reach(
    boxes: np.ndarray, lesions: Lesions, les: np.ndarray, iou: float, hit: str
) -> tuple[np.ndarray, np.ndarray]:
    """IoU of each pair, and whether the detection reaches the lesion or lies on the region."""
    others = lesions.boxes[les]
    sides = np.minimum(boxes[:, 2:], others[:, 2:]) - np.maximum(boxes[:, :2], others[:, :2])
    shared = np.prod(np.maximum(sides, 0), axis=1)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    union = area + np.prod(others[:, 2:] - others[:, :2], axis=1) - shared
    overlap = shared / union
    if hit == "center":
        center = (boxes[:, :2] + boxes[:, 2:]) / 2
        low, high = others[:, :2] - TOLERANCE, others[:, 2:] + TOLERANCE
        reached = ((low <= center) & (center <= high)).all(axis=1)
    else:
        share = shared / np.where(area > 0, area, 1)
        reached = np.where(lesions.ignored[les], share, overlap) >= iou - TOLERANCE
    return overlap, reached


def _take(
    det: np.ndarray, les: np.ndarray, overlap: np.ndarray, rank: np.ndarray, boxes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rule 2 over the pairs that reach: who takes each lesion (L,), what each one takes (D,)."""
    order = np.lexsort((_ranks(boxes)[les], -overlap, rank[det]))
    taken_by, taken = [-1] * len(boxes), [-1] * len(rank)
    for d, lesion in zip(det[order].tolist(), les[order].tolist(), strict=True):
        if taken_by[lesion] < 0 and taken[d] < 0:
            taken_by[lesion], taken[d] = d, lesion
    return np.asarray(taken_by, dtype=np.int64), np.asarray(taken, dtype=np.int64)


def _find_all(
    det: np.ndarray, les: np.ndarray, overlap: np.ndarray, rank: np.ndarray, boxes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """As ``_take``, but nothing is taken away: any detection finds all that it reaches."""
    finders = np.full(len(boxes), -1, dtype=np.int64)
    best = np.full(len(rank), -1, dtype=np.int64)
    # Of several values for one index the last one stays: the best comes last.
    order = np.argsort(-rank[det])
    finders[les[order]] = det[order]
    order = np.lexsort((-_ranks(boxes)[les], overlap))
    best[det[order]] = les[order]
    return finders, best


def _ranks(boxes: np.ndarray, *before: np.ndarray) -> np.ndarray:
    """Rank of each box by the keys ``before`` (the last one first), then by x0, y0, x1, y1."""
    order = np.lexsort((*boxes.T[::-1], *before))
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.arange(len(order))
    return ranks


def _mark(indices: np.ndarray, size: int) -> np.ndarray:
    marked = np.zeros(size, dtype=bool)
    marked[indices] = True
    return marked
