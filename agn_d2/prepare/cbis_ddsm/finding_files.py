"""The files of a finding, told apart by what is in them.

The CSV and the file names only say which files belong to a finding. Which of them is the mask and
which the crop is read from the pictures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..region import Region
from .content import CROP, MASK, kind_of, region_of
from .outcome import Outcome


@dataclass
class FindingFiles:
    """The readable, distinct pictures of a finding."""

    masks: list[tuple[str, Region]] = field(default_factory=list)
    crops: list[tuple[str, np.ndarray]] = field(default_factory=list)


def read_finding_files(
    paths: Sequence[str],
    read: Callable[[str], np.ndarray],
    expected_mask: Sequence[str] | None,
    outcome: Outcome,
) -> FindingFiles:
    """Read the files of a finding; what is odd about them goes into the notes of its outcome.

    Args:
        paths, read, expected_mask: as in ``repair_finding``.
        outcome: takes the notes.
    """
    files, seen = FindingFiles(), {}
    if not paths:
        outcome.note("files missing", "no file of the finding's series in the download")
    for path in paths:
        try:
            values = read(path)
        except ValueError as error:
            outcome.note("file unreadable", f"{path}: {error}")
            continue
        digest = hashlib.sha256(str(values.shape).encode() + values.tobytes()).digest()
        if digest in seen:
            outcome.note("duplicate file", f"{path} has the same pixels as {seen[digest]}")
            continue
        seen[digest] = path
        kind = kind_of(values)
        if kind == MASK:
            region = region_of(values)
            files.masks.append((path, region))
        elif kind == CROP:
            files.crops.append((path, values))
        else:
            outcome.note("blank file", f"{path}: all pixels have one value")
            continue
        if expected_mask is not None and (kind == MASK) != (path in expected_mask):
            outcome.note("role by content", f"{path} is the {kind}, the CSV says the other")
    return files
