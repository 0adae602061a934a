"""A registered data set as YOLO reads it, and YOLO's boxes back as COCO results.

Layout: ``<root>/<split>/images/<n>.png`` (8 bit), ``<root>/<split>/labels/<n>.txt`` with one line
"class x y w h" for each mass, center and size in shares of the image, and ``<root>/data.yaml``.
Images are numbered in the order of the data set: file names need not be unique or tame.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.structures import BoxMode
from tqdm import tqdm

from agn_d2.data.pixels import record_shares
from agn_d2.utils.files import write_atomically, write_text

# What an export holds, and what YOLO leaves beside it: a list of the labels that it read.
_OWN_FILE = re.compile(r"\d{6}\.(png|txt)|\..*\.part")
_CACHE = "labels.cache"


def export_split(name: str, root: Path, split: str) -> list[Path]:
    """Write the images and labels of a data set; regions that are no lesion are left out.

    An earlier export of the split is removed first.

    Args:
        name: a registered data set.
        root: folder of the export.
        split: "train", "val" or "test".

    Returns:
        the image files, in the order of the data set.

    Raises:
        FileNotFoundError, ValueError: the data set or an image cannot be read, or the folder holds
            other files.
    """
    images, labels = root / split / "images", root / split / "labels"
    _clear(images, labels)
    written = []
    records = DatasetCatalog.get(name)
    for number, record in enumerate(tqdm(records, disable=None, unit="image", desc=name)):
        gray = record_shares(record)
        if gray.shape != (record["height"], record["width"]):
            raise ValueError(f"{record['file_name']} is {gray.shape} (h, w), not as annotated")
        written.append(images / f"{number:06d}.png")
        _, data = cv2.imencode(".png", (255 * gray).round().astype(np.uint8))
        write_atomically(written[-1], data.tobytes())
        lines = [label_line(a, *gray.shape) for a in record["annotations"] if not a.get("iscrowd")]
        write_text(labels / f"{number:06d}.txt", "".join(lines))
    return written


def _clear(images: Path, labels: Path) -> None:
    """Remove an earlier export: YOLO trains on all that lies in the folder."""
    earlier = [file for folder in (images, labels) if folder.is_dir() for file in folder.iterdir()]
    foreign = [file.name for file in earlier if not _OWN_FILE.fullmatch(file.name)]
    if foreign:
        raise ValueError(
            f"{images.parent}: holds files that no export wrote ({', '.join(foreign[:5])}), and "
            "YOLO would read them; move them away, or choose another folder"
        )
    for file in [*earlier, images.parent / _CACHE]:
        file.unlink(missing_ok=True)
    for folder in (images, labels):
        folder.mkdir(parents=True, exist_ok=True)


def label_line(annotation: dict[str, Any], height: int, width: int) -> str:
    """One line of a label file; a box that leaves the image is cut at its border."""
    box = BoxMode.convert(annotation["bbox"], annotation["bbox_mode"], BoxMode.XYXY_ABS)
    x0, y0, x1, y1 = np.clip(box, 0, [width, height, width, height])
    values = ((x0 + x1) / 2 / width, (y0 + y1) / 2 / height, (x1 - x0) / width, (y1 - y0) / height)
    return f"{annotation['category_id']} " + " ".join(f"{v:.6f}" for v in values) + "\n"


def write_data_yaml(root: Path, names: Sequence[str], splits: Iterable[str]) -> Path:
    """The file that YOLO's ``data=`` takes.

    Args:
        root: folder of the export.
        names: names of the classes, in the order of their ids.
        splits: exported ones.
    """
    lines = [f"path: {json.dumps(str(root.resolve()))}"]
    lines += [f"{split}: {split}/images" for split in splits]
    lines += ["names:", *(f"  {k}: {json.dumps(name)}" for k, name in enumerate(names))]
    path = root / "data.yaml"
    write_text(path, "\n".join(lines) + "\n")
    return path


def coco_results(
    name: str, boxes: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]]
) -> list[dict[str, Any]]:
    """Detections as a COCO results list.

    Args:
        name: the data set, whose image ids and category ids are used.
        boxes: for each of its images, in order: (n, 4) XYXY pixels, (n,) scores, (n,) classes.

    Raises:
        ValueError: not as many results as images.
    """
    contiguous = MetadataCatalog.get(name).thing_dataset_id_to_contiguous_id
    category = {new: old for old, new in contiguous.items()}
    results = []
    for record, (corners, scores, classes) in zip(DatasetCatalog.get(name), boxes, strict=True):
        for (x0, y0, x1, y1), score, kind in zip(corners, scores, classes, strict=True):
            results.append(
                {
                    "image_id": record["image_id"],
                    "category_id": category[int(kind)],
                    "bbox": [float(x0), float(y0), float(x1 - x0), float(y1 - y0)],
                    "score": float(score),
                }
            )
    return results
