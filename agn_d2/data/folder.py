"""A folder of mammograms whose names tell case, side and view."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..images import IMAGE_SUFFIXES
from ..landmarks.batch import extract

_NAME = re.compile(
    r"^(?:(?P<case>.+)[_\- ])?(?P<side>LEFT|RIGHT|L|R)[_\- ]?(?P<view>CC|MLO)$", re.I
)


def read_folder(folder: str | Path) -> list[dict[str, Any]]:
    """Dataset dicts without annotations, landmarks detected.

    Args:
        folder: holds ``<case>_<LEFT|RIGHT>_<CC|MLO>.<png|jpg|...>``; without a case in the name
            all files are one case, named after the folder.

    Raises:
        ValueError: no such folder, no image, a name that does not tell side and view, or an
            image that cannot be read.
    """
    folder = Path(folder)
    paths = sorted(p for p in folder.glob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise ValueError(f"{folder}: no such folder, or no images in it")
    names = {path: _NAME.match(path.stem) for path in paths}
    unknown = [path.name for path, match in names.items() if match is None]
    if unknown:
        raise ValueError(
            f"{folder}: names must be <case>_<LEFT|RIGHT>_<CC|MLO>; not so: {', '.join(unknown)}"
        )
    views = [names[path]["view"].upper() for path in paths]
    extraction = extract(paths, views, workers=-1)
    if extraction.failures:
        raise ValueError("; ".join(extraction.failures.values()))
    dicts = []
    for number, (path, view) in enumerate(zip(paths, views, strict=True)):
        landmarks = extraction.landmarks[str(path)]
        height, width = landmarks.image_size
        case = names[path]["case"] or folder.resolve().name
        dicts.append(
            {
                "file_name": str(path),
                "image_id": number,
                "height": height,
                "width": width,
                "patient_id": case,
                "laterality": names[path]["side"][0].upper(),
                "view": view,
                "landmarks": landmarks,
            }
        )
    return dicts
