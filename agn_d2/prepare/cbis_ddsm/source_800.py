"""What the 800-px release of CBIS-DDSM says of its images: ``views.csv`` and the COCO files."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...utils.view_names import SIDE_OF_WORD, VIEWS
from ..core_tables import read_rows

logger = logging.getLogger(__name__)

SPLITS = ("train", "test")
COLUMNS = (
    "patient",
    "breast",
    "view",
    "split",
    "file",
    "n_mass_boxes",
    "original_width",
    "original_height",
)


@dataclass(frozen=True)
class SourceImage:
    """One mammogram of the 800-px release.

    Attributes:
        path: the squashed JPEG.
        patient_id, laterality, view: "P_00001", L/R, CC/MLO.
        split: "train" or "test", as released.
        original_size: (H, W) of the scanned film, which tells the aspect ratio.
        boxes: (M, 4) float64 XYWH in the squashed frame.
    """

    path: Path
    patient_id: str
    laterality: str
    view: str
    split: str
    original_size: tuple[int, int]
    boxes: np.ndarray

    @property
    def name(self) -> str:
        return self.path.stem


def read_source(folder: str | Path) -> list[SourceImage]:
    """Read ``views.csv`` and the COCO files of the 800-px release.

    Args:
        folder: holds ``views.csv``, ``train/`` and ``test/``, each with
            ``_annotations.coco.json``.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: no rows, a row that cannot be read, that names an image again, or whose number
            of boxes is not that of the COCO file; an image or box of the COCO files that is none.
            Names the file and the row.
    """
    folder = Path(folder)
    table = folder / "views.csv"
    if not table.is_file():
        raise FileNotFoundError(f"No {table}; --source must be the folder mass_800px")
    boxes = {split: _read_boxes(folder / split / "_annotations.coco.json") for split in SPLITS}
    images: dict[str, SourceImage] = {}
    lines: dict[str, str] = {}
    for where, row in read_rows(table, COLUMNS):
        try:
            image = _source_image(folder, row, boxes)
            if image.name in images:
                raise ValueError(
                    f"{row['file']}: {lines[image.name]} has an image of that name; each is to "
                    "stand there once"
                )
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
        images[image.name], lines[image.name] = image, where.rpartition(", ")[2]
    listed = {(image.split, image.path.name) for image in images.values()}
    unlisted = [n for split in SPLITS for n in boxes[split] if (split, n) not in listed]
    if unlisted:
        logger.warning(
            "%d images of the COCO files stand in no row of %s and are left out (the first: %s)",
            len(unlisted),
            table,
            unlisted[0],
        )
    return list(images.values())


def _source_image(
    folder: Path, row: Mapping[str, str], boxes: Mapping[str, Mapping[str, np.ndarray]]
) -> SourceImage:
    for column, allowed in (("breast", SIDE_OF_WORD), ("view", VIEWS), ("split", SPLITS)):
        if row[column] not in allowed:
            raise ValueError(f"{column} is {row[column]!r}, expected {' or '.join(allowed)}")
    for column in ("patient", "file"):
        if not row[column]:
            raise ValueError(f"{column} is empty")
    path, split = folder / row["file"], row["split"]
    if path.name not in boxes[split]:
        raise ValueError(f"{row['file']} is not among the images of {split}/_annotations.coco.json")
    of_image, count = boxes[split][path.name], _whole(row, "n_mass_boxes", 0)
    if len(of_image) != count:
        raise ValueError(f"{count} boxes, but {len(of_image)} in the COCO file")
    return SourceImage(
        path,
        row["patient"],
        SIDE_OF_WORD[row["breast"]],
        row["view"],
        split,
        (_whole(row, "original_height", 1), _whole(row, "original_width", 1)),
        of_image,
    )


def _whole(row: Mapping[str, str], column: str, least: int) -> int:
    text = row[column]
    if not text.isdecimal() or int(text) < least:
        raise ValueError(f"{column} is {text!r}, expected a whole number from {least} on")
    return int(text)


def _read_boxes(path: Path) -> dict[str, np.ndarray]:
    """File name -> (M, 4) XYWH."""
    if not path.is_file():
        raise FileNotFoundError(f"No {path}")
    try:
        coco = json.loads(path.read_text(encoding="utf-8-sig"))
        names = {image["id"]: str(image["file_name"]) for image in coco["images"]}
        annotations = [(a.get("image_id"), a.get("bbox")) for a in coco["annotations"]]
        count = len(coco["images"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} is not a COCO JSON with images (id, file_name) and annotations ({error!r})"
        ) from None
    if len(names) != count or len(set(names.values())) != count:
        raise ValueError(f"{path}: several images have one id or one file_name")
    boxes: dict[str, list[list[float]]] = {name: [] for name in names.values()}
    for number, (image_id, box) in enumerate(annotations):
        if not isinstance(image_id, (int, str)) or image_id not in names:
            raise ValueError(f"{path}: annotation {number} is of image {image_id!r}, there is none")
        if not _is_box(box):
            raise ValueError(
                f"{path}: annotation {number} (of {names[image_id]}) has the bbox {box}; expected "
                "[x, y, width, height], finite, width and height above 0"
            )
        boxes[names[image_id]].append(box)
    return {name: np.asarray(b, dtype=float).reshape(-1, 4) for name, b in boxes.items()}


def _is_box(box: Any) -> bool:
    return (
        isinstance(box, list)
        and len(box) == 4
        and all(isinstance(v, (int, float)) and math.isfinite(v) for v in box)
        and box[2] > 0
        and box[3] > 0
    )
