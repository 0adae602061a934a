"""The parts of a data set in which models are compared: by views, density, size, lesion, breast.

A part has images of its own, or lesions of its own on all images (mass size, lesion, breast).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .coco_results import GroundTruth
from .froc import FrocEvents
from .groups import UNITS, find_targets, image_groups, lesion_targets, size_groups


@dataclass(frozen=True)
class Part:
    """A part of the data set as all models see it.

    Attributes:
        breakdown: what it is a part by ("all", "recall per", "view", ...), and its name there.
        events: of each run of each model.
        weights: (I,) 1 for images that are counted, 0 for others.
    """

    breakdown: str
    name: str
    events: dict[str, list[FrocEvents]]
    weights: np.ndarray


def parts_of(
    whole: Part,
    truth: GroundTruth,
    breakdowns: Sequence[str],
    size_edges: Sequence[float] | None,
    notes: list[str],
) -> Iterator[Part]:
    """The whole set, then its parts.

    Args:
        whole: all that is counted.
        truth: the data set.
        breakdowns: some of ``BREAKDOWNS``.
        size_edges: limits of the mass sizes, see :func:`size_groups`.
        notes: what the data set cannot give is added here.
    """
    counted = _counted(whole, truth)
    yield whole
    yield from _units(whole, truth, notes)
    for breakdown in breakdowns:
        if breakdown == "mass size":
            groups, unit = size_groups(truth, size_edges, counted)
            if unit == "px" and groups:
                notes.append(
                    "mass size: in pixels of the stored images, as they have no mm_per_pixel"
                )
            for name, chosen in groups.items():
                targets = np.where(chosen, np.arange(len(chosen)), -1)
                yield _with_targets(whole, truth, breakdown, name, targets)
            continue
        groups = image_groups(truth, breakdown)
        if not groups:
            notes.append(f"{breakdown}: the annotations do not say")
        for name, chosen in groups.items():
            if (whole.weights * chosen).any():
                yield Part(breakdown, name, whole.events, whole.weights * chosen)


def _units(whole: Part, truth: GroundTruth, notes: list[str]) -> Iterator[Part]:
    counted = _counted(whole, truth)
    for unit in UNITS[1:]:
        try:
            targets = lesion_targets(truth, unit)
        except ValueError as error:
            notes.append(f"recall per {unit}: {error}")
            continue
        targets = np.where(counted, targets, -1)
        yield _with_targets(whole, truth, "recall per", unit, targets)
        without = sum(truth.lesion_ids[n] is None for n in np.flatnonzero(counted))
        if unit == "lesion" and without:
            notes.append(
                f"recall per lesion: {without} of {int(counted.sum())} boxes have "
                "no lesion_id; the only one of each view of a breast count as one lesion, others "
                "by themselves"
            )


def _counted(whole: Part, truth: GroundTruth) -> np.ndarray:
    """(L,) boxes of truth that lie on a counted image."""
    return (whole.weights[truth.lesions.images] > 0) & ~truth.lesions.ignored


def _with_targets(
    whole: Part, truth: GroundTruth, breakdown: str, name: str, targets: np.ndarray
) -> Part:
    events = {
        model: [find_targets(e, targets, truth.lesions.images) for e in runs]
        for model, runs in whole.events.items()
    }
    return Part(breakdown, name, events, whole.weights)
