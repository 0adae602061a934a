"""Carrying out the plan of a cross-validation, by any number of processes on one output folder.

Each process takes the first run that is neither finished nor taken. Like those of an ablation, a
run is finished when its ``result.json`` stands in its folder, and is otherwise taken up from its
last checkpoint.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from ..engine.output_folder import is_training
from ..utils.locks import lock_file
from .ablation import execute
from .fold_plan import FoldRun

logger = logging.getLogger(__name__)

LOCK = ".run.lock"
# Seconds between two looks at the runs that other processes have taken.
PATIENCE = 15.0


def execute_runs(
    runs: Sequence[FoldRun],
    command: Sequence[str],
    commit: str | None = None,
    patience: float = PATIENCE,
) -> Iterator[FoldRun]:
    """Carry a plan out, together with whatever other processes do the same.

    A run that fails does not stop the others, but those that need it. Runs that another process has
    taken are waited for.

    Args:
        runs: from ``plan_folds``.
        command: that starts the trainer, see ``execute``.
        commit: version of the code, for the record.
        patience: seconds between two looks at what others do.

    Yields:
        each run that was carried out here, well or not.
    """
    tried: set[Path] = set()
    waiting: set[Path] = set()
    while True:
        run, lock, taken = _take_first(runs, tried)
        if run is not None:
            tried.add(run.folder)
            with lock or contextlib.nullcontext():
                execute(run, command, commit)
            yield run
        elif taken:
            for other in taken:
                if other.folder not in waiting:
                    logger.info("%s: another process does it", other)
            waiting |= {other.folder for other in taken}
            time.sleep(patience)
        else:
            return


def _take_first(
    runs: Sequence[FoldRun], tried: set[Path]
) -> tuple[FoldRun | None, IO[str] | None, list[FoldRun]]:
    """The first run that can be done now, and its lock; and those that others have taken."""
    taken = []
    for run in runs:
        if run.folder in tried or run.finished:
            continue
        if run.needs is not None and not run.needs.finished:
            continue
        lock, owner = lock_file(run.folder / LOCK)
        if owner is None and not is_training(run.folder):
            return run, lock, taken
        if lock is not None:
            lock.close()
        taken.append(run)
    return None, None, taken
