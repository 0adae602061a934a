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

import logging
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..dicom.acceptance import Wishes
from ..utils.safe_names import distinct_names, safe_name
from .core import Source, SourceFilm, SourceLesion
from .core_tables import Row, number, optional, read_rows, required, split_of, whole, yes_or_no
from .table_boxes import BOX_FORMATS, BoxColumns
from .table_place import NotUsed, Place, check_patients, place_of

logger = logging.getLogger(__name__)

# Names of the columns; "_" is left out, so that PatientID, patient_id and "patient id" are one.
_ALIASES = {
    "file": ("file", "filename", "filepath", "image", "imagefile", "imagepath", "path"),
    "patient": ("patient", "patientid"),
    "side": ("side", "laterality", "imagelaterality", "breast"),
    "view": ("view", "viewposition"),
    "case": (
        *("case", "caseid", "study", "studyid", "studyinstanceuid"),
        *("exam", "examid", "examination", "examinationid"),
    ),
    "lesion": ("lesion", "lesionid"),
    "density": ("density", "breastdensity"),
    "split": ("split",),
    "bits": ("bits",),
    "mm_per_pixel": ("mmperpixel",),
    "examined": ("examined",),
}


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
    read = read_rows(table, ())
    columns = tuple(filter(None, read[0][1]))  # pandas writes its index without a name
    names = _column_names(columns)
    if "file" not in names.values():
        raise ValueError(
            f"{table}: no column file (or {', '.join(_ALIASES['file'][1:])}); it names the image "
            f"of each row. The columns are: {', '.join(columns)}"
        )
    boxes = BoxColumns(table, columns, box_format)
    unread = tuple(c for c in columns if c not in names and c not in boxes.columns)
    if unread:
        logger.warning(
            "%s: columns that are not read: %s. Read are file, box, %s, by these and some further "
            "names (datasets/README.md); each row with a box is a lesion of the one class",
            *(table, ", ".join(unread), ", ".join(list(_ALIASES)[1:])),
        )
    rows = [(where, {names.get(c, c): cell for c, cell in row.items()}) for where, row in read]
    grouped: dict[str, list[tuple[str, Row]]] = {}
    for where, row in rows:
        file = _as_on_disk(required(where, row, "file"), images)
        grouped.setdefault(file, []).append((where, row))
    film_names = _film_names([images / file for file in grouped])
    films, places, left_out = [], [], []
    for file, of_film in grouped.items():
        _check_alike(of_film)
        try:
            place = place_of(*of_film[0], images / file, wishes or Wishes())
        except NotUsed as error:
            left_out.append((file, str(error)))
            continue
        places.append((file, place))
        films.append(_film(film_names[images / file], images, file, of_film, boxes, place))
    check_patients(table, places)
    return Source(name, images, tuple(films), left_out=tuple(left_out), unread=unread)


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


def _column_names(columns: Sequence[str]) -> dict[str, str]:
    """Column of a table -> its name here, of those that are read; of several the first alias."""
    # An exact name goes before others that are one with it.
    ordered = sorted(columns, key=lambda column: column in _ALIASES)
    plain = {column.replace("_", ""): column for column in ordered}
    found = {
        name: next((plain[alias] for alias in aliases if alias in plain), None)
        for name, aliases in _ALIASES.items()
    }
    return {column: name for name, column in found.items() if column is not None}


def _film(
    stem: str,
    images: Path,
    file: str,
    rows: Sequence[tuple[str, Row]],
    boxes: BoxColumns,
    place: Place,
) -> SourceFilm:
    where, first = rows[0]
    spaced, row = _first_with("mm_per_pixel", rows)
    spacing = number(spaced, row, "mm_per_pixel")
    if spacing is not None and spacing <= 0:
        raise ValueError(f"{spaced}: mm_per_pixel is {spacing:g}, expected a number above 0")
    density = optional(_first_with("density", rows)[1], "density")
    facts = {"density": density, "mm_per_pixel": spacing}
    lesions: list[SourceLesion] = []
    notes = []
    for line, row in rows:
        box, lesion_id = boxes.of(line, row), optional(row, "lesion")
        if box is None:
            continue
        same = next((n for n, lesion in enumerate(lesions) if lesion.box == box), None)
        if same is None:
            lesions.append(SourceLesion(str(len(lesions) + 1), box, (), lesion_id))
            continue
        notes.append(("repeated row", f"{line.rpartition(', ')[2]}: the box is there already"))
        known = lesions[same].lesion_id
        if None not in (known, lesion_id) and known != lesion_id:
            raise ValueError(f"{line}: the box of lesion {lesion_id!r} is that of {known!r} too")
        lesions[same] = replace(lesions[same], lesion_id=known or lesion_id)
    stated = {key: value for key, value in facts.items() if value is not None}
    return SourceFilm(
        stem,
        file if (images / file).is_file() else None,
        place.patient,
        place.side,
        place.view,
        case_id=place.case,
        split=split_of(where, first),
        bits=whole(where, first, "bits"),
        examined=yes_or_no(where, first, "examined") is not False,
        facts=stated,
        lesions=tuple(lesions),
        notes=tuple(notes),
    )


def _first_with(column: str, rows: Sequence[tuple[str, Row]]) -> tuple[str, Row]:
    """The first row of a film that states something, or its first row."""
    return next((row for row in rows if row[1].get(column)), rows[0])


def _check_alike(rows: Sequence[tuple[str, Row]]) -> None:
    """All rows of a film must say the same of it; some facts may be left out in some rows."""
    facts = ("density", "mm_per_pixel")
    for column in ("patient", "side", "view", "split", "case", "bits", "examined", *facts):
        values = {row.get(column, "") for _, row in rows}
        if column in facts:
            values.discard("")
        if len(values) > 1:
            lines = ", ".join(where.rpartition(" ")[2] for where, _ in rows)
            raise ValueError(
                f"{rows[0][0].rpartition(',')[0]}, lines {lines}: {column} of "
                f"{rows[0][1]['file']} is {' and '.join(map(repr, sorted(values)))}; the rows of "
                "a film must agree"
            )
