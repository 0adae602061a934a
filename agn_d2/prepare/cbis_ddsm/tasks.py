"""What the workers are told: headers to be read, films to be prepared."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ...utils.files import write_json
from ...utils.workers import map_in_workers
from ..open_files import reason_of, tries
from ..steps import file_stamps
from .ddsm import DdsmView
from .dicom import read_series_uid
from .film import FilmTask
from .index import FileIndex
from .links import Plan
from .tables import Film, Finding, SeriesRef

logger = logging.getLogger(__name__)


def read_headers(
    root: Path, paths: Sequence[str], notebook: Path, workers: int
) -> tuple[dict[str, str | None], dict[str, str]]:
    """The Series UIDs of files; those that have not changed since the last time are not read.

    Args:
        root: folder that the paths are relative to.
        paths: paths of DICOM files.
        notebook: file that keeps what was read; a damaged one is made anew.
        workers: joblib's ``n_jobs``.

    Returns:
        path -> Series UID, None where the file has none; and path -> why, of the files that
        cannot be read now.
    """
    known = _read_notebook(notebook)
    stamps = {stamp[0]: stamp for stamp in file_stamps(root, paths)}
    todo = [path for path in paths if known.get(path, [])[:3] != stamps[path]]
    reasons: dict[str, str] = {}
    with tqdm(total=len(todo), disable=None, unit="header") as bar:
        for turn in tries(todo):
            files = [root / path for path in turn]
            for position, (uid, reason) in map_in_workers(_header, files, workers):
                path = turn[position]
                if reason is None:
                    known[path] = [*stamps[path], uid]
                    bar.update()
                else:
                    todo.append(path)
                    reasons[path] = reason
    unread = {path: reasons[path] for path in sorted(todo)}
    write_json(notebook, [known[path] for path in paths if path not in unread])
    return {path: known[path][3] for path in paths if path not in unread}, unread


def _header(path: Path) -> tuple[str | None, str | None]:
    """Series UID, and why the file cannot be read now."""
    try:
        return read_series_uid(path), None
    except (MemoryError, OSError) as error:
        return None, reason_of(error)


def _read_notebook(path: Path) -> dict[str, list[Any]]:
    """Path -> [path, size, time of change, Series UID]."""
    if not path.is_file():
        return {}
    try:
        lines = json.loads(path.read_text(encoding="utf-8"))
        known = {line[0]: line for line in lines if len(line) == 4}
    except (ValueError, TypeError, KeyError, IndexError) as error:
        logger.warning("%s is damaged (%s); the headers are read anew", path, error)
        return {}
    return known


MaskFiles = Callable[[Finding, FileIndex], tuple[str, ...] | None]


def masks_by_name(finding: Finding, index: FileIndex) -> tuple[str, ...]:
    """The files that have the name which the CSV gives to a finding's mask."""
    return tuple(f.path for f in index.of(finding.mask) if _is_named(f.path, finding.mask))


def film_tasks(
    films: Sequence[Film],
    plan: Plan,
    index: FileIndex,
    root: Path,
    masks: MaskFiles = masks_by_name,
) -> list[FilmTask]:
    """A task for each film that is examined or serves as context.

    Args:
        films: all films.
        plan: what they are for.
        index: the files of the download.
        root: folder that the files' paths are relative to.
        masks: the files that the tables call a finding's mask; None: they do not say.
    """
    return [
        _film_task(film, index, root, film.name in plan.examined, masks)
        for film in films
        if film.name not in plan.left_out
    ]


def ddsm_task(view: DdsmView, folder: Path) -> FilmTask:
    """The task of a DDSM picture."""
    return FilmTask(view.film, str(folder), (view.path,), examined=False)


def task_state(task: FilmTask) -> list[Any]:
    """All that the outcome of a task depends on, as a JSON value: its rows and its files."""
    return [
        asdict(task.film),
        task.examined,
        [task.image_files, task.finding_files, task.mask_files],
        file_stamps(task.root, task.files),
    ]


def _film_task(
    film: Film, index: FileIndex, root: Path, examined: bool, masks: MaskFiles
) -> FilmTask:
    images = tuple(file.path for file in index.of(film.image))
    if not examined:
        return FilmTask(film, str(root), images, examined=False)
    return FilmTask(
        film,
        str(root),
        images,
        tuple(tuple(f.path for f in index.of(g.crop, g.mask)) for g in film.findings),
        tuple(masks(finding, index) for finding in film.findings),
    )


def _is_named(path: str, ref: SeriesRef) -> bool:
    """Whether a file is the one that a CSV names: its 000001.dcm is the download's 1-2.dcm."""
    stem, wanted = Path(path).stem, Path(ref.file_name).stem
    return stem == wanted or (wanted.isdigit() and stem == f"1-{int(wanted) + 1}")
