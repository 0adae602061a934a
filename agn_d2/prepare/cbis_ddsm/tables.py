"""The four case-description CSVs: findings, and the films that they lie on.

What the released files need: cells that end in newlines, CRLF, ``breast_density`` in the mass
files and ``breast density`` in the calcification files, "N/A" as text, and one "patient" folder
for each image and each finding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...utils.view_names import SIDE_OF_WORD, VIEWS
from ..core_tables import Row, read_rows

SUBSETS = ("mass", "calc")
SPLITS = ("train", "test")
TYPES = {"mass": "mass", "calc": "calcification"}
_PATHS = {
    "image": "image_file_path",
    "crop": "cropped_image_file_path",
    "mask": "roi_mask_file_path",
}
_TEXTS = {
    "mass": ("mass_shape", "mass_margins", "pathology"),
    "calc": ("calc_type", "calc_distribution", "pathology"),
}
_NUMBERS = ("assessment", "subtlety", "breast_density")


@dataclass(frozen=True)
class SeriesRef:
    """A file as a CSV names it: ``<folder>/<study UID>/<series UID>/<file name>``."""

    folder: str
    study_uid: str
    series_uid: str
    file_name: str

    @property
    def path(self) -> str:
        """The path in the CSV's own layout."""
        return "/".join((self.folder, self.study_uid, self.series_uid, self.file_name))


@dataclass(frozen=True)
class Finding:
    """One row of a CSV: one abnormality in one view.

    Attributes:
        subset, split: "mass" or "calc"; "train" or "test".
        patient_id, laterality, view: "P_00001", L/R, CC/MLO.
        abnormality_id: number within the CSV's view; not always the same in both views.
        facts: pathology, assessment, subtlety, breast_density, and mass_shape and mass_margins
            or calc_type and calc_distribution; None where the CSV says N/A or nothing.
        image, crop, mask: the files that the row names.
        source: file and line of the row, for messages.
    """

    subset: str
    split: str
    patient_id: str
    laterality: str
    view: str
    abnormality_id: int
    facts: dict[str, str | int | None]
    image: SeriesRef
    crop: SeriesRef
    mask: SeriesRef
    source: str

    @property
    def breast(self) -> tuple[str, str]:
        return self.patient_id, self.laterality


@dataclass(frozen=True)
class Film:
    """One mammogram of one subset, with its findings.

    Attributes:
        name: folder of the film as released, such as "Mass-Training_P_00001_LEFT_CC".
        subset, split, patient_id, laterality, view: as in Finding.
        image: the film's file.
        findings: at least one, in the order of the CSV.
    """

    name: str
    subset: str
    split: str
    patient_id: str
    laterality: str
    view: str
    image: SeriesRef
    findings: tuple[Finding, ...]

    @property
    def place(self) -> tuple[str, str, str]:
        """What the film shows: patient, laterality, view."""
        return self.patient_id, self.laterality, self.view


def csv_name(subset: str, split: str) -> str:
    """File name of a case-description CSV as released."""
    return f"{subset}_case_description_{split}_set.csv"


def read_findings(
    folder: str | Path, subsets: Sequence[str] = SUBSETS
) -> tuple[list[Finding], list[str]]:
    """Read the case-description CSVs.

    Args:
        folder: holds the CSVs under their released names.
        subsets: "mass" and "calc".

    Returns:
        the findings in the order of the files, and what was left out of them (a row that stands
        in the files twice), one sentence each.

    Raises:
        FileNotFoundError: a CSV is missing.
        ValueError: a CSV cannot be read, a column is missing, or a cell is none of what it may
            be; names file and line.
    """
    findings: list[Finding] = []
    repeated: list[str] = []
    seen: dict[tuple[Any, ...], str] = {}
    for subset in subsets:
        for split in SPLITS:
            for finding in _read_csv(Path(folder) / csv_name(subset, split), subset, split):
                key = (*finding.image.path.split("/"), finding.abnormality_id)
                if key in seen:
                    repeated.append(f"{finding.source}: the finding of {seen[key]} once more")
                    continue
                seen[key] = finding.source
                findings.append(finding)
    return findings, repeated


def group_films(findings: Sequence[Finding]) -> list[Film]:
    """The films that findings lie on, in the order in which they first appear.

    Raises:
        ValueError: two findings of one image folder disagree on what the film is.
    """
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.image.folder, []).append(finding)
    films = []
    for name, group in groups.items():
        first = group[0]
        keys = ("subset", "split", "patient_id", "laterality", "view", "image")
        for other in group[1:]:
            for key in keys:
                if getattr(other, key) != getattr(first, key):
                    raise ValueError(
                        f"{other.source}: {key} of {name} is {getattr(other, key)}, but "
                        f"{first.source} says {getattr(first, key)}"
                    )
        films.append(Film(name, *(getattr(first, key) for key in keys), findings=tuple(group)))
    return films


def _read_csv(path: Path, subset: str, split: str) -> Iterator[Finding]:
    if not path.is_file():
        raise FileNotFoundError(f"No {path}; --csv must be the folder of the four released CSVs")
    needed = ["patient_id", "left_or_right_breast", "image_view", "abnormality_id"]
    needed += ["abnormality_type", *_PATHS.values(), *_TEXTS[subset], *_NUMBERS]
    for where, row in read_rows(path, needed):
        # Without its folder, which would make another finding of it when the CSVs are moved.
        yield _finding(Path(where).name, row, subset, split)


def _finding(where: str, row: Row, subset: str, split: str) -> Finding:
    for key, allowed in (
        ("left_or_right_breast", tuple(SIDE_OF_WORD)),
        ("image_view", VIEWS),
        ("abnormality_type", (TYPES[subset],)),
    ):
        if row[key] not in allowed:
            raise ValueError(f"{where}: {key} is {row[key]!r}, not {' or '.join(allowed)}")
    if not row["patient_id"]:
        raise ValueError(f"{where}: patient_id is empty")
    facts: dict[str, str | int | None] = {k: _text(row[k]) for k in _TEXTS[subset]}
    facts |= {key: _number(where, key, row[key]) for key in _NUMBERS}
    abnormality = _number(where, "abnormality_id", row["abnormality_id"])
    if abnormality is None:
        raise ValueError(f"{where}: abnormality_id is empty")
    return Finding(
        subset,
        split,
        row["patient_id"],
        SIDE_OF_WORD[row["left_or_right_breast"]],
        row["image_view"],
        abnormality,
        facts,
        *(_series(where, key, row[key]) for key in _PATHS.values()),
        source=where,
    )


def _text(cell: str) -> str | None:
    return None if cell in ("", "N/A") else cell


def _number(where: str, key: str, cell: str) -> int | None:
    if _text(cell) is None:
        return None
    try:
        return int(cell)
    except ValueError:
        raise ValueError(f"{where}: {key} is {cell!r}, not a whole number") from None


def _series(where: str, key: str, cell: str) -> SeriesRef:
    parts = cell.split("/")
    if len(parts) != 4 or not all(parts):
        raise ValueError(f"{where}: {key} is {cell!r}, not folder/study UID/series UID/file")
    return SeriesRef(*parts)
