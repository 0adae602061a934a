"""Writing files in one step, so that readers see the old file or the whole new one."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

PART = ".part"


def write_atomically(
    path: str | os.PathLike[str], data: bytes | Callable[[BinaryIO], object]
) -> None:
    """Write a file under another name, then rename it; its folder is made if need be.

    Args:
        path: where to.
        data: the content, or what writes it into the open file that it is given.

    Raises:
        OSError: as from the system; nothing is left behind then.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}{PART}")
    try:
        with part.open("wb") as file:
            if callable(data):
                data(file)
            else:
                file.write(data)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise, before long work, what writing a file would raise at its end; makes its folder.

    Raises:
        OSError: the path is a folder or below a file, or its folder cannot be written.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(path)) from None


def write_json(path: str | os.PathLike[str], value: Any, indent: int | None = None) -> None:
    """Write a JSON file in one step; the same value always gives the same bytes."""
    write_atomically(path, json.dumps(value, indent=indent).encode("utf-8"))


def clear_parts(folder: str | os.PathLike[str]) -> int:
    """Remove what killed runs left behind in a folder; returns how many files that were."""
    parts = [path for path in Path(folder).glob(f".*{PART}") if path.is_file()]
    for path in parts:
        path.unlink(missing_ok=True)
    return len(parts)
