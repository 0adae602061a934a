"""A data set of one's own: a table with a row for each box (file, box, patient, side, view).

Columns, in any order and case:

    file                     below the image folder; DICOM, PNG, JPEG or TIFF
    box, or x0 y0 x1 y1      empty: the film has no lesion; also xmin ymin xmax ymax, and x y w h
    patient, side, view      where a column or a cell is missing: of the DICOM header, or of a file
                             name such as <patient>_LEFT_CC.png
    split, case, lesion, bits, density, mm_per_pixel    optional; the keys of datasets/README.md
    examined                 no: the film only serves other views, its lesions are not known
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..data.file_names import parse_name
from ..dicom.acceptance import LATERAL, Wishes, reason_to_leave_out
from ..dicom.header import read_header
from ..dicom.reader import has_dicom_suffix, has_mark
from ..dicom.views import parse_view_text
from ..utils.safe_names import distinct_names, safe_name
from ..utils.view_names import VIEWS
from .core import Source, SourceFilm, SourceLesion
from .core_tables import Row, number, optional, read_rows, required, split_of, whole, yes_or_no
from .table_boxes import BOX_FORMATS, BoxColumns

_ALIASES = {
    "file": ("file", "file_name", "filename", "image", "path"),
    "patient": ("patient", "patient_id"),
    "side": ("side", "laterality", "breast"),
    "view": ("view", "view_position"),
    "case": ("case", "case_id", "study", "examination"),
    "lesion": ("lesion", "lesion_id"),
    "density": ("density", "breast_density"),
}

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
    boxes = BoxColumns(table, columns, box_format)
    grouped: dict[str, list[tuple[str, Row]]] = {}
    for where, row in rows:
        file = _as_on_disk(required(where, row, "file"), images)
        grouped.setdefault(file, []).append((where, row))
    names = _film_names([images / file for file in grouped])
    films, codes, left_out = [], [], []
    for file, of_film in grouped.items():
        stem = names[images / file]
        try:
            film, code = _film(stem, images, file, of_film, boxes, wishes or Wishes())
        except _NotUsed as error:
            left_out.append((file, str(error)))
            continue
        films.append(film)
        codes.append(code)
    _check_patients(table, films, codes)
    return Source(name, images, tuple(films), left_out=tuple(left_out))


def _as_on_disk(file: str, images: Path) -> str:
    """A file under the name that it has below the images, whatever system wrote the table.

    Windows writes ``a\\b.png``; macOS parts accents from their letters, others do not.
    """
    for text in (file, file.replace("\\", "/")):
        for name in (text, *(unicodedata.normalize(form, text) for form in ("NFC", "NFD"))):
            if (images / name).is_file():
                return Path(name).as_posix()
    return Path(file).as_posix()


def _film_names(files: Sequence[Path]) -> dict[Path, str]:
    """A name of its own for each image; folders show as "_" unless another file has the name."""
    names = distinct_names(files)
    flat = {file: name.replace("/", "_") for file, name in names.items()}
    taken = Counter(flat.values())
    return {
        file: safe_name(name if taken[flat[file]] > 1 else flat[file])
        for file, name in names.items()
    }


class _NotUsed(Exception):
    """A film that is no standard mammogram; says why."""


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
    boxes: BoxColumns,
    wishes: Wishes,
) -> tuple[SourceFilm, str | None]:
    """A film, and the patient that its header tells, as a code."""
    where, first = rows[0]
    _check_alike(rows)
    film, code = _place(where, first, images / file, wishes)
    film = replace(
        film,
        name=stem,
        path=file,
        split=split_of(where, first),
        bits=whole(where, first, "bits"),
        examined=yes_or_no(where, first, "examined") is not False,
    )
    if not (images / file).is_file():
        film = replace(film, path=None)
    spacing = number(where, first, "mm_per_pixel")
    if spacing is not None and spacing <= 0:
        raise ValueError(f"{where}: mm_per_pixel is {spacing:g}, expected a number above 0")
    facts = {"density": optional(first, "density"), "mm_per_pixel": spacing}
    lesions = []
    for line, row in rows:
        box = boxes.of(line, row)
        if box is not None:
            lesions.append(SourceLesion(str(len(lesions) + 1), box, (), optional(row, "lesion")))
    stated = {key: value for key, value in facts.items() if value is not None}
    return replace(film, facts=stated, lesions=tuple(lesions)), code


def _check_alike(rows: Sequence[tuple[str, Row]]) -> None:
    """All rows of a film must say the same of it."""
    for column in ("patient", "side", "view", "split", "case", "bits", "examined"):
        values = {row.get(column, "") for _, row in rows}
        if len(values) > 1:
            lines = ", ".join(where.rpartition(" ")[2] for where, _ in rows)
            raise ValueError(
                f"{rows[0][0].rpartition(',')[0]}, lines {lines}: {column} of "
                f"{rows[0][1]['file']} is {' and '.join(map(repr, sorted(values)))}; the rows of "
                "a film must agree"
            )


def _check_patients(table: Path, films: Sequence[SourceFilm], codes: Sequence[str | None]) -> None:
    """A patient whom one row names and of another the file alone would be two, in two splits."""
    pairs = list(zip(films, codes, strict=True))
    named = {code: film for film, code in pairs if code and code != film.patient_id}
    for film, code in pairs:
        if code == film.patient_id and code in named:
            other = named[code]
            raise ValueError(
                f"{table}: patient of {film.path} is empty; by header or name it is that of "
                f"{other.path}, who is {other.patient_id!r} there. Name the patient in both rows "
                "or in none"
            )


def _place(where: str, row: Row, path: Path, wishes: Wishes) -> tuple[SourceFilm, str | None]:
    """A film with its patient, examination, side and view: of the table, else of the file.

    Returns:
        the film, and the patient of its header, as a code.
    """
    code = None
    try:
        patient, case, side, view = _of_file(path, wishes)
        code = patient
    except OSError:
        # What the table tells all of is read later, and then tried again.
        if any(optional(row, what) is None for what in ("patient", "side", "view")):
            raise
        patient = case = side = view = None
    # "LMLO" or "R CC" in the view's column tell the side as well.
    told = parse_view_text(optional(row, "view") or "")
    side_cell = optional(row, "side")
    if side_cell is not None:
        side = parse_view_text(side_cell).side
        if None not in (side, told.side) and side != told.side:
            raise ValueError(
                f"{where}: side is {side_cell!r}, but view is {row['view']!r}, of the other breast"
            )
    elif told.side is not None:
        side = told.side
    if optional(row, "view") is not None:
        view = told.view
    if view in LATERAL and wishes.lateral:
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
    return SourceFilm("", None, patient, side, view, case_id=case), code


def _of_file(path: Path, wishes: Wishes) -> Place:
    """What the file tells; patient and examination under names that tell nobody who they are.

    Raises:
        OSError: the file cannot be read now.
    """
    if not path.is_file() or not (has_dicom_suffix(path) or has_mark(path)):
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
    stated = header.stated
    return _code("patient", patient), _code("exam", study), stated.side, stated.view


def _code(what: str, uid: str) -> str | None:
    return f"{what}-{hashlib.sha256(uid.encode()).hexdigest()[:12]}" if uid else None


def _of_name(path: Path) -> Place:
    try:
        patient, side, view = parse_name(path)
    except ValueError:
        return None, None, None, None
    return patient, None, side, view
