"""What the 800-px release of CBIS-DDSM says of its images: ``views.csv`` and the COCO files."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...coco.file import read_coco, require_keys
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
    coco = read_coco(path)
    require_keys(coco, "images", ("file_name",), "it tells which image has which boxes")
    names = {image["id"]: image["file_name"] for image in coco.images}
    boxes: dict[str, list[list[float]]] = {name: [] for name in names.values()}
    if len(boxes) != len(names):
        raise ValueError(f"{path}: several images have one file_name")
    for annotation in coco.annotations:
        boxes[names[annotation["image_id"]]].append(annotation["bbox"])
    return {name: np.asarray(b, dtype=float).reshape(-1, 4) for name, b in boxes.items()}
