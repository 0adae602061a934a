"""Writing files in one step, so that readers see the old file or the whole new one."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

PART = ".part"
_LONG = 200  # bytes of a name


def write_atomically(
    path: str | os.PathLike[str], data: bytes | Callable[[BinaryIO], object]
) -> None:
    """Write a file under another name, then rename it; its folder is made if need be.

    What is no regular file, such as ``/dev/null``, is written as it is. A link stays one.

    Args:
        path: where to.
        data: the content, or what writes it into the open file that it is given.

    Raises:
        OSError: as from the system, with the name of the file that was to be written; nothing is
            left behind then.
    """
    path = Path(path)
    with _naming(path):
        _make_folder(path.parent)
        if path.exists() and not path.is_file():
            with path.open("wb") as file:
                _write(file, data)
            return
        target = Path(os.path.realpath(path))
        part = target.with_name(f".{_short(target.name)}.{os.getpid()}{PART}")
        try:
            with part.open("wb") as file:
                _write(file, data)
            os.replace(part, target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def _short(name: str) -> str:
    """A name that leaves room for what is put around it; file systems take 255 bytes."""
    data = os.fsencode(name)
    return name if len(data) <= _LONG else hashlib.sha256(data).hexdigest()


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text file (UTF-8) in one step."""
    write_atomically(path, text.encode("utf-8"))


def write_json(path: str | os.PathLike[str], value: Any, indent: int | None = None) -> None:
    """Write a JSON file in one step; the same value always gives the same bytes."""
    write_text(path, json.dumps(value, indent=indent))


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise, before long work, what writing a file would raise at its end; makes its folder.

    Raises:
        OSError: the path is a folder or below a file, or its folder cannot be written.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not path.exists() or path.is_file():
        check_writable_folder(path.parent, path)


def check_writable_folder(
    folder: str | os.PathLike[str], file: str | os.PathLike[str] | None = None
) -> None:
    """Raise, before long work, what writing into a folder would raise; makes it.

    Args:
        folder: to be written.
        file: what the error names; None for the folder.

    Raises:
        OSError: the folder is a file or below one, or cannot be made or written.
    """
    folder = Path(folder)
    with _naming(Path(file or folder)):
        _make_folder(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass


def clear_parts(folder: str | os.PathLike[str], *, idle: float = 0.0) -> int:
    """Remove what killed runs left behind in a folder; returns how many files that were.

    Args:
        folder: where files were written.
        idle: seconds that nobody has written to a file that is removed, where others may be at
            work in the folder; 0: all are, whatever a file server's clock says.
    """
    latest = time.time() - idle if idle else math.inf
    parts = [path for path in Path(folder).glob(f".*{PART}") if _is_left_behind(path, latest)]
    for path in parts:
        path.unlink(missing_ok=True)
    return len(parts)


def _is_left_behind(path: Path, latest: float) -> bool:
    try:
        return path.is_file() and path.stat().st_mtime <= latest
    except FileNotFoundError:  # renamed meanwhile
        return False


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Errors of the system name this file, and not the one it is written as at first."""
    try:
        yield
    except OSError as error:
        if error.errno is None or not error.strerror:
            raise
        # The folder is there, so "no such file" means that this file system takes none (/proc).
        number = errno.EPERM if error.errno == errno.ENOENT else error.errno
        raise OSError(number, os.strerror(number), str(path)) from error


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from error


def _write(file: BinaryIO, data: bytes | Callable[[BinaryIO], object]) -> None:
    if callable(data):
        data(file)
    else:
        file.write(data)
