"""The files below a folder, on disks as they are: links, loops, folders of no permission."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

# macOS leaves "._1-1.dcm" beside files on foreign disks.
_COMPANION = "._"


def files_below(
    folder: str | os.PathLike[str],
    on_error: Callable[[OSError], object] | None = None,
    skip: str | os.PathLike[str] | None = None,
) -> Iterator[Path]:
    """All files below a folder; links to folders are followed, and no folder is read twice.

    Args:
        folder: where to begin.
        on_error: told of a folder that cannot be listed, whose files are missing then; None: the
            error is raised.
        skip: a folder below that is passed over.

    Raises:
        OSError: a folder cannot be listed now.
    """

    def fail(error: OSError) -> None:
        if on_error is None:
            raise error
        on_error(error)

    seen: set[tuple[int, int]] = set()
    if skip is not None and os.path.isdir(skip) and not os.path.samefile(skip, folder):
        seen.add(_identity(skip))
    for here, folders, names in os.walk(folder, followlinks=True, onerror=fail):
        try:
            identity = _identity(here)
        except OSError as error:
            fail(error)
            continue
        if identity in seen:
            folders.clear()
            continue
        seen.add(identity)
        folders.sort()
        yield from (Path(here, name) for name in names if not name.startswith(_COMPANION))


def _identity(folder: str | os.PathLike[str]) -> tuple[int, int]:
    stat = os.stat(folder)
    return stat.st_dev, stat.st_ino
