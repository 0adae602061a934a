"""How a download of CBIS-DDSM lies on the disk, and which of its files belong to which series."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from .index import FileIndex, SeriesByFolder, all_series, index_files, list_dicom
from .tables import Film
from .tasks import MaskFiles, masks_by_name, read_headers


class Files(NamedTuple):
    """The files of a download.

    Attributes:
        index: by series.
        unread: path of a file whose header cannot be read now -> why.
        others: (file, decision, detail) of what else is to stand in the account.
    """

    index: FileIndex
    unread: dict[str, str]
    others: list[tuple[str, str, str]]


class Layout(NamedTuple):
    """What is particular to one way of handing out CBIS-DDSM.

    Attributes:
        list_paths: root -> paths of all files, relative to it.
        find_files: root, folder for notes, paths, films, ``workers`` -> what belongs to which
            series.
        masks: see ``film_tasks``.
        digest: of further tables that the outcome depends on.
    """

    list_paths: Callable[[Path], list[str]]
    find_files: Callable[[Path, Path, list[str], list[Film], int], Files]
    masks: MaskFiles
    digest: str = ""


def _find_dicom(root: Path, work: Path, paths: list[str], films: list[Film], workers: int) -> Files:
    headers, unread = read_headers(root, paths, work / "headers.json", workers)
    index = index_files(paths, SeriesByFolder(all_series(films)), headers)
    others = [(path, "header cannot be read now", why) for path, why in unread.items()]
    return Files(index, unread, others)


DICOM = Layout(list_dicom, _find_dicom, masks_by_name)
