"""Files of corrections by hand.

A CSV file has one row per image and any of the columns

    file_name, chest_wall, nipple_x, nipple_y, pectoral_x1, pectoral_y1, pectoral_x2, pectoral_y2,
    width, height

An empty cell leaves what the detector found. A JSON file maps file_name to an object with any of
chest_wall, nipple, pectoral_line, contour, width, height, written as in landmarks.json. Points are
pixels of the stored image; width and height, where given, are those of the image on which they were
read off, and keep a correction from being applied to another crop of it.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .corrections import Correction

COLUMNS = (
    "file_name",
    "chest_wall",
    "nipple_x",
    "nipple_y",
    "pectoral_x1",
    "pectoral_y1",
    "pectoral_x2",
    "pectoral_y2",
    "width",
    "height",
)
_LINE = COLUMNS[4:8]
_PARTS = ("chest_wall", "contour", "pectoral_line", "nipple")


def read_corrections(path: str | os.PathLike[str]) -> dict[str, Correction]:
    """Read a CSV or JSON file of corrections (by its ending): file name of the image -> correction.

    Raises:
        ValueError: an unknown column or key, a file named twice, half a point, or anything that is
            no number or side where there should be one; names the file and the row.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    readers: dict[str, Callable[[Path], dict[str, Correction]]] = {
        ".csv": _read_csv,
        ".json": _read_json,
    }
    if path.suffix.lower() not in readers:
        raise ValueError(f"{path}: corrections are a .csv or a .json file")
    try:
        return readers[path.suffix.lower()](path)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 text ({error})") from None
    except csv.Error as error:
        raise ValueError(f"{path}: not readable as CSV ({error})") from None


def _read_csv(path: Path) -> dict[str, Correction]:
    corrections: dict[str, Correction] = {}
    lines: dict[str, int] = {}
    # utf-8-sig: spreadsheet programs put a mark at the beginning of a file.
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file, strict=True)
        header = [cell.strip() for cell in next(reader, [])]
        _check_header(path, header)
        for cells in reader:
            row = [cell.strip() for cell in cells]
            if not any(row):
                continue
            source = f"{path}, line {reader.line_num}"
            if len(row) != len(header):
                raise ValueError(f"{source}: {len(row)} cells, but {len(header)} columns")
            values = {column: cell for column, cell in zip(header, row, strict=True) if cell}
            name = values.pop("file_name", None)
            if name is None:
                raise ValueError(f"{source}: no file_name")
            if name in lines:
                raise ValueError(f"{source}: {name} stands in line {lines[name]} already")
            lines[name] = reader.line_num
            corrections[name] = _from_cells(values, f"{source} ({name})")
    return corrections


def _check_header(path: Path, header: list[str]) -> None:
    for separator, name in ((";", "semicolons"), ("\t", "tabs")):
        if any(separator in column for column in header):
            raise ValueError(
                f"{path}: the columns are separated by {name}; expected commas. Save the table as "
                "CSV with commas (and points in numbers)"
            )
    unknown = [column for column in header if column not in COLUMNS]
    if unknown or "file_name" not in header or len(set(header)) != len(header):
        fault = "no column file_name" if "file_name" not in header else "a column stands twice"
        if unknown:
            fault = f"unknown column {', '.join(map(repr, unknown))}"
        raise ValueError(f"{path}: {fault}; the columns are {', '.join(COLUMNS)} (comma-separated)")


def _from_cells(cells: Mapping[str, str], source: str) -> Correction:
    """Correction of one row; the cells that are not empty."""

    def points(columns: tuple[str, ...]) -> list[float] | None:
        missing = [column for column in columns if column not in cells]
        if len(missing) == len(columns):
            return None
        if missing:
            raise ValueError(f"{source}: {', '.join(missing)} is empty, the rest of it is not")
        return [_number(cells[column], f"{source}: {column}") for column in columns]

    line = points(_LINE)
    return Correction(
        chest_wall=cells.get("chest_wall"),
        nipple=points(("nipple_x", "nipple_y")),
        pectoral_line=None if line is None else [line[:2], line[2:]],
        image_size=_size(cells, source),
        source=source,
    )


def _read_json(path: Path) -> dict[str, Correction]:
    def no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            names = [name for name, _ in pairs]
            twins = sorted({name for name in names if names.count(name) > 1})
            raise ValueError(f"{path}: {', '.join(twins)} stands twice")
        return found

    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=no_twins)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: not a JSON file ({error})") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path}: must hold one JSON object, file name -> correction")
    corrections = {}
    for name, record in content.items():
        source = f"{path}, {name}"
        if not isinstance(record, dict):
            raise ValueError(f"{source}: must be a JSON object, got {type(record).__name__}")
        unknown = [key for key in record if key not in (*_PARTS, "width", "height")]
        if unknown:
            raise ValueError(
                f"{source}: unknown key {', '.join(map(repr, unknown))}; "
                f"the keys are {', '.join(_PARTS)}, width, height"
            )
        parts = {part: record.get(part) for part in _PARTS}
        corrections[name] = Correction(**parts, image_size=_size(record, source), source=source)
    return corrections


def _size(values: Mapping[str, Any], source: str) -> tuple[int, int] | None:
    """(H, W) from the keys width and height, of which either none or both stand there."""
    given = [values[key] for key in ("height", "width") if values.get(key) is not None]
    if not given:
        return None
    sizes = [_number(value, f"{source}: width and height") for value in given]
    if len(sizes) != 2 or any(size < 1 or size != int(size) for size in sizes):
        raise ValueError(f"{source}: width and height must be two whole numbers")
    return int(sizes[0]), int(sizes[1])


def _number(value: Any, name: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not np.isfinite(number):
        raise ValueError(f"{name} must be a number, got {value!r}")
    return number
