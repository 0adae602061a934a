"""Writing files in one step, so that readers see the old file or the whole new one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

PART = ".part"


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file under another name, then rename it; its folder is made if need be.

    Raises:
        OSError: as from the system; nothing is left behind then.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}{PART}")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_json(path: str | os.PathLike[str], value: Any, indent: int | None = None) -> None:
    """Write a JSON file in one step; the same value always gives the same bytes."""
    write_atomically(path, json.dumps(value, indent=indent).encode("utf-8"))


def clear_parts(folder: str | os.PathLike[str]) -> int:
    """Remove what killed runs left behind in a folder; returns how many files that were."""
    parts = [path for path in Path(folder).glob(f".*{PART}") if path.is_file()]
    for path in parts:
        path.unlink(missing_ok=True)
    return len(parts)
