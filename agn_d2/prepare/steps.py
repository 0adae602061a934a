"""Long work in steps that are done once: each step leaves a record, written last and in one go.

A record holds a digest of everything that its step depends on. A step whose record has the right
digest, and whose files are still there at the size noted, is not done again. So a run that was
killed goes on where it stopped, and a second run does nothing.

The step of a file that cannot be read now is tried again, and if that is of no avail it stays open:
it leaves no record, and the next run takes it up.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..utils.files import write_json
from ..utils.workers import map_in_workers
from .open_files import ReadFailure, tries
from .work_folder import DiskFull, is_full, withdraw_annotations

Step = Callable[[Any], tuple[dict[str, Any], list[str]]]


@dataclass(frozen=True)
class Steps:
    """What became of the steps of a run.

    Attributes:
        records: records of the steps that are done, in the order of the names.
        done_now: how many of them were done by this run.
        open: name of a step that could not be done -> why.
    """

    records: list[dict[str, Any]]
    done_now: int
    open: dict[str, str]


def digest_of(value: Any) -> str:
    """Digest of a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def file_stamps(root: str | Path, paths: Sequence[str]) -> list[list[Any]]:
    """[path, size, time of change] of files below a root, to be put into a digest.

    Size and time of a file that cannot be looked at now are None: no later digest is the same.
    """
    stamps: list[list[Any]] = []
    for path in paths:
        try:
            status = os.stat(Path(root) / path)
        except OSError:
            stamps.append([path, None, None])
        else:
            stamps.append([path, status.st_size, status.st_mtime_ns])
    return stamps


def done_record(path: Path, digest: str, folder: Path) -> dict[str, Any] | None:
    """The record of a step, or None if the step is to be done.

    Args:
        path: path of the record.
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
) -> Steps:
    """Do the steps that are not done yet, in parallel.

    Where a step is done anew, the annotations of the earlier run are removed first.

    Args:
        items: what there is to do, picklable.
        names: names of the items, distinct, good as file names.
        digests: what each step depends on.
        step: item -> its record, and the files that it wrote, relative to folder. Picklable; it
            runs in other processes. A ``ReadFailure`` leaves the step open.
        folder: where the outputs go; records are kept in ``work/records``.
        workers: joblib's ``n_jobs``; a backend chosen with ``joblib.parallel_config`` is used.
        unit: what a step is, for the progress bar.

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
    if any(_replaces(paths[number]) for number in todo):
        withdraw_annotations(folder)
    first, reasons = len(todo), {}
    do = partial(_do, step, folder)
    with tqdm(total=len(names), initial=len(names) - first, unit=unit, disable=_no_bar()) as bar:
        for turn in tries(todo):
            given = [(items[number], paths[number], digests[number]) for number in turn]
            for position, (record, error) in map_in_workers(do, given, workers):
                number = turn[position]
                if isinstance(error, ReadFailure):
                    todo.append(number)
                    reasons[names[number]] = str(error)
                    continue
                if error is not None:
                    raise DiskFull(f"no room left to write {names[number]} in {folder} ({error})")
                records[number] = record
                bar.update()
    unread = {names[number]: reasons[names[number]] for number in sorted(todo)}
    done = [record for record in records if record is not None]
    return Steps(done, first - len(unread), unread)


def _replaces(path: Path) -> bool:
    """Whether a step whose record is to be written anew has written files before."""
    try:
        return bool(json.loads(path.read_text(encoding="utf-8"))["outputs"])
    except FileNotFoundError:
        return False
    except (OSError, ValueError, KeyError, TypeError):
        # A damaged record does not tell; it may have.
        return True


def _do(
    step: Step, folder: Path, given: tuple[Any, Path, str]
) -> tuple[dict[str, Any] | None, Exception | str | None]:
    """Do one step and leave its record.

    A full disk, as it ends the whole run, and a file that cannot be read now, as it ends nothing,
    are handed back.
    """
    item, path, digest = given
    try:
        record, outputs = step(item)
        sizes = {name: (folder / name).stat().st_size for name in outputs}
        write_json(path, {"digest": digest, "outputs": sizes, "record": record})
    except ReadFailure as failure:
        return None, failure
    except OSError as error:
        if is_full(error):
            return None, error.strerror or str(error)
        raise
    return record, None


def _no_bar() -> bool:
    return not sys.stderr.isatty()
