"""One training at a time in an output folder, and nothing mixed with an earlier one."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from detectron2.utils import comm

from ..utils.files import clear_parts
from ..utils.locks import lock_file
from .last_checkpoint import BEST, POINTER

logger = logging.getLogger(__name__)

LOCK = ".training.lock"
METRICS = "metrics.json"
# Folders that this process holds: a training within a tool that has the lock takes it again.
_held: set[str] = set()


@contextlib.contextmanager
def output_lock(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Keep other trainings out of a folder, which is made if need be.

    The first process of a training has the lock (``lock_file``) for all of them. Where a file
    system knows no locks the training goes on without, and says so.

    Raises:
        ValueError: another training has the folder, on all processes; names it.
        OSError: the folder cannot be written.
    """
    key = os.path.realpath(folder)
    if key in _held:
        yield
        return
    file, problem = _lock(Path(folder)) if comm.is_main_process() else (None, None)
    problem = comm.all_gather(problem)[0]
    if problem:
        raise ValueError(problem)
    _held.add(key)
    try:
        yield
    finally:
        _held.discard(key)
        if file is not None:
            file.close()


def is_training(folder: str | os.PathLike[str]) -> bool:
    """Whether another process trains in a folder, such as one whose starter was killed."""
    if not (Path(folder) / LOCK).is_file():
        return False
    file, owner = lock_file(Path(folder) / LOCK)
    if file is not None:
        file.close()
    return owner is not None


def _lock(folder: Path) -> tuple[IO[str] | None, str | None]:
    """The locked file, and what stands against it."""
    file, owner = lock_file(folder / LOCK)
    if owner is not None:
        return None, (
            f"OUTPUT_DIR {folder} is in use by another training ({owner}): wait for its end, "
            "or take another OUTPUT_DIR"
        )
    if file is not None:
        # Of writes that a kill cut off.
        clear_parts(folder)
    return file, None


def set_aside(folder: str | os.PathLike[str]) -> list[Path]:
    """Rename what an earlier training left and a new one would mix with its own.

    ``metrics.json``, ``model_best.pth`` and ``last_checkpoint`` become ``metrics.json.1`` and so
    on. Checkpoints of single steps stay.

    Returns:
        The new names.
    """
    moved = []
    for name in (METRICS, BEST, POINTER):
        path = Path(folder) / name
        if not path.is_file() or not path.stat().st_size:
            continue
        number = 1
        while (target := path.with_name(f"{name}.{number}")).exists():
            number += 1
        path.rename(target)
        moved.append(target)
    if moved:
        logger.warning(
            "%s holds an earlier training, which is not resumed: renamed to %s",
            *(folder, ", ".join(path.name for path in moved)),
        )
    return moved
