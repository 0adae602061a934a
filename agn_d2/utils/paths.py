"""Where data sets lie: Detectron2's convention ``DETECTRON2_DATASETS``."""

from __future__ import annotations

import os
from pathlib import Path


def datasets_root() -> Path:
    """The root of all data sets: ``DETECTRON2_DATASETS``, or ``datasets`` as Detectron2 has it.

    An empty variable is none, and blanks around its value are no part of it.
    """
    return Path(os.environ.get("DETECTRON2_DATASETS", "").strip() or "datasets").expanduser()


def resolve_data_path(path: str | Path) -> Path:
    """A path that exists as it is, or else lies below the root of the data sets.

    Raises:
        FileNotFoundError: neither exists; the message names both.
    """
    # An absolute path stays what it is when it is joined to the root: then there is one candidate.
    candidates = dict.fromkeys((Path(path).expanduser(), datasets_root() / path))
    for candidate in candidates:
        if candidate.exists():
            return candidate
    raise FileNotFoundError(
        f"No such file: {', nor '.join(map(str, candidates))}. Set DETECTRON2_DATASETS to the "
        "folder that holds the prepared data sets (see datasets/README.md)."
    )
