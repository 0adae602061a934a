"""What every converter hands over: films with their lesions, as the data set's tables have them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..dicom.tone import Tone
from .core_film import FilmOptions

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class SourceLesion:
    """A lesion in one film, in pixels of the film as released.

    Attributes:
        name: of the lesion within its film, for the account; distinct there.
        box: x0, y0, x1, y1; None if there is an outline, or if the place is unknown.
        outline: corners (x, y) of its polygon, the center of the first pixel at (0.5, 0.5).
        lesion_id: the data set's own id, the same in both views of a breast.
        facts: go into the annotation.
        compared: what describes the lesion alike in both views, to find it again in the other one.
    """

    name: str
    box: tuple[float, float, float, float] | None = None
    outline: Points = ()
    lesion_id: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    compared: tuple[str | int | None, ...] = ()


@dataclass(frozen=True)
class SourceFilm:
    """A film of a data set.

    Attributes:
        name: of the image to be written; distinct, good as a file name.
        path: of its file, below the source's root; None if the file is missing.
        patient_id, laterality, view: L or R, CC or MLO.
        split: "train", "val" or "test" where the data set or a table says it.
        case_id: the examination, where a patient has several.
        size: (height, width) that the lesions refer to; None: that of the file.
        bits: of the gray values, where the data set says it.
        facts: go into the image's entry.
        lesions: those to be detected.
        lost: why lesions of the film are not known; such a film is context only.
        examined: False: the film only serves other views, whatever is known of it.
        notes: (kind, detail) of what was decided on the way.
    """

    name: str
    path: str | None
    patient_id: str
    laterality: str
    view: str
    split: str | None = None
    case_id: str | None = None
    size: tuple[int, int] | None = None
    bits: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    lesions: tuple[SourceLesion, ...] = ()
    lost: tuple[str, ...] = ()
    examined: bool = True
    notes: tuple[tuple[str, str], ...] = ()

    @property
    def breast(self) -> tuple[str, str, str]:
        """Patient, examination, laterality."""
        return self.patient_id, self.case_id or "", self.laterality


@dataclass(frozen=True)
class Source:
    """A data set as it is released.

    Attributes:
        name: of the data set, written into its priors.
        root: folder that the films' paths are relative to.
        films: at least one.
        category: name of the one class of lesions.
        left_out: (film, file or row; why) of what is not used.
        unread: columns of a table that nothing was taken from.
    """

    name: str
    root: Path
    films: tuple[SourceFilm, ...]
    category: str = "mass"
    left_out: tuple[tuple[str, str], ...] = ()
    unread: tuple[str, ...] = ()


@dataclass(frozen=True)
class CoreOptions:
    """How a data set is prepared.

    Attributes:
        film: how films are written.
        tone: how gray values of DICOM files are made.
        keep: examine films of which a lesion is lost; else they are context only.
        val_share: share of the training patients in the validation split.
        test_share: share of the patients in the test split, where nothing says who is in it.
        seed: of the splits.
    """

    film: FilmOptions = field(default_factory=FilmOptions)
    tone: Tone = field(default_factory=Tone)
    keep: bool = False
    val_share: float = 0.1
    test_share: float = 0.2
    seed: int = 0
