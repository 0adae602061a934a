"""The landmarks of an image, and why they do not fit where they do not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from ..coco.entries import Entry
from ..images import read_gray
from ..landmarks.record import Landmarks

AGAIN = "run tools/extract_landmarks.py on the images again"


def landmarks_of(image: Entry, root: Path, records: Mapping[str, Landmarks]) -> Landmarks:
    """The landmark record of an image of a COCO file.

    Args:
        image: with ``file_name``, ``height``, ``width`` and ``view``.
        root: the image folder.
        records: file name -> landmarks.

    Raises:
        ValueError: none, or those of another size or view. To find the cause the file itself is
            looked at: only landmarks that are at fault are to be extracted again.
    """
    name = image["file_name"]
    if name not in records:
        raise ValueError(_why_missing(name, root, records))
    record = records[name]
    size = (image["height"], image["width"])
    if record.image_size == size and record.view == image["view"]:
        return record
    start = (
        f"{name}: landmarks are for a {record.view} view of {record.image_size} (h, w), the "
        f"annotations say a {image['view']} view of {size}"
    )
    if record.image_size != size:
        raise ValueError(start + _why_other_size(size, root / name))
    raise ValueError(f"{start}. Correct the view in the annotations; if they are right, {AGAIN}")


def _why_missing(name: str, root: Path, records: Mapping[str, Landmarks]) -> str:
    if (root / name).is_file():
        return f"{name} has no landmarks; {AGAIN}"
    base = PurePosixPath(name).name
    hint = f" (the landmarks know {base})" if base in records else ""
    return (
        f"{name} has no landmarks, and there is no such file in {root}: file_name must be "
        f"relative to that folder{hint}"
    )


def _why_other_size(said: tuple[int, int], path: Path) -> str:
    if not path.is_file():
        return f", and there is no file {path} to tell which is right"
    found = read_gray(path).shape
    if found == said:
        return f". The file is as the annotations say: {AGAIN}"
    swapped = ", they are swapped" if found == said[::-1] else ""
    return f". The file is {found}: correct height and width in the annotations{swapped}"
