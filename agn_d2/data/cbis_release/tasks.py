"""What the workers are told: headers to be read, films to be prepared."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed
from tqdm import tqdm

from ...files import write_json
from .ddsm import DdsmView
from .dicom import read_series_uid
from .film import FilmTask
from .index import FileIndex
from .links import Plan
from .tables import Film, SeriesRef
from .work import file_stamps


def read_headers(
    root: Path, paths: Sequence[str], notebook: Path, workers: int
) -> dict[str, str | None]:
    """The Series UIDs of files; those that have not changed since the last time are not read.

    Args:
        root: folder that the paths are relative to.
        paths: of DICOM files.
        notebook: file that keeps what was read.
        workers: joblib's ``n_jobs``.

    Returns:
        path -> Series UID, None where the header cannot be read.
    """
    known: dict[str, list[Any]] = {}
    if notebook.is_file():
        known = {line[0]: line for line in json.loads(notebook.read_text(encoding="utf-8"))}
    stamps = file_stamps(root, paths)
    new = [stamp for stamp in stamps if known.get(stamp[0], [])[:3] != stamp]
    jobs = (delayed(read_series_uid)(root / stamp[0]) for stamp in new)
    results = Parallel(n_jobs=workers, return_as="generator")(jobs)
    bar = tqdm(results, total=len(new), unit="header", disable=None)
    for stamp, uid in zip(new, bar, strict=True):
        known[stamp[0]] = [*stamp, uid]
    write_json(notebook, [known[stamp[0]] for stamp in stamps])
    return {path: known[path][3] for path in paths}


def film_tasks(films: Sequence[Film], plan: Plan, index: FileIndex, root: Path) -> list[FilmTask]:
    """A task for each film that is examined or serves as context."""
    return [
        _film_task(film, index, root, film.name in plan.examined)
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
        [list(task.image_files), *([*a, *b] for a, b in _file_lists(task))],
        file_stamps(task.root, task.files),
    ]


def _file_lists(task: FilmTask) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    return list(zip(task.finding_files, task.mask_files, strict=True))


def _film_task(film: Film, index: FileIndex, root: Path, examined: bool) -> FilmTask:
    images = tuple(file.path for file in index.of(film.image))
    if not examined:
        return FilmTask(film, str(root), images, examined=False)
    return FilmTask(
        film,
        str(root),
        images,
        tuple(tuple(f.path for f in index.of(g.crop, g.mask)) for g in film.findings),
        tuple(
            tuple(f.path for f in index.of(g.mask) if _is_named(f.path, g.mask))
            for g in film.findings
        ),
    )


def _is_named(path: str, ref: SeriesRef) -> bool:
    """Whether a file is the one that a CSV names: its 000001.dcm is the download's 1-2.dcm."""
    stem, wanted = Path(path).stem, Path(ref.file_name).stem
    return stem == wanted or (wanted.isdigit() and stem == f"1-{int(wanted) + 1}")
