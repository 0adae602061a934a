"""Parts of a data set whose figures stand apart: groups of images, groups and units of lesions.

A *group of images* keeps these images with their lesions and false positives. A *target* is what
has to be found: each box, each lesion in whichever view, or each breast. A group of lesions (by
size) keeps all images: a false positive belongs to no lesion.

Shapes: I images, L lesions (boxes), T targets.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..utils.view_names import SIDES, VIEWS
from .coco_results import GroundTruth, ImageFacts
from .matching import FrocEvents

logger = logging.getLogger(__name__)

UNITS = ("box", "lesion", "breast")
BREAKDOWNS = ("view", "density", "available views", "mass size")
_FORMER_BREAKDOWNS = {"views at hand": "available views"}
_OTHER = {"CC": "MLO", "MLO": "CC", "L": "R", "R": "L"}


def resolve_breakdown(name: str) -> str:
    """The present name of a breakdown, for the command line; a former one raises a warning."""
    if name in _FORMER_BREAKDOWNS:
        logger.warning("Breakdown %r is now called %r.", name, _FORMER_BREAKDOWNS[name])
    return _FORMER_BREAKDOWNS.get(name, name)


def image_groups(truth: GroundTruth, breakdown: str) -> dict[str, np.ndarray]:
    """Groups of images.

    Args:
        truth: I images.
        breakdown: "view", "density" or "available views" (the auxiliary and the contralateral view
            of the image in its case, context images included).

    Returns:
        name -> (I,) bool. Empty if the data set does not say. Images that alone do not say are
        the group "not stated".
    """
    if breakdown == "available views":
        names = _available_views(truth)
    else:
        names = [getattr(image, breakdown) for image in truth.images]
    known = sorted({name for name in names if name is not None}, key=_order)
    if not known:
        return {}
    groups = {name: np.array([n == name for n in names]) for name in known}
    rest = np.array([name is None for name in names])
    return groups | ({"not stated": rest} if rest.any() else {})


def size_groups(
    truth: GroundTruth, edges: Sequence[float] | None = None, of: np.ndarray | None = None
) -> tuple[dict[str, np.ndarray], str]:
    """Groups of lesions by the size of their box, sqrt(width * height).

    Args:
        truth: L lesions.
        edges: limits between the groups, rising; None: the terciles of the lesions.
        of: (L,) bool, lesions that are grouped; None: all.

    Returns:
        name -> (L,) bool, without empty groups, and the unit: "mm" if every image with a lesion
        has its ``mm_per_pixel``, else "px" of the stored image. Empty without a lesion.

    Raises:
        ValueError: if the edges do not rise from above 0.
    """
    sizes, unit = lesion_sizes(truth)
    counted = ~truth.lesions.ignored if of is None else ~truth.lesions.ignored & of
    if not counted.any():
        return {}, unit
    if edges is None:
        edges = np.unique(np.quantile(sizes[counted], (1 / 3, 2 / 3)).round(1))
    limits = [0.0, *map(float, edges), np.inf]
    if not (np.diff(limits) > 0).all():
        raise ValueError(f"the limits of the mass sizes must rise from above 0, got {edges}")
    groups = {}
    for low, high in zip(limits, limits[1:], strict=False):
        name = f"{low:g} - {high:g} {unit}"
        if low == 0 or np.isinf(high):
            name = f"< {high:g} {unit}" if low == 0 else f">= {low:g} {unit}"
        groups[name] = counted & (sizes >= low) & (sizes < high)
    return {name: chosen for name, chosen in groups.items() if chosen.any()}, unit


def lesion_sizes(truth: GroundTruth) -> tuple[np.ndarray, str]:
    """(L,) sqrt(width * height) of the boxes of the truth, and the unit: "mm" or "px"."""
    boxes, images = truth.lesions.boxes, truth.lesions.images
    sizes = np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))
    spacing, unit = pixel_spacing(truth)
    return sizes * spacing[images], unit


def pixel_spacing(truth: GroundTruth) -> tuple[np.ndarray, str]:
    """(I,) factor from pixels to "mm", or 1 to "px" if an image with a lesion has no spacing.

    NaN for other images without a spacing, also for those with an ignored region alone.
    """
    spacing = np.array([image.mm_per_pixel or np.nan for image in truth.images], dtype=float)
    with_lesion = truth.lesions.images[~truth.lesions.ignored]
    if np.isnan(spacing[with_lesion]).any() or np.isnan(spacing).all():
        return np.ones(len(truth.images)), "px"
    return spacing, "mm"


def lesion_targets(truth: GroundTruth, unit: str) -> np.ndarray:
    """What each box stands for.

    Args:
        truth: L boxes.
        unit: "box": each by itself. "lesion": boxes of a breast with equal ``lesion_id`` are one
            target; without ids, the only box of a CC and the only one of an MLO view of a breast
            are one, and others, also those of other or unknown views, stand by themselves.
            "breast": all boxes of a breast.

    Returns:
        (L,) int64 targets 0 .. T - 1, -1 for ignored regions.

    Raises:
        ValueError: unknown unit, or an image with a lesion whose patient or laterality is not
            known where they are needed.
    """
    if unit not in UNITS:
        raise ValueError(f"unit must be one of {', '.join(UNITS)}, got {unit!r}")
    counted = np.flatnonzero(~truth.lesions.ignored)
    if unit == "box":
        keys = [(int(n),) for n in counted]
    else:
        breasts = {n: _breast(truth, int(truth.lesions.images[n])) for n in counted}
        keys = [breasts[n] for n in counted]
        if unit == "lesion":
            keys = _lesion_keys(truth, counted, keys)
    number = {key: n for n, key in enumerate(dict.fromkeys(keys))}
    targets = np.full(len(truth.lesions.images), -1, dtype=np.int64)
    targets[counted] = [number[key] for key in keys]
    return targets


def find_targets(events: FrocEvents, targets: np.ndarray, lesion_images: np.ndarray) -> FrocEvents:
    """The events of other targets than boxes: a target is found with the first of its boxes.

    Args:
        events: with ``lesions``, from ``match_detections``.
        targets: (L,) int64, equal for boxes of one target; -1: not counted.
        lesion_images: (L,) the image of each box. All images of a target must have the same
            weight later, as those of one patient have; it is counted on the first of them.

    Returns:
        Events whose ``lesions`` are targets.
    """
    num_images, num_targets = len(events.lesions_per_image), int(targets.max(initial=-1)) + 1
    counted = targets >= 0
    home = np.full(num_targets, num_images)
    np.minimum.at(home, targets[counted], lesion_images[counted])
    of_event = np.full(len(events.scores), -1, dtype=np.int64)
    of_event[events.found] = targets[events.lesions[events.found]]
    hits = np.flatnonzero(of_event >= 0)
    first = hits[np.unique(of_event[hits], return_index=True)[1]]
    keep = ~events.found
    keep[first] = True
    images = events.images.copy()
    images[first] = home[of_event[first]]
    return replace(
        events,
        scores=events.scores[keep],
        images=images[keep],
        found=events.found[keep],
        lesions_per_image=np.bincount(home[home < num_images], minlength=num_images),
        lesions=of_event[keep],
    )


def _available_views(truth: GroundTruth) -> list[str | None]:
    everything = (*truth.images, *truth.context_images)
    present = {_place(image) for image in everything} - {None}
    names: list[str | None] = []
    for place in map(_place, truth.images):
        if place is None:
            names.append(None)
            continue
        case, laterality, view = place
        auxiliary = (case, laterality, _OTHER[view]) in present
        contralateral = (case, _OTHER[laterality], view) in present
        names.append(
            {
                (True, True): "auxiliary and contralateral",
                (True, False): "auxiliary only",
                (False, True): "contralateral only",
                (False, False): "neither",
            }[auxiliary, contralateral]
        )
    return names


def _place(image: ImageFacts) -> tuple[str, str, str] | None:
    if image.case is None or image.laterality not in SIDES or image.view not in VIEWS:
        return None
    return image.case, image.laterality, image.view


def _breast(truth: GroundTruth, image: int) -> tuple[str, str]:
    facts = truth.images[image]
    if facts.case is None or facts.laterality is None:
        raise ValueError(
            f"image {truth.image_ids[image]!r}: without patient_id and laterality its lesions "
            "belong to no breast"
        )
    return facts.case, facts.laterality


def _lesion_keys(
    truth: GroundTruth, counted: np.ndarray, breasts: list[tuple[str, str]]
) -> list[tuple]:
    views = [truth.images[truth.lesions.images[n]].view for n in counted]
    in_view = Counter(place for place in zip(breasts, views, strict=True) if place[1] in VIEWS)
    alone = _alone(in_view)
    keys = []
    for n, breast, view in zip(counted, breasts, views, strict=True):
        lesion_id = truth.lesion_ids[n]
        if lesion_id is not None:
            keys.append((*breast, "id", lesion_id))
        elif view in VIEWS and alone[breast]:
            keys.append((*breast, "alone"))
        else:
            keys.append((*breast, "box", int(n)))
    return keys


def _alone(in_view: Counter) -> dict[tuple[str, str], bool]:
    """Whether a breast has at most one box in each of CC and MLO."""
    alone: dict[tuple[str, str], bool] = {}
    for (breast, _), boxes in in_view.items():
        alone[breast] = alone.get(breast, True) and boxes == 1
    return alone


def _order(name: str) -> tuple[int, str]:
    names = ("auxiliary and contralateral", "auxiliary only", "contralateral only", "neither")
    return (names.index(name) if name in names else -1, name)
