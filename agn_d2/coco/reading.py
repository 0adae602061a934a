"""Reading JSON files, plain or gzipped; a file that has not changed is not read again."""

from __future__ import annotations

import contextlib
import functools
import gc
import gzip
import json
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
GZIP_MAGIC = b"\x1f\x8b"


def read_json(path: str | os.PathLike[str]) -> Any:
    """The content of a JSON file in UTF-8, with or without a byte order mark, gzipped or not.

    Raises:
        ValueError: cannot be read, or is no such JSON; names the file.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror or error}") from error
    return parse_json(data, path)


def parse_json(data: bytes, path: str | os.PathLike[str]) -> Any:
    """As :func:`read_json`, from the bytes of a file.

    Args:
        data: content of the file.
        path: names the file in messages.
    """
    try:
        if data.startswith(GZIP_MAGIC):
            data = gzip.decompress(data)
        with without_collector():
            return json.loads(data.decode("utf-8-sig"))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path}: is a damaged gzip file: {error}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is not JSON in UTF-8 (save it as UTF-8): {error}") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: is not JSON: {error}") from error


@contextlib.contextmanager
def without_collector() -> Iterator[None]:
    """No search for garbage meanwhile: it takes three quarters of the time of a large file."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def once(read: Callable[[Path], T], most: int = 8) -> Callable[[str | os.PathLike[str]], T]:
    """Keep what a reader of files has made of the last files, until a file changes.

    What is kept is shared by all who ask: they must not change it.

    Args:
        read: reads one file.
        most: of how many files it is kept.
    """

    @functools.lru_cache(maxsize=most)
    def keep(path: Path, stamp: tuple[int, ...] | None) -> T:
        return read(path)

    @functools.wraps(read)
    def read_once(path: str | os.PathLike[str]) -> T:
        # The path as it was given, for the messages; a relative one means another file in
        # another working directory, which has another inode.
        return keep(Path(path), _stamp(path))

    return read_once


def _stamp(path: str | os.PathLike[str]) -> tuple[int, ...] | None:
    """What changes when a file is written; None where there is none to ask."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
