"""CBIS-DDSM at 800 px (squashed to a square, boxes only) brought into the canonical form."""

from __future__ import annotations

import csv
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

logger = logging.getLogger(__name__)

CATEGORIES = [{"id": 1, "name": "mass", "supercategory": "lesion"}]
LATERALITY = {"LEFT": "L", "RIGHT": "R"}


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
        ValueError: a row that cannot be read, or whose number of boxes is not that of the COCO
            file; names the row.
    """
    folder = Path(folder)
    views_file = folder / "views.csv"
    if not views_file.is_file():
        raise FileNotFoundError(f"No {views_file}; --source must be the folder mass_800px")
    boxes = {split: _read_boxes(folder / split) for split in ("train", "test")}
    images = []
    with views_file.open(newline="") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            try:
                images.append(_source_image(folder, row, boxes))
            except (KeyError, ValueError) as error:
                raise ValueError(f"{views_file}, line {number}: {error}") from error
    return images


def _read_boxes(folder: Path) -> dict[str, np.ndarray]:
    """File name -> (M, 4) XYWH."""
    path = folder / "_annotations.coco.json"
    if not path.is_file():
        raise FileNotFoundError(f"No {path}")
    coco = json.loads(path.read_text())
    names = {image["id"]: image["file_name"] for image in coco["images"]}
    boxes: dict[str, list[list[float]]] = {name: [] for name in names.values()}
    for annotation in coco["annotations"]:
        boxes[names[annotation["image_id"]]].append(annotation["bbox"])
    return {name: np.asarray(b, dtype=float).reshape(-1, 4) for name, b in boxes.items()}


def _source_image(
    folder: Path, row: dict[str, str], boxes: dict[str, dict[str, np.ndarray]]
) -> SourceImage:
    path, split = folder / row["file"], row["split"]
    of_image = boxes[split][path.name]
    if len(of_image) != int(row["n_mass_boxes"]):
        raise ValueError(f"{row['n_mass_boxes']} boxes, but {len(of_image)} in the COCO file")
    return SourceImage(
        path,
        row["patient"],
        LATERALITY[row["breast"]],
        row["view"],
        split,
        (int(row["original_height"]), int(row["original_width"])),
        of_image,
    )


def unsquashed_size(squashed: tuple[int, int], original: tuple[int, int]) -> tuple[int, int]:
    """The size in which the image has its true aspect ratio and keeps every pixel it has.

    The side that was squashed least keeps its length, the other one is stretched.

    Args:
        squashed, original: (H, W).

    Returns:
        (H, W).
    """
    scale = max(squashed[0] / original[0], squashed[1] / original[1])
    return round(original[0] * scale), round(original[1] * scale)


def unsquash(source: SourceImage) -> tuple[np.ndarray, np.ndarray]:
    """Undo the squash of an image and its boxes.

    Returns:
        image (H, W) uint8, boxes (M, 4) float64 XYWH in pixels of it.

    Raises:
        ValueError: the image cannot be read.
    """
    image = cv2.imread(str(source.path), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise ValueError(f"{source.path} is missing or cannot be read")
    height, width = unsquashed_size(image.shape, source.original_size)
    scale = np.array([width / image.shape[1], height / image.shape[0]])
    stretched = cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)
    return stretched, source.boxes * np.tile(scale, 2)


def split_patients(patients: list[str], share: float, seed: int) -> set[str]:
    """Draw the patients of the validation split.

    Args:
        patients: all patients of the training split, in any order.
        share: of the patients, in [0, 1).

    Returns:
        the drawn patients; the same for the same patients, share and seed.

    Raises:
        ValueError: share out of range.
    """
    if not 0 <= share < 1:
        raise ValueError(f"the validation share must be in [0, 1), got {share}")
    ordered = sorted(set(patients))
    drawn = np.random.default_rng(seed).permutation(len(ordered))[: round(share * len(ordered))]
    return {ordered[i] for i in drawn}


def coco_annotations(images: list[dict[str, Any]]) -> dict[str, Any]:
    """A COCO JSON of one split.

    Args:
        images: COCO image entries without ``id``, each with ``boxes`` (M, 4) XYWH.
    """
    entries, annotations = [], []
    for image_id, image in enumerate(images, start=1):
        entries.append({"id": image_id} | {k: v for k, v in image.items() if k != "boxes"})
        for box in image["boxes"]:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": 1,
                    "bbox": [round(float(v), 2) for v in box],
                    "area": round(float(box[2] * box[3]), 2),
                    "iscrowd": 0,
                }
            )
    return {"images": entries, "annotations": annotations, "categories": CATEGORIES}
