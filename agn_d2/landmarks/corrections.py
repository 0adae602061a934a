"""Corrections of landmarks by hand: they override the detector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from .record import SIDES, STATUS_OK, Landmarks, _points

BY_HAND = "by hand"
# Part of a correction -> how a status names it.
_NOTES = {
    "chest_wall": "chest wall",
    "contour": "contour",
    "pectoral_line": "pectoral",
    "nipple": "nipple",
}
_SHAPES = {"nipple": (2,), "pectoral_line": (2, 2), "contour": (None, 2)}


@dataclass(frozen=True, eq=False)
class Correction:
    """What a person says of one image; None leaves what the detector found.

    Attributes:
        chest_wall: "left" or "right".
        nipple: (2,) float64, pixels of the stored image.
        pectoral_line: (2, 2) float64, two points in any order.
        contour: (M, 2) float64, from the upper to the lower end of the skin line.
        image_size: (H, W) of the image on which the points were read off.
        source: file and row, for messages.

    Raises:
        ValueError: on a wrong side, shape or number; the message begins with the source.
    """

    chest_wall: str | None = None
    nipple: np.ndarray | None = None
    pectoral_line: np.ndarray | None = None
    contour: np.ndarray | None = None
    image_size: tuple[int, int] | None = None
    source: str = "correction"

    def __post_init__(self) -> None:
        if self.chest_wall is not None and self.chest_wall not in SIDES:
            raise ValueError(
                f"{self.source}: chest_wall must be left or right, got {self.chest_wall!r}"
            )
        for name, shape in _SHAPES.items():
            if getattr(self, name) is not None:
                try:
                    points = _points(name, getattr(self, name), shape)
                except ValueError as error:
                    raise ValueError(f"{self.source}: {error}") from None
                object.__setattr__(self, name, points)
        line = self.pectoral_line
        if line is not None and np.array_equal(line[0], line[1]):
            raise ValueError(f"{self.source}: the two points of the pectoral line are the same")

    @property
    def parts(self) -> tuple[str, ...]:
        """Which of chest_wall, contour, pectoral_line and nipple are given."""
        return tuple(part for part in _NOTES if getattr(self, part) is not None)


def apply_correction(landmarks: Landmarks, correction: Correction) -> Landmarks:
    """Landmarks with the corrected parts in place of the detected ones.

    Each corrected part is named in the status ("nipple: by hand"), where it replaces the note of a
    fallback, and has the confidence 1. The upper point of the pectoral line comes first.

    A chest wall moved to the other side makes the other landmarks meaningless, so it asks for the
    nipple too, and in an MLO view for the pectoral line; in a CC view the line then becomes the
    vertical at that side of the contour. A contour that is not corrected along with it stays, at
    confidence 0.

    Raises:
        ValueError: a point outside the image, an image of another size, a pectoral line of a CC
            view that is not vertical, or a chest wall moved alone; names the correction's source.
    """
    _check_frame(landmarks, correction)
    changes = {part: getattr(correction, part) for part in correction.parts}
    if changes.get("chest_wall") == landmarks.chest_wall:
        del changes["chest_wall"]
    if not changes:
        return landmarks
    status = _corrected_status(landmarks.status, [_NOTES[part] for part in changes])
    moved = "chest_wall" in changes
    if moved:
        changes = _with_moved_wall(landmarks, changes, correction.source)
    if "pectoral_line" in changes:
        line = changes["pectoral_line"]
        if landmarks.view == "CC" and line[0, 0] != line[1, 0]:
            raise ValueError(
                f"{correction.source}: the pectoral line of a CC view is vertical, its two x must "
                "be equal"
            )
        changes["pectoral_line"] = line[np.argsort(line[:, 1], kind="stable")]
    confidence = landmarks.confidence
    if confidence is not None:
        confidence = dict(confidence) | ({"contour": 0.0} if moved else {})
        confidence |= {part: 1.0 for part in confidence if part in changes}
    return replace(landmarks, **changes, status=status, confidence=confidence)


def apply_corrections(
    records: Mapping[str, Landmarks], corrections: Mapping[str, Correction]
) -> tuple[dict[str, Landmarks], list[str]]:
    """Correct the landmarks of a data set.

    Returns:
        All records in their order, corrected where there is a correction; and the names with a
        correction but without a record, which the caller should report.

    Raises:
        ValueError: as ``apply_correction``.
    """
    corrected = {
        name: apply_correction(item, corrections[name]) if name in corrections else item
        for name, item in records.items()
    }
    return corrected, [name for name in corrections if name not in records]


def _corrected_status(status: str, parts: list[str]) -> str:
    notes = [] if status == STATUS_OK else status.split("; ")
    kept = [note for note in notes if note.partition(":")[0] not in parts]
    return "; ".join(kept + [f"{part}: {BY_HAND}" for part in parts])


def _with_moved_wall(landmarks: Landmarks, changes: dict, source: str) -> dict:
    """The changes, with a pectoral line where a CC view has none."""
    needed = ["nipple"] + ["pectoral_line"] * (landmarks.view == "MLO")
    missing = [part for part in needed if part not in changes]
    if missing:
        raise ValueError(
            f"{source}: with the chest wall at the other side the {' and the '.join(missing)} "
            f"must be given too ({landmarks.view} view)"
        )
    if "pectoral_line" in changes:
        return changes
    contour = changes.get("contour", landmarks.contour)
    x = contour[:, 0].min() if changes["chest_wall"] == "left" else contour[:, 0].max()
    line = np.array([[x, contour[:, 1].min()], [x, contour[:, 1].max()]])
    return changes | {"pectoral_line": line}


def _check_frame(landmarks: Landmarks, correction: Correction) -> None:
    """Refuse points of another image size, or outside the image."""
    height, width = landmarks.image_size
    if correction.image_size not in (None, landmarks.image_size):
        read_off = correction.image_size
        raise ValueError(
            f"{correction.source}: read off an image of {read_off[1]} x {read_off[0]} px, but the "
            f"image has {width} x {height} px"
        )
    for part in _SHAPES:
        points = getattr(correction, part)
        if points is not None and ((points < 0) | (points > [width, height])).any():
            raise ValueError(
                f"{correction.source}: {part} lies outside the image of {width} x {height} px"
            )
