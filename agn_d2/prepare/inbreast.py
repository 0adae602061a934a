"""INbreast: a table with a row for each film, DICOM files, and outlines in XML property lists.

The patient stands in the names of the DICOM files alone,
``<File Name>_<16 hex digits>_MG_<L|R>_<CC|ML>_ANON.dcm``, where ML means MLO. The table ends with
a row of sums, and its file names may be written as floats.
"""

from __future__ import annotations

import plistlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

from ..utils.view_names import VIEWS
from ..utils.walk import files_below
from .core import Points, Source, SourceFilm, SourceLesion
from .core_tables import Row, number, optional, read_rows, side_of

TABLES = ("INbreast.csv", "INbreast.xls")
MASS, MUSCLE = "mass", "pectoral muscle"
_FILE = re.compile(
    r"(?P<file>\d+)_(?P<patient>[0-9a-f]{16})_MG_(?P<side>[LR])_(?P<view>CC|ML)_ANON", re.I
)
_VIEWS = {"CC": "CC", "ML": "MLO"}
_POINT = re.compile(r"\(\s*(-?[\d.]+(?:e[-+]?\d+)?)\s*,\s*(-?[\d.]+(?:e[-+]?\d+)?)\s*\)", re.I)
_PECTORAL = "pectoral"  # in the name of the folder, or of the file, of the muscles' outlines


@dataclass(frozen=True)
class Roi:
    """A region of interest of a property list.

    Attributes:
        name: in lower case, such as "mass", "calcification", "pectoral muscle".
        points: (x, y) in pixels of the film.
        stated: number of points that the file states.
    """

    name: str
    points: Points
    stated: int


def read_inbreast(root: Path, table: Path | None = None) -> Source:
    """The films and masses of INbreast.

    Args:
        root: the download, with the DICOM and the XML files in whatever folders.
        table: CSV or .xls; None: INbreast.csv, else INbreast.xls, of the root.

    Raises:
        FileNotFoundError: no table.
        ValueError: no DICOM file of INbreast, or a row that cannot be read; names it.
    """
    table = table or next((root / name for name in TABLES if (root / name).is_file()), None)
    if table is None:
        raise FileNotFoundError(f"{root}: neither {' nor '.join(TABLES)} in it; give --table")
    files = {m["file"]: (path, m) for path, m in _dicom_files(root)}
    if not files:
        raise ValueError(f"{root}: no DICOM file such as 20586908_<16 digits>_MG_R_CC_ANON.dcm")
    outlines = xml_files(root, pectoral=False)
    films: list[SourceFilm] = []
    left_out: list[tuple[str, str]] = []
    rows = read_rows(table, ("laterality", "view", "file_name"), ("utf-8-sig", "cp1252"))
    for where, row in rows:
        name = _file_name(where, row)
        if name is None:
            left_out.append((where, "row without a film, such as that of the sums"))
            continue
        view = (optional(row, "view") or "").upper()
        if view not in VIEWS:
            left_out.append((name, f"view {view}, neither CC nor MLO"))
        elif name not in files:
            left_out.append((name, "no DICOM file, which alone tells the patient"))
        else:
            path, parts = files[name]
            film = _film(root, where, row, path, parts)
            films.append(_with_masses(film, row, outlines.get(name)))
    return Source("inbreast", root, tuple(_numbered(films)), left_out=tuple(left_out))


def xml_files(root: Path, *, pectoral: bool) -> dict[str, Path]:
    """File name of a film -> its property list, of the lesions or of the pectoral muscles."""
    return {
        path.stem.partition("_")[0]: path
        for path in sorted(files_below(root))
        if path.suffix.lower() == ".xml"
        and (_PECTORAL in path.parent.name.lower() or "muscle" in path.stem.lower()) == pectoral
    }


def read_rois(path: Path) -> list[Roi]:
    """The regions of a property list.

    Raises:
        ValueError: no property list with ``Images[0].ROIs[]``; names the file.
    """
    try:
        content = plistlib.loads(path.read_bytes(), fmt=plistlib.FMT_XML)
        rois = content["Images"][0]["ROIs"]
        return [_roi(roi) for roi in rois]
    except (
        *(ExpatError, plistlib.InvalidFileException, ValueError),
        *(AttributeError, KeyError, IndexError, TypeError),
    ) as error:
        raise ValueError(f"{path}: no property list with Images[0].ROIs ({error!r})") from None


