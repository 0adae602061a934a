"""Long work shared out to processes that end with the run, however it ends."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError

from .command_line import end_workers

_WATCH = 1.0  # seconds between two looks at the parent
_watched: set[int] = set()  # parents that this process watches


def map_in_workers(
    function: Callable[[Any], Any], items: Sequence[Any], workers: int
) -> Iterator[tuple[int, Any]]:
    """Call a function on each item, in processes.

    A run that is interrupted ends its workers; a run that is killed cannot, so each worker looks
    whether its parent is still there.

    Args:
        function: picklable, as are its results.
        items: picklable.
        workers: joblib's ``n_jobs``; a backend chosen with ``joblib.parallel_config`` is used.

    Yields:
        (position of the item, result), in the order in which they are done.

    Raises:
        ChildProcessError: a worker was killed.
        Exception: whatever the function raises.
    """
    jobs = (delayed(_call)(os.getpid(), function, n, item) for n, item in enumerate(items))
    results = Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)(jobs)
    try:
        yield from results
    except TerminatedWorkerError:
        raise ChildProcessError(
            "a worker process was killed, most likely for want of memory; use fewer --workers. "
            "What is finished stays"
        ) from None
    except BaseException:
        end_workers()
        raise


def _call(parent: int, function: Callable[[Any], Any], number: int, item: Any) -> tuple[int, Any]:
    if os.getpid() != parent and parent not in _watched:
        _watched.add(parent)
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    return number, function(item)


def _end_with(parent: int) -> None:
    """End this process as soon as its parent is gone and another one has taken it over."""
    while os.getppid() == parent:
        time.sleep(_WATCH)
    os._exit(1)
