"""A data set of one's own: a table with a row for each box (file, box, patient, side, view).

Columns, in any order and case:

    file                     below the image folder; DICOM, PNG, JPEG or TIFF
    box, or x0 y0 x1 y1      empty: the film has no lesion; also xmin ymin xmax ymax, and x y w h
    patient, side, view      where a column or a cell is missing: of the DICOM header, or of a file
                             name such as <patient>_LEFT_CC.png
    split, case, lesion, bits, density, mm_per_pixel    optional; the keys of datasets/README.md
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..data.file_names import parse_name
from ..dicom.acceptance import Wishes, reason_to_leave_out, view_of
from ..dicom.header import read_header
from ..dicom.reader import is_dicom
from ..dicom.views import parse_view_text
from ..utils.safe_names import distinct_names, safe_name
from ..utils.view_names import VIEWS
from .core import Source, SourceFilm, SourceLesion
from .core_tables import Row, number, optional, read_rows, required, split_of, whole

BOX_FORMATS = ("xyxy", "xywh")
_CORNERS = (("x0", "y0", "x1", "y1"), ("xmin", "ymin", "xmax", "ymax"))
_SIZES = (("x", "y", "w", "h"), ("x", "y", "width", "height"))
_ALIASES = {
    "file": ("file", "file_name", "filename", "image", "path"),
    "patient": ("patient", "patient_id"),
    "side": ("side", "laterality", "breast"),
    "view": ("view", "view_position"),
    "case": ("case", "case_id", "study", "examination"),
    "lesion": ("lesion", "lesion_id"),
    "density": ("density", "breast_density"),
}

Box = tuple[float, float, float, float]
# Patient, examination, side, view; None where nothing tells it.
Place = tuple[str | None, str | None, str | None, str | None]


def read_table(
    table: Path,
    images: Path,
    *,
    name: str = "mine",
    box_format: str = "xyxy",
    wishes: Wishes | None = None,
) -> Source:
    """The films and boxes that a table lists.

    Args:
        table: CSV.
        images: folder that its files are relative to.
        name: of the data set.
        box_format: what the column ``box`` holds, corners ("xyxy") or a corner and the size.
        wishes: ML views are taken for MLO, or images for processing are taken.

    Raises:
        FileNotFoundError: no table.
        ValueError: a row that cannot be read, or two that contradict each other; names them.
    """
    if box_format not in BOX_FORMATS:
        raise ValueError(f"the box format must be {' or '.join(BOX_FORMATS)}, not {box_format!r}")
    rows = [(where, _plain(row)) for where, row in read_rows(table, ())]
    columns = set(rows[0][1])
    if "file" not in columns:
        raise ValueError(f"{table}: no column file; it names the image of each row")
    boxes = _BoxColumns(table, columns, box_format)
    grouped: dict[str, list[tuple[str, Row]]] = {}
    for where, row in rows:
        grouped.setdefault(required(where, row, "file"), []).append((where, row))
    names = distinct_names([images / file for file in grouped])
    films, left_out = [], []
    for file, of_film in grouped.items():
        stem = safe_name(names[images / file].replace("/", "_"))
        try:
            films.append(_film(stem, images, file, of_film, boxes, wishes or Wishes()))
        except _NotUsed as error:
            left_out.append((file, str(error)))
    return Source(name, images, tuple(films), left_out=tuple(left_out))


class _NotUsed(Exception):
    """A film that is no standard mammogram; says why."""


class _BoxColumns:
    """Where the boxes of a table stand."""

    def __init__(self, table: Path, columns: set[str], box_format: str) -> None:
        self.corners = next((c for c in _CORNERS if columns.issuperset(c)), None)
        self.sizes = next((c for c in _SIZES if columns.issuperset(c)), None)
        self.xywh = box_format == "xywh" or (self.corners is None and "box" not in columns)
        if self.corners is None and self.sizes is None and "box" not in columns:
            raise ValueError(
                f"{table}: no boxes; expected a column box, or x0, y0, x1, y1, or x, y, w, h"
            )

    def of(self, where: str, row: Row) -> Box | None:
        """x0, y0, x1, y1 of a row; None where it has no box.

        Raises:
            ValueError: not four numbers, or a box without width or height.
        """
        values = self._values(where, row)
        if values is None:
            return None
        x0, y0, x1, y1 = values
        if self.xywh:
            x1, y1 = x0 + x1, y0 + y1
        if x1 <= x0 or y1 <= y0:
            hint = "" if self.xywh or self.corners else " (or give --box-format xywh)"
            raise ValueError(
                f"{where}: the box {values} has no width or height; expected x0 < x1 and "
                f"y0 < y1{hint}"
            )
        return x0, y0, x1, y1

    def _values(self, where: str, row: Row) -> Box | None:
        columns = self.corners or (None if "box" in row else self.sizes)
        if columns is None:
            cell = optional(row, "box")
            if cell is None:
                return None
            texts = re.split(r"[\s,;]+", cell.strip("[]() "))
            given = {str(n): text for n, text in enumerate(texts)}
            if len(texts) != 4:
                raise ValueError(f"{where}: box is {cell!r}, expected four numbers")
            columns, row = tuple(given), given
        found = [number(where, row, column) for column in columns]
        if all(value is None for value in found):
            return None
        if any(value is None for value in found):
            raise ValueError(f"{where}: of {', '.join(columns)} some are empty; give all or none")
        return tuple(found)  # type: ignore[return-value]


def _plain(row: Mapping[str, str]) -> Row:
    """The row under the names of this module."""
    plain = dict(row)
    for column, aliases in _ALIASES.items():
        for alias in aliases:
            if alias in row and column not in plain:
                plain[column] = row[alias]
    return plain


def _film(
    stem: str,
    images: Path,
    file: str,
    rows: Sequence[tuple[str, Row]],
    boxes: _BoxColumns,
    wishes: Wishes,
) -> SourceFilm:
    where, first = rows[0]
    _check_alike(rows)
    film = replace(
        _place(where, first, images / file, wishes),
        name=stem,
        path=file,
        split=split_of(where, first),
        bits=whole(where, first, "bits"),
    )
    if not (images / file).is_file():
        film = replace(film, path=None)
    facts = {"density": optional(first, "density")}
    facts["mm_per_pixel"] = number(where, first, "mm_per_pixel")
    lesions = []
    for line, row in rows:
        box = boxes.of(line, row)
        if box is not None:
            lesions.append(SourceLesion(str(len(lesions) + 1), box, (), optional(row, "lesion")))
    stated = {key: value for key, value in facts.items() if value is not None}
    return replace(film, facts=stated, lesions=tuple(lesions))


def _check_alike(rows: Sequence[tuple[str, Row]]) -> None:
    """All rows of a film must say the same of it."""
    for column in ("patient", "side", "view", "split", "case", "bits"):
        values = {row.get(column, "") for _, row in rows}
        if len(values) > 1:
            lines = ", ".join(where.rpartition(" ")[2] for where, _ in rows)
            raise ValueError(
                f"{rows[0][0].rpartition(',')[0]}, lines {lines}: {column} of "
                f"{rows[0][1]['file']} is {' and '.join(map(repr, sorted(values)))}; the rows of "
                "a film must agree"
            )


def _place(where: str, row: Row, path: Path, wishes: Wishes) -> SourceFilm:
    """A film with its patient, examination, side and view: of the table, else of the file."""
    patient, case, side, view = _of_file(path, wishes)
    # "LMLO" or "R CC" in the view's column tell the side as well.
    told = parse_view_text(optional(row, "view") or "")
    side_cell = optional(row, "side")
    if side_cell is not None:
        side = parse_view_text(side_cell).side
    elif told.side is not None:
        side = told.side
    if optional(row, "view") is not None:
        view = told.view
        if view in ("ML", "LM") and wishes.lateral:
            view = "MLO"
    if optional(row, "patient") is not None:
        # Who names the patients says as well which films belong together.
        patient, case = row["patient"], None
    for what, value in (("patient", patient), ("side", side), ("view", view)):
        cell = optional(row, what)
        if value is None and cell is not None:
            raise ValueError(f"{where}: {what} is {cell!r}, which names none")
        if value is None:
            raise _NotUsed(f"no {what}: neither the table nor the file tells it")
    if view not in VIEWS:
        raise _NotUsed(f"view {view}, neither CC nor MLO")
    case = optional(row, "case") or case
    return SourceFilm("", None, patient, side, view, case_id=case)


def _of_file(path: Path, wishes: Wishes) -> Place:
    """What the file tells; patient and examination under names that tell nobody who they are."""
    if not path.is_file() or not is_dicom(path):
        return _of_name(path)
    try:
        header = read_header(path)
    except ValueError:
        # The step that reads the pixels says what is wrong with it.
        return None, None, None, None
    reason = reason_to_leave_out(header, wishes)
    if reason is not None:
        raise _NotUsed(reason)
    patient, study = header.identity.examination
    side, view = header.stated.side, header.stated.view
    if side is not None and view is not None:
        side, view = view_of(header, wishes)
    return _code("patient", patient), _code("exam", study), side, view


def _code(what: str, uid: str) -> str | None:
    return f"{what}-{hashlib.sha256(uid.encode()).hexdigest()[:12]}" if uid else None


def _of_name(path: Path) -> Place:
    try:
        patient, side, view = parse_name(path)
    except ValueError:
        return None, None, None, None
    return patient, None, side, view
