"""From the files of a finding to its mask in the film, repaired where need be."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..frames import ASPECT_TOLERANCE
from ..region import Box, Region, ellipse_region, resized, stretched
from .finding_files import FindingFiles, read_finding_files
from .locate import SURE, Place, correlation, locate, overlap
from .outcome import AS_RELEASED, FROM_CROP, PLACED, RESIZED, Outcome

_SAME_BOX = 0.5  # of the smaller box: mask and crop that overlap by more agree


def repair_finding(
    film: np.ndarray,
    paths: Sequence[str],
    read: Callable[[str], np.ndarray],
    expected_mask: Sequence[str] | None = (),
) -> Outcome:
    """The mask of a finding in its film.

    1. A mask of the film's size is taken. Several: the one that the crop confirms, else the first.
    2. A mask of another size, but the film's aspect (within 1 %), is resized, unless the crop is
       surely elsewhere.
    3. A mask of another aspect is placed where the crop is found, its box onto the crop's box.
    4. Without a mask, the crop's place is the finding's box, with an ellipse as its mask.
    5. Else the finding is lost.

    The crop is compared with the film wherever there is one; the correlation is the confidence.
    Steps 3 and 4 need a sure place (see ``locate``).

    Args:
        film: (H, W) uint8 or uint16.
        paths: files of the finding's series, crop and mask.
        read: path -> (h, w) uint8 or uint16; a ValueError says that it holds no picture.
        expected_mask: the paths among them that the tables call the mask; None: they do not say.

    Returns:
        the outcome, never an exception for a bad file; but what else ``read`` raises goes through.
    """
    outcome = Outcome()
    files = read_finding_files(paths, read, expected_mask, outcome)
    fitting = [(p, r) for p, r in files.masks if r.size == film.shape]
    if fitting:
        _take_fitting(film, fitting, files, outcome)
    elif files.masks:
        _take_other_size(film, files, outcome)
    elif files.crops:
        _take_crop(film, files, outcome)
    else:
        outcome.note("lost", "neither a mask nor a crop can be read")
    return outcome


def _take_fitting(
    film: np.ndarray, masks: list[tuple[str, Region]], files: FindingFiles, outcome: Outcome
) -> None:
    confirmed = [_confirm(film, region, files.crops) for _, region in masks]
    best = max(range(len(masks)), key=lambda i: (confirmed[i] or 0.0, -i))
    path, region = masks[best]
    for other, _ in files.masks:
        if other != path:
            outcome.note("second mask", f"{other} left aside for {path}")
    outcome.region = outcome.released = region
    outcome.method, outcome.confidence = AS_RELEASED, confirmed[best]
    for text in region.notes:
        outcome.note("mask cleaned", text)
    _note_crop(film, region, files, outcome)


def _take_other_size(film: np.ndarray, files: FindingFiles, outcome: Outcome) -> None:
    path, region = max(files.masks, key=lambda item: item[1].size[0] * item[1].size[1])
    for other, _ in files.masks:
        if other != path:
            outcome.note("second mask", f"{other} left aside for {path}")
    outcome.released = region
    for text in region.notes:
        outcome.note("mask cleaned", text)
    sizes = f"mask {_size(region.size)}, film {_size(film.shape)}"
    ratios = [f / m for f, m in zip(film.shape, region.size, strict=True)]
    if abs(ratios[0] / ratios[1] - 1) <= ASPECT_TOLERANCE:
        whole = resized(region, film.shape)
        confidence = _confirm(film, whole, files.crops)
        place = None
        if files.crops and (confidence or 0.0) < SURE:
            place = _find(film, files.crops, (1.0, ratios[0], 1 / ratios[0]))
        if place is None or not place.sure or _agree(place.box, whole.box):
            outcome.region, outcome.method = whole, RESIZED
            outcome.confidence = place.confidence if place is not None else confidence
            outcome.note("mask of another size", f"{sizes}: same aspect, resized")
            return
        outcome.note("crop elsewhere", f"{sizes}: the crop lies at {place.box}, not in the mask")
    else:
        place = _find(film, files.crops, (1.0, *ratios, *(1 / r for r in ratios)))
    if place is None or not place.sure:
        why = "no crop" if place is None else f"crop found with only {place.confidence:.2f}"
        outcome.note("lost", f"{sizes}: another aspect, and {why} to place it")
        return
    outcome.region, outcome.method = stretched(region, place.box, film.shape), PLACED
    outcome.confidence = place.confidence
    outcome.note("mask of another size", f"{sizes}: placed by the crop, {place.confidence:.3f}")


def _take_crop(film: np.ndarray, files: FindingFiles, outcome: Outcome) -> None:
    place = _find(film, files.crops, (1.0,))
    if place is None or not place.sure:
        seen = 0.0 if place is None else place.confidence
        rival = "" if place is None else f" (elsewhere {place.rival:.2f})"
        outcome.confidence = seen
        outcome.note("lost", f"no mask, and the crop is found with only {seen:.2f}{rival}")
        return
    outcome.region = ellipse_region(place.box, film.shape)
    outcome.method, outcome.confidence = FROM_CROP, place.confidence
    outcome.note("mask recovered", f"crop found with {place.confidence:.3f} at {place.box}")


def _note_crop(film: np.ndarray, region: Region, files: FindingFiles, outcome: Outcome) -> None:
    """Say whether the crop bears the mask out; the mask stands either way."""
    if not files.crops:
        outcome.note("no crop", "the mask could not be compared with a crop")
        return
    if (outcome.confidence or 0.0) >= SURE:
        return
    place = _find(film, files.crops, (1.0,))
    if place is None or not place.sure:
        outcome.note("crop not found", f"best correlation {outcome.confidence or 0.0:.2f}")
    elif _agree(place.box, region.box):
        outcome.confidence = place.confidence
        outcome.note("crop wider than mask", f"crop at {place.box}, mask at {region.box}")
    else:
        outcome.note("crop elsewhere", f"crop at {place.box}, mask at {region.box}: look at it")


def _confirm(film: np.ndarray, region: Region, crops: list[tuple[str, np.ndarray]]) -> float | None:
    """How well a crop fits the box of a mask; None without a crop."""
    return max((correlation(film, crop, region.box) for _, crop in crops), default=None)


def _find(
    film: np.ndarray, crops: list[tuple[str, np.ndarray]], scales: Sequence[float]
) -> Place | None:
    """The surest place of any of the crops."""
    places = [place for _, crop in crops if (place := locate(film, crop, scales)) is not None]
    return max(places, key=lambda place: (place.sure, place.confidence), default=None)


def _agree(a: Box, b: Box) -> bool:
    """Whether two boxes show the same place."""
    return overlap(a, b) > _SAME_BOX


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]}"
