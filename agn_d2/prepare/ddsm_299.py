"""The films of DDSM at 299 x 299 px (squashed, with boxes) as a table for :mod:`.table`.

The folder has ``images/``, ``views.csv`` (a row a film, with ``um_per_pixel`` of the scanner) and
``annotations/{train,val,test}.json`` with the size of the film before it was squashed. Boxes of
source "overlay" are DDSM's outlines; the others are CBIS-DDSM's.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..coco.file import read_coco, require_keys
from ..images import read_gray
from .cbis_ddsm.image_800 import unsquashed_size
from .core_tables import Row, number, read_rows
from .images import write_image

SPLITS = ("train", "val", "test")
OVERLAY = "overlay"
KEYS = ("file_name", "patient_id", "laterality", "view")
COLUMNS = (
    "file", "patient", "side", "view", "split", "density", "mm_per_pixel", "examined",
    "x", "y", "w", "h", "lesion",
)  # fmt: skip


@dataclass(frozen=True)
class Film:
    """A film, and what the folder says of it.

    Attributes:
        name: of the picture, below ``images/``.
        split: train, val or test.
        size: (H, W) of the film in pixels of the scanner; None: unknown.
        facts: further columns of the table.
        boxes: (M, 4) float64, XYWH in pixels of the squashed picture.
        sources, lesions: M times where a box comes from, and its ``lesion_id`` or "".
    """

    name: str
    split: str
    size: tuple[int, int] | None
    facts: dict[str, Any]
    boxes: np.ndarray
    sources: tuple[str, ...]
    lesions: tuple[str, ...]

    @property
    def table_name(self) -> str:
        """The file in the table."""
        return f"{Path(self.name).stem}.png"


def read_films(source: Path) -> list[Film]:
    """All films of the folder, examined ones and those that only serve others.

    Raises:
        FileNotFoundError, ValueError: a file is missing or is not as said; names it.
    """
    rows = read_rows(source / "views.csv", ("file",))
    views = {row["file"]: (where, row) for where, row in rows}
    films = []
    for split in SPLITS:
        path = source / "annotations" / f"{split}.json"
        coco = read_coco(path)
        for kind in ("images", "context_images"):
            require_keys(coco, kind, KEYS, "a table of films needs it")
        found = defaultdict(list)
        for annotation in coco.annotations:
            if annotation.get("iscrowd"):
                raise ValueError(f"{path}: has iscrowd regions, for which a table has no column")
            found[annotation["image_id"]].append(annotation)
        for examined, images in ((True, coco.images), (False, coco.context_images)):
            for image in images:
                if image["file_name"] not in views:
                    raise ValueError(f"{source / 'views.csv'} has no row of {image['file_name']}")
                annotations = found[image["id"]] if examined else []
                where, row = views[image["file_name"]]
                films.append(_film(split, image, annotations, where, row, examined))
    names = Counter(film.table_name for film in films)
    twice = next((film for film in films if names[film.table_name] > 1), None)
    if twice is not None:
        raise ValueError(f"{source}: more than one picture would be {twice.table_name}")
    return films


def _film(
    split: str,
    image: dict[str, Any],
    annotations: list[dict[str, Any]],
    where: str,
    row: Row,
    examined: bool,
) -> Film:
    size = (image.get("orig_height"), image.get("orig_width"))
    facts = {
        "patient": image["patient_id"],
        "side": image["laterality"],
        "view": image["view"],
        "density": image.get("breast_density") or "",
        "mm_per_pixel": (number(where, row, "um_per_pixel") or 0) / 1000,
        "examined": "yes" if examined else "no",
    }
    return Film(
        image["file_name"],
        split,
        size if all(size) else None,
        facts,
        np.array([a["bbox"] for a in annotations], dtype=float).reshape(-1, 4),
        tuple(a.get("source") or "" for a in annotations),
        tuple(a.get("lesion_id") or "" for a in annotations),
    )


def restore(film: Film, source: Path, folder: Path, shrink: float) -> Iterator[dict[str, Any]]:
    """Write a film at its own aspect ratio.

    Args:
        film: one whose size is known.
        source: the folder of the data set.
        folder: where the PNG is written.
        shrink: share of its width and height to which a box of DDSM's outlines is shrunk.

    Yields:
        the rows of the table: one for each box, or one without a box.

    Raises:
        ValueError, OSError: the picture cannot be read, or not be written.
    """
    assert film.size is not None
    squashed = read_gray(source / "images" / film.name)
    height, width = unsquashed_size(squashed.shape, film.size)
    restored = cv2.resize(squashed, (width, height), interpolation=cv2.INTER_CUBIC)
    write_image(folder / film.table_name, restored)
    spacing = film.facts["mm_per_pixel"] * film.size[0] / height
    row = {
        "file": film.table_name,
        "split": film.split,
        **film.facts,
        "mm_per_pixel": f"{spacing:.6g}" if spacing else "",
    }
    scale = np.array([width / squashed.shape[1], height / squashed.shape[0]] * 2)
    for box, of, lesion in zip(film.boxes, film.sources, film.lesions, strict=True):
        scaled = (shrunk(box, shrink) if of == OVERLAY else box) * scale
        values = (f"{value:.2f}" for value in scaled)
        yield row | dict(zip("xywh", values, strict=True)) | {"lesion": lesion}
    if not len(film.boxes):
        yield row


def shrunk(box: np.ndarray, share: float) -> np.ndarray:
    """A box XYWH about its center, with a share of its width and height."""
    corner, size = box[:2], box[2:]
    return np.concatenate([corner + size * (1 - share) / 2, size * share])
