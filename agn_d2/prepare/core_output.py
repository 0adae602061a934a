"""The files of a prepared data set beside its images: annotations, landmarks."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..landmarks.record import Landmarks, write_landmarks
from ..utils.files import write_json

logger = logging.getLogger(__name__)


def write_annotations(
    folder: Path, files: Mapping[str, Mapping[str, Any]], records: Mapping[str, Mapping[str, Any]]
) -> None:
    """Write the COCO files of the splits, and the landmarks of all images that were written.

    Args:
        folder: ``annotations`` of the data set.
        files: split -> content.
        records: film name -> record with ``entry`` and ``landmarks``.
    """
    landmarks = {
        record["entry"]["file_name"]: Landmarks.from_dict(record["landmarks"])
        for _, record in sorted(records.items())
        if record["entry"] is not None
    }
    write_landmarks(folder / "landmarks.json", landmarks)
    for split, content in files.items():
        write_json(folder / f"{split}.json", content)


def warn_of_strangers(folder: Path, entries: Iterable[Mapping[str, Any] | None]) -> None:
    """Say if images of an earlier run with other options lie beside those of this one.

    Args:
        folder: of the images.
        entries: of the images of this run; None: not written.
    """
    own = {entry["file_name"] for entry in entries if entry is not None}
    strangers = [path.name for path in folder.iterdir() if path.name not in own]
    if strangers:
        logger.warning("%s: %d images that this run does not use", folder, len(strangers))
