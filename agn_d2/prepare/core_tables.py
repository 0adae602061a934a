"""Tables of data sets: CSV with commas, semicolons or tabs, by the names of their columns."""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ..coco import values
from ..data.builtin import SPLITS
from ..dicom.views import parse_view_text

Row = dict[str, str]
Line = tuple[int, list[str]]  # number of the line in which a row begins, its cells
_DELIMITERS = ",;\t"
_STATED_DELIMITER = re.compile('"?sep=(.)"?')  # first line of some of Excel's CSV files
_EMPTY = values.EMPTY | {"n/a"}


def read_rows(
    path: Path, needed: Sequence[str], encodings: Sequence[str] = ("utf-8-sig",)
) -> list[tuple[str, Row]]:
    """The rows of a table.

    Columns are named in lower case, without blanks around them and with ``_`` for those within.

    Args:
        path: CSV, or .xls of Excel.
        needed: columns that must be there.
        encodings: of a CSV, tried in turn; UTF-8 with or without a byte order mark.

    Returns:
        (``file, line``, column -> cell without blanks around it) for each row that is not empty.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a column is missing or stands there twice, a row has more cells than the
            header, a quote is not closed, or no rows.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    lines = _xls_lines(path) if path.suffix.lower() == ".xls" else _csv_lines(path, encodings)
    header = [column_name(cell) for cell in next(lines, (0, []))[1]]
    missing = [name for name in needed if name not in header]
    if missing:
        there = ", ".join(filter(None, header))
        raise ValueError(f"{path}: no column {', '.join(missing)}; the columns are: {there}")
    twice = [name for name, count in Counter(filter(None, header)).items() if count > 1]
    if twice:
        raise ValueError(f"{path}: two columns {twice[0]}; which one counts? Rename the other")
    rows = list(_rows(path, lines, header))
    if not rows:
        raise ValueError(f"{path}: no rows")
    return rows


def column_name(text: str) -> str:
    """A column's name without the freedoms of spreadsheets: "Mass " -> "mass"."""
    return "_".join(text.strip().lower().split())


def _csv_lines(path: Path, encodings: Sequence[str]) -> Iterator[Line]:
    for encoding in encodings:
        try:
            text = path.read_text(encoding=encoding)
            break
        except UnicodeDecodeError as error:
            reason = str(error)
    else:
        raise ValueError(f"{path}: not UTF-8 text ({reason}); save it as CSV in UTF-8")
    first, _, rest = text.partition("\n")
    stated = _STATED_DELIMITER.fullmatch(first.rstrip("\r"))
    above = 0
    if stated is not None:
        text, above = rest, 1
    delimiter = stated[1] if stated else max(_DELIMITERS, key=first.count)
    # Strict, as a quote that is not closed would make one cell of all rows behind it.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    begins = above + 1
    try:
        for cells in reader:
            yield begins, cells
            begins = above + reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"{path}, line {begins}: not readable as CSV ({error})") from None


def _xls_lines(path: Path) -> Iterator[Line]:
    """The first sheet of a workbook."""
    try:
        import xlrd
    except ImportError:
        raise ValueError(f"{path}: pip install xlrd to read it, or save it as CSV") from None
    try:
        sheet = xlrd.open_workbook(path).sheet_by_index(0)
    except xlrd.XLRDError as error:
        raise ValueError(f"{path}: no .xls file of Excel ({error})") from None
    for number in range(sheet.nrows):
        # Excel has no whole numbers: a patient 17 is 17.0 there.
        yield number + 1, [values.text(cell) or "" for cell in sheet.row_values(number)]


def _rows(path: Path, lines: Iterator[Line], header: list[str]) -> Iterator[tuple[str, Row]]:
    for line, cells in lines:
        where = f"{path}, line {line}"
        cells = [cell.strip() for cell in cells]
        if not any(cells):
            continue
        if any(cells[len(header) :]):
            raise ValueError(f"{where}: {len(cells)} cells, the header has {len(header)}")
        cells += [""] * (len(header) - len(cells))
        yield where, dict(zip(header, cells, strict=False))


def optional(row: Mapping[str, str], key: str) -> str | None:
    """A cell, or None where it is empty (also as NaN or null) or there is no such column."""
    cell = row.get(key, "")
    return None if cell.lower() in _EMPTY else cell


def required(where: str, row: Mapping[str, str], key: str) -> str:
    """A cell that must not be empty.

    Raises:
        ValueError: it is; names the row and the column.
    """
    cell = optional(row, key)
    if cell is None:
        raise ValueError(f"{where}: {key} is empty")
    return cell


def number(where: str, row: Mapping[str, str], key: str) -> float | None:
    """A finite number, None where the cell is empty.

    Raises:
        ValueError: no number; names the row and the column.
    """
    cell = optional(row, key)
    if cell is None:
        return None
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        hint = " (with a decimal point)" if "," in cell else ""
        raise ValueError(f"{where}: {key} is {cell!r}, expected a number{hint}")
    return value


def whole(where: str, row: Mapping[str, str], key: str) -> int | None:
    """A whole number above 0, also written 3518.0; None where the cell is empty.

    Raises:
        ValueError: no such number; names the row and the column.
    """
    value = number(where, row, key)
    if value is None:
        return None
    if value != int(value) or value < 1:
        raise ValueError(f"{where}: {key} is {row[key]!r}, expected a whole number from 1 on")
    return int(value)


def yes_or_no(where: str, row: Mapping[str, str], key: str) -> bool | None:
    """1, yes or true, or 0, no or false; None where the cell is empty.

    Raises:
        ValueError: another text; names the row and the column.
    """
    cell = optional(row, key)
    if cell is None:
        return None
    for answer, words in ((True, ("1", "yes", "true")), (False, ("0", "no", "false"))):
        if cell.lower() in words:
            return answer
    raise ValueError(f"{where}: {key} is {cell!r}, expected 1 or 0, yes or no")


def side_of(where: str, text: str) -> str:
    """L or R, written as it may be: "L", "left", "RIGHT".

    Raises:
        ValueError: neither; names the row.
    """
    side = parse_view_text(text).side
    if side is None:
        raise ValueError(f"{where}: the side is {text!r}, expected L or R (or LEFT, RIGHT)")
    return side


def split_of(where: str, row: Mapping[str, str]) -> str | None:
    """train, val or test, under the names that data sets use; None where the cell is empty.

    Raises:
        ValueError: another name; names the row.
    """
    cell = optional(row, "split")
    if cell is None:
        return None
    names = {"training": "train", "valid": "val", "validation": "val", "testing": "test"}
    split = names.get(cell.lower(), cell.lower())
    if split not in SPLITS:
        raise ValueError(f"{where}: split is {cell!r}, expected train, val or test")
    return split
