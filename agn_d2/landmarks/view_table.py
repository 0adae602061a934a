"""Views of images whose names do not tell them: from a CSV table or a COCO JSON."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

FILE_COLUMNS = ("file_name", "file", "image_id")
VIEW_COLUMNS = ("view", "view_position")


def read_views(path: str | os.PathLike[str]) -> dict[str, str]:
    """Read which view each image is.

    Args:
        path: a CSV file with a column of FILE_COLUMNS and one of VIEW_COLUMNS (VinDr-Mammo's
            ``breast-level_annotations.csv`` has them), or a COCO JSON whose images have
            ``file_name`` and ``view``.

    Returns:
        name as it stands there -> view in capitals, "CC", "MLO" or another.

    Raises:
        ValueError: no such file, no such column or key, or one name with two views; names the
            file and the row.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    try:
        rows = _json_rows(path) if path.suffix.lower() == ".json" else _csv_rows(path)
        views: dict[str, str] = {}
        for where, name, view in rows:
            if views.setdefault(name, view.strip().upper()) != view.strip().upper():
                raise ValueError(f"{path}, {where}: {name} is both {views[name]} and {view}")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 text ({error})") from None
    except csv.Error as error:
        raise ValueError(f"{path}: not readable as CSV ({error})") from None
    return views


def views_of(paths: Sequence[Path], folder: Path, table: dict[str, str]) -> list[str | None]:
    """View of each image by its path below a folder, else its name, else its name without suffix.

    Args:
        paths: images below the folder.
        folder: that the table's names may be relative to.
        table: what ``read_views`` returns.
    """

    def names(path: Path) -> Iterable[str]:
        return path.relative_to(folder).as_posix(), path.name, path.stem

    return [next((table[n] for n in names(path) if n in table), None) for path in paths]


def _csv_rows(path: Path) -> Iterable[tuple[str, str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, strict=True)
        header = reader.fieldnames or []
        found = [
            next((column for column in wanted if column in header), None)
            for wanted in (FILE_COLUMNS, VIEW_COLUMNS)
        ]
        if None in found:
            told = "; its columns are parted by semicolons, commas are expected"
            raise ValueError(
                f"{path}: needs a column {' or '.join(FILE_COLUMNS)} and a column "
                f"{' or '.join(VIEW_COLUMNS)}, has {', '.join(header) or 'none'}"
                + (told if len(header) == 1 and ";" in header[0] else "")
            )
        for row in reader:
            name, view = (row[column] for column in found)
            if not name or not view:
                raise ValueError(f"{path}, line {reader.line_num}: no name or no view")
            yield f"line {reader.line_num}", PurePosixPath(name).as_posix(), view


def _json_rows(path: Path) -> Iterable[tuple[str, str, str]]:
    try:
        images = json.loads(path.read_text(encoding="utf-8-sig"))["images"]
        rows = [(str(image["file_name"]), str(image["view"])) for image in images]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path}: not a COCO JSON whose images have file_name and view ({error!r})"
        ) from None
    for number, (name, view) in enumerate(rows):
        yield f"image {number}", name, view
