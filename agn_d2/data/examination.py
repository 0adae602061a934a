"""An examination: which image stands for which view, and what was left out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..dicom.header import PROCESSING, Header
from ..dicom.reader import read_dicom
from ..dicom.tone import Tone
from ..images import color_note, read_gray
from ..utils.view_names import VIEWS

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LeftOut:
    """A file that is not read as a view.

    Attributes:
        path: the file.
        reason: why, in one line.
        bad: it is damaged, or tells no view: somebody should look at it. Else it is in order, and
            no standard mammogram, or another image of its view was taken.
        later: the system could not read it; that says nothing of what it holds, and another run
            may read it.
    """

    path: str
    reason: str
    bad: bool
    later: bool = False

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass(frozen=True)
class ExaminationImage:
    """The image of one view.

    Attributes:
        path: its file.
        laterality, view: "L" or "R", "CC" or "MLO".
        pixels: (H, W) uint8 or uint16, in the frame that is stored.
        header: of a DICOM file, else None.
        notes: what was done to the stored values, and what is odd in the header.
    """

    path: str
    laterality: str
    view: str
    pixels: np.ndarray
    header: Header | None = None
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.laterality}-{self.view}"

    @property
    def marks(self) -> tuple[str, ...]:
        """What a reader of results should know: synthetic, implant, ML taken for MLO, ..."""
        return () if self.header is None else self.header.marks


@dataclass(frozen=True)
class Examination:
    """The views of one examination, read; ``Predictor`` takes it as it is.

    Attributes:
        name: tells examinations apart, and nothing of the patient.
        images: "L-CC", "R-MLO", ... -> image, one to four.
        left_out: files that are not among them, and why.
        tone: how the gray values of DICOM files were made.
    """

    name: str
    images: dict[str, ExaminationImage]
    left_out: tuple[LeftOut, ...]
    tone: Tone


@dataclass(frozen=True)
class Candidate:
    """An image that could stand for a view.

    Attributes:
        path: its file.
        view: (side, view).
        header: of a DICOM file, else None.
        rank: sorts the images of a view, the best one last.
    """

    path: str
    view: tuple[str, str]
    header: Header | None
    rank: tuple


@dataclass
class ExaminationFiles:
    """The files of one examination, their headers read, their pixels not.

    Attributes:
        name: as of ``Examination``.
        candidates: (side, view) -> its images, the best one first.
        left_out: files of this examination that are no candidates.
    """

    name: str
    candidates: dict[tuple[str, str], list[Candidate]] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)

    @property
    def paths(self) -> list[str]:
        return [c.path for group in self.candidates.values() for c in group]

    def read(self, tone: Tone | None = None) -> Examination:
        """Read one image per view; where it is damaged, the next best one of the view.

        Raises:
            ValueError: no view can be read; says of each file why.
        """
        tone = tone or Tone()
        images, left_out = {}, list(self.left_out)
        for view in sorted(self.candidates):
            image = _first_readable(self.candidates[view], tone, left_out)
            if image is not None:
                images[image.key] = image
        if not images:
            reasons = "; ".join(map(str, left_out[:5])) or "no files"
            raise ValueError(f"examination {self.name}: no view can be read ({reasons})")
        _log(left_out)
        return Examination(self.name, images, tuple(left_out), tone)


def _first_readable(
    candidates: Sequence[Candidate], tone: Tone, left_out: list[LeftOut]
) -> ExaminationImage | None:
    """The best image of a view that can be read; ``left_out`` gets the others."""
    taken = None
    for candidate in candidates:
        if taken is not None:
            better = _better(taken.header, candidate)
            reason = f"{taken.key} is read from {Path(taken.path).name}, which is {better}"
            left_out.append(LeftOut(candidate.path, reason, False))
            continue
        try:
            taken = _read(candidate, tone)
        except (OSError, ValueError) as error:
            reason, later = reason_of(candidate.path, error), isinstance(error, OSError)
            left_out.append(LeftOut(candidate.path, reason, True, later))
    return taken


# Taken beside the standard film of a view, for a part of the breast.
_ADDITIONAL = frozenset({"anterior compression", "infra-mammary fold"})


def rank_of(header: Header) -> tuple:
    """Sorts the images of a view, the best one last."""
    return (
        header.intent != PROCESSING,
        header.stated.view in VIEWS,
        header.kind == "2d",
        not header.partial,
        _ADDITIONAL.isdisjoint(header.stated.modifiers),
        header.size[0] * header.size[1],
        header.taken,
        header.instance,
    )


_RANKS = (
    "for presentation",
    "a view of its own name",
    "no synthetic one",
    "no partial one",
    "no additional one",
    "larger",
    "later",
    "later in its series",
)


def _better(taken: Header | None, candidate: Candidate) -> str:
    """In what the image that is taken is better than another one of its view."""
    if taken is None or candidate.header is None:
        return "the larger file"
    pairs = zip(_RANKS, rank_of(taken), candidate.rank, strict=True)
    return next((name for name, ours, theirs in pairs if ours > theirs), "the first one")


def _read(candidate: Candidate, tone: Tone) -> ExaminationImage:
    side, view = candidate.view
    if candidate.header is None:
        pixels, note = read_gray(candidate.path), color_note(candidate.path)
        if note is not None:
            logger.warning("%s: %s", candidate.path, note)
        return ExaminationImage(
            candidate.path, side, view, pixels, notes=() if note is None else (note,)
        )
    image = read_dicom(candidate.path, tone)
    notes = (*image.header.notes, *image.notes)
    return ExaminationImage(candidate.path, side, view, image.pixels, image.header, notes)


def reason_of(path: str, error: Exception) -> str:
    """The message without the path that it begins with."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).removeprefix(f"{path}: ").removeprefix(f"{path} ")


def _log(left_out: Sequence[LeftOut]) -> None:
    for one in left_out:
        if one.bad:
            logger.warning("not read: %s", one)
        else:
            logger.info("left out: %s", one)
