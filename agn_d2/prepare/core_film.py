"""Writing one film in the project's form, and its lesions in pixels of what was written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from ..coco.entries import outside
from ..landmarks.contour import breast_box
from ..landmarks.detect import detect_landmarks
from .clean import erase, find_breast
from .frames import boxes_from_film
from .images import CUT_TOLERANCE, write_image
from .region import Region

ORIENTATIONS = ("as released", "left", "right")
OUT_OF_CROP = "it lies outside of the crop to the breast; --no-crop keeps the film"

AddNote = Callable[[str, str], None]  # kind of a decision, and what was seen and done


@dataclass(frozen=True)
class FilmOptions:
    """How films are written.

    Attributes:
        crop: cut to the breast.
        clean: fill all but the breast with background.
        orientation: side of the chest wall, one of ORIENTATIONS.
        compression: level of the PNG, 0 to 9.
    """

    crop: bool = True
    clean: bool = True
    orientation: str = ORIENTATIONS[0]
    compression: int = 1

    def __post_init__(self) -> None:
        if self.orientation not in ORIENTATIONS:
            raise ValueError(f"orientation must be one of {ORIENTATIONS}: {self.orientation!r}")


@dataclass(frozen=True)
class Written:
    """A written film.

    Attributes:
        entry: ``file_name``, ``height``, ``width``, and ``frame_size``, ``crop``, ``mirrored`` and
            ``chest_wall_as_released``, which lead back to the film.
        landmarks: their record, in pixels of the written image.
        keep: (H, W) bool, what cleaning left of the written image; None: all of it.
    """

    entry: dict[str, Any]
    landmarks: dict[str, Any]
    keep: np.ndarray | None


def write_film(
    name: str, film: np.ndarray, view: str, options: FilmOptions, out: Path, note: AddNote
) -> Written:
    """Find the landmarks of a film, crop, clean and turn it, and write it as PNG.

    Args:
        name: of the file in ``images``, without its ending.
        film: (H, W) uint8 or uint16.
        view: "CC" or "MLO".
        options: how to write it.
        out: folder with ``images``.
        note: takes what is odd.

    Raises:
        OSError: the image cannot be written.
    """
    landmarks = detect_landmarks(film, view)
    if not landmarks.ok:
        note("landmarks", landmarks.status)
    size = film.shape
    box = breast_box(landmarks) if options.crop else (0, 0, size[1], size[0])
    image, keep = film[box[1] : box[3], box[0] : box[2]], None
    if options.clean:
        breast = find_breast(film, view)
        if breast.found:
            keep = breast.region(size, box)
            image, _ = erase(image, keep)
        else:
            note("not cleaned", "no breast was found")
    landmarks = landmarks.cropped(box)
    mirrored = options.orientation not in (ORIENTATIONS[0], landmarks.chest_wall)
    if mirrored:
        image, landmarks = image[:, ::-1], landmarks.mirrored()
        keep = None if keep is None else keep[:, ::-1]
    file_name = f"{name}.png"
    write_image(out / "images" / file_name, image, compression=options.compression)
    entry = {
        "file_name": file_name,
        "height": image.shape[0],
        "width": image.shape[1],
        "frame_size": list(size),
        "crop": list(box),
        "mirrored": mirrored,
        "chest_wall_as_released": _released_side(landmarks.chest_wall, mirrored),
    }
    return Written(entry, landmarks.to_dict(), keep)


def mask_annotation(region: Region, written: Written, note: AddNote) -> dict[str, Any]:
    """Box and mask in pixels of the written image; notes what crop and cleaning took away.

    Args:
        region: of the lesion, in pixels of the film.
        written: the film's image.
        note: takes what is odd.
    """
    annotation = box_annotation(np.array(region.box), written, note)
    mask = _paste(region, np.array(annotation["bbox"][:2]), written.entry)
    if written.keep is not None and mask.any():
        erased = np.count_nonzero(mask & ~written.keep) / np.count_nonzero(mask)
        if erased > 0:
            note("erased in mask", f"{100 * erased:.2f} % of the mask lies on erased film")
    annotation["area"] = float(region.area)
    if mask.any():
        rle = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
        annotation["segmentation"] = {"size": rle["size"], "counts": rle["counts"].decode("ascii")}
    return annotation


def box_annotation(box: np.ndarray, written: Written, note: AddNote) -> dict[str, Any]:
    """A box in pixels of the written image; one that reaches out of the crop is kept whole.

    Args:
        box: (4,) XYXY in pixels of the film.
        written: the film's image.
        note: takes what is odd.
    """
    x0, y0, x1, y1 = (float(value) for value in boxes_from_film(box[None], written.entry)[0])
    out_by = max(-x0, -y0, x1 - written.entry["width"], y1 - written.entry["height"])
    if out_by > CUT_TOLERANCE:
        note("out of the crop", f"the box reaches {out_by:.0f} px out of the crop")
    bbox = [x0, y0, x1 - x0, y1 - y0]
    return {"category_id": 1, "bbox": bbox, "area": bbox[2] * bbox[3], "iscrowd": 0}


def is_cut_off(annotation: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    """Whether nothing of a lesion's box lies in the written image: training takes no such box."""
    return outside(annotation["bbox"], (entry["height"], entry["width"]))


def _released_side(side: str, mirrored: bool) -> str:
    return {"left": "right", "right": "left"}[side] if mirrored else side


def _paste(region: Region, corner: np.ndarray, entry: dict[str, Any]) -> np.ndarray:
    """The region's window with its corner (x, y) in the written image, (H, W) bool."""
    window = region.window[:, ::-1] if entry["mirrored"] else region.window
    out = np.zeros((entry["height"], entry["width"]), dtype=bool)
    x0, y0 = int(corner[0]), int(corner[1])
    x1, y1 = min(x0 + window.shape[1], out.shape[1]), min(y0 + window.shape[0], out.shape[0])
    left, top = max(x0, 0), max(y0, 0)
    if x1 > left and y1 > top:
        out[top:y1, left:x1] = window[top - y0 : y1 - y0, left - x0 : x1 - x0]
    return out
