"""Which file of a download belongs to which series of the CSVs.

Two things tell it: the Series UID in the file's header, and the names of its folders. Both layouts
are known, ``<folder>/<study UID>/<series UID>/000000.dcm`` as the CSVs have it and
``<folder>/07-20-2016-DDSM-74994/1.000000-full mammogram images-24515/1-1.dcm`` as the NBIA Data
Retriever writes it, where the last five digits are those of the study's and the series' UID.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ...utils.walk import files_below
from ..open_files import PAUSES
from .tables import Film, SeriesRef

_UID = re.compile(r"\d+(\.\d+)+")
_TAIL = re.compile(r"-(\d{5})$")
_DIGITS = 5  # of a UID, that the NBIA Data Retriever puts at the end of a folder's name


@dataclass(frozen=True)
class FoundFile:
    """A DICOM file of the download.

    Attributes:
        path: below the root, with slashes.
        series_uid: the series that it is taken to belong to.
        by: what told it, "header" or "folder".
    """

    path: str
    series_uid: str
    by: str


@dataclass
class FileIndex:
    """The files of a download by series.

    Attributes:
        files: series UID -> its files, sorted by path.
        misplaced: files whose header names another series than their folder does (the header
            is believed).
        unknown: files of no series that the CSVs name.
    """

    files: dict[str, list[FoundFile]] = field(default_factory=dict)
    misplaced: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def of(self, *refs: SeriesRef) -> list[FoundFile]:
        """The files of one or more series, each series once."""
        uids = dict.fromkeys(ref.series_uid for ref in refs)
        return [file for uid in uids for file in self.files.get(uid, [])]

    def counts(self) -> dict[str, int]:
        """Number of files by what told their series, and of the others."""
        by = Counter(file.by for files in self.files.values() for file in files)
        return {
            "by header": by["header"],
            "by folder": by["folder"],
            "misplaced": len(self.misplaced),
            "unknown": len(self.unknown),
        }


class SeriesByFolder:
    """The series that a path names, in either layout.

    Args:
        refs: all series of the CSVs.

    Raises:
        ValueError: two series that the NBIA layout cannot tell apart.
    """

    def __init__(self, refs: Iterable[SeriesRef]) -> None:
        self._by_uid: dict[str, SeriesRef] = {}
        self._by_tail: dict[tuple[str, str, str], str] = {}
        for ref in refs:
            self._by_uid.setdefault(ref.series_uid, ref)
            tail = (ref.folder, ref.study_uid[-_DIGITS:], ref.series_uid[-_DIGITS:])
            if self._by_tail.setdefault(tail, ref.series_uid) != ref.series_uid:
                raise ValueError(
                    f"{ref.folder}: series {ref.series_uid} and {self._by_tail[tail]} have the "
                    "same folder name in the NBIA layout"
                )

    def __contains__(self, series_uid: str) -> bool:
        return series_uid in self._by_uid

    def __call__(self, path: str) -> str | None:
        """Series UID of a path, or None if its folders name no series of the CSVs."""
        parts = PurePosixPath(path).parts
        if len(parts) < 2:
            return None
        if _UID.fullmatch(parts[-2]):
            return parts[-2] if parts[-2] in self._by_uid else None
        if len(parts) < 4:
            return None
        study, series = _TAIL.search(parts[-3]), _TAIL.search(parts[-2])
        if study is None or series is None:
            return None
        return self._by_tail.get((parts[-4], study[1], series[1]))


def all_series(films: Sequence[Film]) -> list[SeriesRef]:
    """Every series that films and their findings name, each once."""
    refs = {}
    for film in films:
        refs.setdefault(film.image.series_uid, film.image)
        for finding in film.findings:
            refs.setdefault(finding.crop.series_uid, finding.crop)
            refs.setdefault(finding.mask.series_uid, finding.mask)
    return list(refs.values())


def list_dicom(root: str | Path) -> list[str]:
    """All ``*.dcm`` files below a folder, see ``list_files``."""
    return list_files(
        root,
        (".dcm",),
        "the download folder, which holds folders such as Mass-Training_P_00001_LEFT_CC (or "
        "CBIS-DDSM with those in it)",
    )


def list_files(root: str | Path, suffixes: tuple[str, ...], expected: str) -> list[str]:
    """All files of some suffixes below a folder, sorted, relative and with slashes.

    Args:
        root: the folder.
        suffixes: in lower case.
        expected: what the folder must be, for messages.

    Raises:
        ValueError: no such folder, or no such file in it.
        OSError: a folder cannot be listed now, also when tried again.
    """
    root = Path(root)
    if not root.is_dir():
        raise ValueError(f"--root {root}: no such folder")
    # What a folder that cannot be listed holds would count as missing.
    for pause in (*PAUSES, None):
        try:
            found = [
                path.relative_to(root).as_posix()
                for path in files_below(root)
                if path.name.lower().endswith(suffixes)
            ]
            break
        except OSError:
            if pause is None:
                raise
            time.sleep(pause)
    if not found:
        raise ValueError(
            f"--root {root}: no {' or '.join(suffixes)} file in it. It must be {expected}"
        )
    return sorted(found)


def index_files(
    paths: Sequence[str], series: SeriesByFolder, header_series: Mapping[str, str | None]
) -> FileIndex:
    """Sort files into series.

    Args:
        paths: what ``list_dicom`` returns.
        series: what the folders' names tell.
        header_series: path -> Series UID of the file's header, None where it cannot be read;
            a path that is missing has not been looked at.

    Raises:
        ValueError: there are files, but none of them belongs to a series of the CSVs.
    """
    index = FileIndex()
    for path in sorted(paths):
        by_folder, in_header = series(path), header_series.get(path)
        if in_header is not None and in_header in series:
            uid, by = in_header, "header"
            if by_folder not in (None, uid):
                index.misplaced.append(path)
        elif by_folder is not None:
            uid, by = by_folder, "folder"
        else:
            index.unknown.append(path)
            continue
        index.files.setdefault(uid, []).append(FoundFile(path, uid, by))
    if not index.files:
        raise ValueError(
            f"none of the {len(paths)} files belongs to a series of the CSVs; the first is "
            f"{min(paths)}. --root must be a download of CBIS-DDSM and --csv its own CSVs"
        )
    return index
