"""Where a film of a table belongs: patient, examination, side and view."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..data.file_names import parse_name
from ..dicom.acceptance import LATERAL, Wishes, reason_to_leave_out
from ..dicom.header import read_header
from ..dicom.reader import has_dicom_suffix, has_mark
from ..dicom.views import parse_view_text
from ..utils.view_names import VIEWS
from .core_tables import Row, optional


class NotUsed(Exception):
    """A film that is no standard mammogram; says why."""


@dataclass(frozen=True)
class Place:
    """Where a film belongs.

    Attributes:
        patient: as the table names her, else by the file.
        case: the examination, if the table or the file tells it.
        side, view: L or R, CC or MLO.
        patient_of_file: of the header, as a code, or of the file's name; None: it tells none.
        is_named: whether the table names the patient.
    """

    patient: str
    case: str | None
    side: str
    view: str
    patient_of_file: str | None
    is_named: bool


@dataclass(frozen=True)
class _Told:
    """What a file tells; None where it tells nothing."""

    patient: str | None = None
    case: str | None = None
    side: str | None = None
    view: str | None = None


def place_of(where: str, row: Row, path: Path, wishes: Wishes) -> Place:
    """Where a film belongs by its row, and by its file for what the row leaves open.

    Args:
        where: of the row, for messages.
        row: cells under the names of ``table``.
        path: of the file.
        wishes: ML views are taken for MLO, or images for processing are taken.

    Raises:
        NotUsed: no standard mammogram, or nothing tells one of the three.
        OSError: the file cannot be read now, and the table does not tell all.
        ValueError: a cell that names none, or two that contradict each other.
    """
    try:
        told = _of_file(path, wishes)
    except OSError:
        # What the table tells all of is read later, and then tried again.
        if any(optional(row, what) is None for what in ("patient", "side", "view")):
            raise
        told = _Told()
    side, view = _side_and_view(where, row, told)
    if view in LATERAL and wishes.lateral:
        view = "MLO"
    patient, case, is_named = told.patient, told.case, optional(row, "patient") is not None
    if is_named:
        # Who names the patients says as well which films belong together.
        patient, case = row["patient"], None
    for what, value in (("patient", patient), ("side", side), ("view", view)):
        cell = optional(row, what)
        if value is None and cell is not None:
            known = {"side": "L or R, or LEFT, RIGHT", "view": "CC or MLO"}.get(what, "a name")
            raise ValueError(f"{where}: {what} is {cell!r}, which names none; expected {known}")
        if value is None:
            raise NotUsed(f"no {what}: neither the table nor the file tells it")
    if view not in VIEWS:
        raise NotUsed(f"view {view}, neither CC nor MLO")
    case = optional(row, "case") or case
    return Place(patient, case, side, view, told.patient, is_named)


def check_patients(table: Path, placed: Sequence[tuple[str, Place]]) -> None:
    """Refuse a patient whom one row names and another leaves to the file: she would be two.

    Args:
        table: for the message.
        placed: (file, where it belongs) of all films.

    Raises:
        ValueError: names both files.
    """
    named = {
        place.patient_of_file: (file, place.patient)
        for file, place in placed
        if place.is_named and place.patient != place.patient_of_file
    }
    for file, place in placed:
        if not place.is_named and place.patient in named:
            other, name = named[place.patient]
            raise ValueError(
                f"{table}: patient of {file} is empty; by header or name it is that of {other}, "
                f"who is {name!r} there. Name the patient in both rows or in none"
            )


def _side_and_view(where: str, row: Row, told: _Told) -> tuple[str | None, str | None]:
    # "LMLO" or "R CC" in the view's column tell the side as well.
    in_view = parse_view_text(optional(row, "view") or "")
    side, view = in_view.side or told.side, told.view
    side_cell = optional(row, "side")
    if side_cell is not None:
        side = parse_view_text(side_cell).side
        if None not in (side, in_view.side) and side != in_view.side:
            raise ValueError(
                f"{where}: side is {side_cell!r}, but view is {row['view']!r}, of the other breast"
            )
    if optional(row, "view") is not None:
        view = in_view.view
    return side, view


def _of_file(path: Path, wishes: Wishes) -> _Told:
    """What the file tells; patient and examination under names that tell nobody who they are.

    Raises:
        NotUsed: no standard mammogram.
        OSError: the file cannot be read now.
    """
    if not path.is_file() or not (has_dicom_suffix(path) or has_mark(path)):
        return _of_name(path)
    try:
        header = read_header(path)
    except ValueError:
        # The step that reads the pixels says what is wrong with it.
        return _Told()
    reason = reason_to_leave_out(header, wishes)
    if reason is not None:
        raise NotUsed(reason)
    patient, study = header.identity.examination
    stated = header.stated
    return _Told(_code("patient", patient), _code("exam", study), stated.side, stated.view)


def _code(what: str, uid: str) -> str | None:
    return f"{what}-{hashlib.sha256(uid.encode()).hexdigest()[:12]}" if uid else None


def _of_name(path: Path) -> _Told:
    try:
        patient, side, view = parse_name(path)
    except ValueError:
        return _Told()
    return _Told(patient, side=side, view=view)
