"""Long work in steps that are done once: each step leaves a record, written last and in one go.

A record holds a digest of everything that its step depends on. A step whose record has the right
digest, and whose files are still there at the size noted, is not done again. So a run that was
killed goes on where it stopped, and a second run does nothing.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed
from tqdm import tqdm

from ...files import write_json

logger = logging.getLogger(__name__)

Step = Callable[[Any], tuple[dict[str, Any], list[str]]]

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class DiskFull(OSError):
    """No room for an output file."""


def digest_of(value: Any) -> str:
    """Digest of a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def file_stamps(root: str | Path, paths: Sequence[str]) -> list[list[Any]]:
    """[path, size, time of change] of files below a root, to be put into a digest."""
    stamps = []
    for path in paths:
        status = os.stat(Path(root) / path)
        stamps.append([path, status.st_size, status.st_mtime_ns])
    return stamps


def is_full(error: OSError) -> bool:
    """Whether an error says that the disk, the quota or the largest file size is used up."""
    return error.errno in _FULL


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder against a second run; the system lets go of it if this process dies.

    Raises:
        ValueError: another run holds it.
    """
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ValueError(f"another run is at work in {folder}") from None
        yield


def done_record(path: Path, digest: str, folder: Path) -> dict[str, Any] | None:
    """The record of a step, or None if the step is to be done.

    Args:
        path: of the record.
        digest: that it must have.
        folder: that its ``outputs`` (path -> size) are relative to.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["digest"] != digest:
            return None
        for name, size in content["outputs"].items():
            if (folder / name).stat().st_size != size:
                return None
        return content["record"]
    except (OSError, ValueError, KeyError, TypeError):
        # Missing, from another version or damaged: the step is simply done again.
        return None


def run_steps(
    items: Sequence[Any],
    names: Sequence[str],
    digests: Sequence[str],
    step: Step,
    folder: Path,
    workers: int,
    unit: str,
) -> tuple[list[dict[str, Any]], int]:
    """Do the steps that are not done yet, in parallel.

    Args:
        items: what there is to do, picklable.
        names: of the items, distinct, good as file names.
        digests: what each step depends on.
        step: item -> its record, and the files that it wrote, relative to folder. Picklable; it
            runs in other processes.
        folder: where the outputs go; records are kept in ``work/records``.
        workers: joblib's ``n_jobs``; a backend chosen with ``joblib.parallel_config`` is used.
        unit: what a step is, for the progress bar.

    Returns:
        the records in the order of the names, and how many steps were done now.

    Raises:
        DiskFull: no room for an output. All that was finished stays.
        OSError: another error of writing.
    """
    records_folder = folder / "work" / "records"
    paths = [records_folder / f"{name}.json" for name in names]
    records = [
        done_record(path, digest, folder) for path, digest in zip(paths, digests, strict=True)
    ]
    todo = [number for number, record in enumerate(records) if record is None]
    jobs = (
        delayed(_do)(step, items[number], number, paths[number], digests[number], folder)
        for number in todo
    )
    results = Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)(jobs)
    bar = tqdm(
        results, total=len(names), initial=len(names) - len(todo), unit=unit, disable=_no_bar()
    )
    for number, record, error in bar:
        if error is not None:
            bar.close()
            results.close()
            raise DiskFull(f"no room left to write {names[number]} in {folder} ({error})")
        records[number] = record
    return [record for record in records if record is not None], len(todo)


def _do(
    step: Step,
    item: Any,
    number: int,
    path: Path,
    digest: str,
    folder: Path,
) -> tuple[int, dict[str, Any] | None, str | None]:
    """Do one step and leave its record; a full disk is handed back, as it ends the whole run."""
    try:
        record, outputs = step(item)
        sizes = {name: (folder / name).stat().st_size for name in outputs}
        write_json(path, {"digest": digest, "outputs": sizes, "record": record})
    except OSError as error:
        if is_full(error):
            return number, None, error.strerror or str(error)
        raise
    return number, record, None


def _no_bar() -> bool:
    return not sys.stderr.isatty()
