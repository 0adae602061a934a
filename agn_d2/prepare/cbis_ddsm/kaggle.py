"""CBIS-DDSM as on Kaggle: 8-bit JPEG in a folder for each series, and a table of the headers.

    csv/dicom_info.csv, csv/{mass,calc}_case_description_{train,test}_set.csv
    jpeg/<Series UID>/1-204.jpg

The numbers in the files' names mean nothing. Series are those of the release, so links and repairs
are made as for the DICOM files; masks have lost their sharp edges to JPEG.
"""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path, PurePosixPath

from ..core_tables import Row, optional, read_rows
from .index import (
    FileIndex,
    SeriesByFolder,
    all_series,
    index_files,
    list_files,
)
from .layout import Files, Layout
from .tables import Film, Finding

TABLE = "dicom_info.csv"
_MASKS = "ROI mask images"


def kaggle_layout(csv_folder: Path) -> Layout:
    """The layout of the archive, for ``prepare_release``.

    Args:
        csv_folder: with ``dicom_info.csv``.

    Raises:
        FileNotFoundError, ValueError: the table is missing or cannot be read.
    """
    path = csv_folder / TABLE
    headers: dict[str, Row] = {}
    for _, row in read_rows(path, ("image_path", "seriesinstanceuid", "seriesdescription")):
        name = optional(row, "image_path")
        if name is not None:
            headers[_key(name)] = row
    return Layout(
        partial(
            list_files,
            suffixes=(".jpg", ".jpeg"),
            expected="the unpacked archive, which holds the folders csv and jpeg",
        ),
        partial(_find_files, headers),
        partial(_masks, headers),
        hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def _key(path: str) -> str:
    """``<Series UID>/<file>``: what lies above is another one in every copy of the archive."""
    return "/".join(PurePosixPath(path.replace("\\", "/")).parts[-2:])


def _find_files(
    headers: dict[str, Row], root: Path, work: Path, paths: list[str], films: list[Film], _: int
) -> Files:
    rows = {path: headers.get(_key(path)) for path in paths}
    series = {
        path: None if row is None else optional(row, "seriesinstanceuid")
        for path, row in rows.items()
    }
    index = index_files(paths, SeriesByFolder(all_series(films)), series)
    there = {_key(path) for path in paths}
    others = [
        (name, "file missing", f"it stands in {TABLE}") for name in sorted(set(headers) - there)
    ]
    others += [
        (path, "file without a header", f"it does not stand in {TABLE}")
        for path, row in sorted(rows.items())
        if row is None
    ]
    return Files(index, {}, others)


def _masks(headers: dict[str, Row], finding: Finding, index: FileIndex) -> tuple[str, ...] | None:
    """The files that the table describes as masks; None if it says nothing of one of them."""
    found = [file.path for file in index.of(finding.crop, finding.mask)]
    described = {path: optional(headers.get(_key(path), {}), "seriesdescription") for path in found}
    if None in described.values():
        return None
    return tuple(path for path, text in described.items() if text == _MASKS)
