"""Locks of files between processes, and between machines on NFS."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

logger = logging.getLogger(__name__)


def lock_file(path: Path, *, wait: bool = False) -> tuple[IO[str] | None, str | None]:
    """Lock a file, which is made if need be, until it is closed.

    A POSIX record lock: the system lifts it when the process ends, however it ends, so that none
    is left behind by a kill; processes that it starts do not inherit it. A process that locks a
    file twice gets it twice, and closing one of the two lifts both. Where a file system knows no
    locks there is none, and a warning says so.

    Args:
        path: of the file.
        wait: until another process gives the lock back.

    Returns:
        the open file, None where there is no lock; and who has the lock, if another process has.

    Raises:
        OSError: the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        return None, None
    file = path.open("a+", encoding="utf-8")
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            file.seek(0)
            owner = file.read().strip() or "unknown"
            file.close()
            return None, owner
        logger.warning(
            "%s: no locks on this file system (%s); see to it that no second process writes there",
            *(path.parent, error.strerror),
        )
        file.close()
        return None, None
    file.truncate(0)
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    owner = {"process": os.getpid(), "machine": socket.gethostname(), "since": since}
    file.write(json.dumps(owner))
    file.flush()
    return file, None


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for the lock of a file, and hold it."""
    file, _ = lock_file(path, wait=True)
    with file or contextlib.nullcontext():
        yield


@contextlib.contextmanager
def held(path: Path, folder: Path) -> Iterator[None]:
    """Hold the lock of a file as long as a folder is written.

    Raises:
        ValueError: another process has it.
    """
    file, owner = lock_file(path)
    if owner is not None:
        raise ValueError(f"another run is at work in {folder} ({owner})")
    with file or contextlib.nullcontext():
        yield