def _roi(roi: Mapping[str, Any]) -> Roi:
    points = []
    for text in roi["Point_px"]:
        match = _POINT.search(text)
        if match is None:
            raise ValueError(f"point {text!r}, expected (x, y)")
        points.append((float(match[1]), float(match[2])))
    name = " ".join(str(roi["Name"]).lower().split())
    return Roi(name, tuple(points), int(roi.get("NumberOfPoints", len(points))))


def _dicom_files(root: Path) -> Iterator[tuple[Path, re.Match[str]]]:
    for path in sorted(files_below(root)):
        match = _FILE.fullmatch(path.stem)
        if match is not None and path.suffix.lower() == ".dcm":
            yield path, match


def _file_name(where: str, row: Row) -> str | None:
    """The digits that name a film, also where a spreadsheet wrote 22678622.0; None: no film."""
    value = number(where, row, "file_name") if optional(row, "laterality") else None
    return None if value is None else str(int(value))


def _film(root: Path, where: str, row: Row, path: Path, parts: re.Match[str]) -> SourceFilm:
    side, view = side_of(where, row["laterality"]), row["view"].upper()
    told = parts["side"].upper(), _VIEWS[parts["view"].upper()]
    notes = []
    if told != (side, view):
        text = f"{' '.join(told)}; the table says {side} {view}"
        notes.append(("another view in the file's name", text))
    facts = {"breast_density": optional(row, "acr"), "birads": optional(row, "bi-rads")}
    return SourceFilm(
        parts["file"],
        path.relative_to(root).as_posix(),
        parts["patient"].lower(),
        side,
        view,
        case_id=optional(row, "acquisition_date"),
        facts={key: _plain(value) for key, value in facts.items() if value is not None},
        notes=tuple(notes),
    )


def _numbered(films: Sequence[SourceFilm]) -> Iterator[SourceFilm]:
    """Films whose examination is a number, of patients that came more than once."""
    dates: dict[str, set[str]] = {}
    for film in films:
        dates.setdefault(film.patient_id, set()).add(film.case_id or "")
    for film in films:
        of_patient = sorted(dates[film.patient_id])
        number = str(1 + of_patient.index(film.case_id or ""))
        yield replace(film, case_id=number if len(of_patient) > 1 else None)


def _plain(text: str) -> int | str:
    """1 for "1" and "1.0"; "4a" stays a text."""
    whole = text.removesuffix(".0")
    return int(whole) if whole.isdecimal() else text


def _with_masses(film: SourceFilm, row: Row, path: Path | None) -> SourceFilm:
    notes, lost = list(film.notes), []
    rois: list[Roi] = []
    if path is not None:
        try:
            rois = read_rois(path)
        except ValueError as error:
            lost.append(f"outlines unreadable: {error}")
    lesions = []
    for roi in rois:
        if roi.name != MASS:
            notes.append(("other finding", roi.name))
            continue
        name = str(len(lesions) + 1)
        if roi.stated != len(roi.points):
            notes.append(
                ("points missing", f"mass {name}: {roi.stated} stated, {len(roi.points)} there")
            )
        # One with fewer than three points has no area, and is lost where it is drawn.
        outline = roi.points if len(roi.points) >= 3 else ()
        lesions.append(SourceLesion(name, outline=outline))
    stated = optional(row, "mass") is not None
    if stated and not lesions and not lost:
        what = "no XML file" if path is None else "no mass in the XML file"
        lost.append(f"the table says that there is a mass, but there is {what}")
    elif "mass" in row and lesions and not stated:
        notes.append(("mass in the XML file only", f"{len(lesions)} outlines"))
    elif "mass" not in row and path is None and film.facts.get("birads") != 1:
        lost.append("no XML file, and the table does not say whether there is a mass")
    return replace(film, lesions=tuple(lesions), notes=tuple(notes), lost=tuple(lost))
