"""Writing the canonical form: images, annotations, landmarks, prior."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..files import write_atomically, write_json
from ..landmarks.contour import breast_box
from ..landmarks.detect import detect_landmarks
from ..landmarks.record import Landmarks
from .cbis_ddsm import SourceImage, coco_annotations, unsquash

CUT_TOLERANCE = 1.0  # px that a box may stick out of the crop before it counts as cut


@dataclass(frozen=True)
class PreparedImage:
    """One image in canonical form.

    Attributes:
        split: as released, "train" or "test".
        entry: its COCO entry without id, with ``boxes`` (M, 4) XYWH in the written image.
        landmarks: in pixels of the written image.
        cut_boxes: boxes that reach out of the crop.
    """

    split: str
    entry: dict[str, Any]
    landmarks: Landmarks
    cut_boxes: int


def prepare_image(
    source: SourceImage,
    folder: Path,
    *,
    crop: bool,
    suffix: str = ".png",
    method: str = "robust",
) -> PreparedImage:
    """Undo the squash, find the landmarks, crop to the breast, and write the image.

    The crop is found from the image alone. A box that reaches out of it is kept whole: boxes may
    then reach over the border of the image, as the annotation is the truth and the crop is not.

    Args:
        source: the image.
        folder: where to write ``<name><suffix>``.
        crop: cut to the breast with a margin; the frame of the uncut image is kept in the entry.
        suffix: ".png" (lossless) or ".jpg" (quality 95).
        method: of the landmarks, as in detect_landmarks. The crop is that of "robust" always, so
            that the written image does not depend on the method.
    """
    image, boxes = unsquash(source)
    landmarks = detect_landmarks(image, source.view)
    frame = image.shape
    box = breast_box(landmarks) if crop else (0, 0, frame[1], frame[0])
    if method != "robust":
        landmarks = detect_landmarks(image, source.view, method)
    cut = _count_cut(boxes, box)
    image = image[box[1] : box[3], box[0] : box[2]]
    name = source.name + suffix
    _write_image(folder / name, image)
    entry = {
        "file_name": name,
        "height": image.shape[0],
        "width": image.shape[1],
        "patient_id": source.patient_id,
        "laterality": source.laterality,
        "view": source.view,
        "original_size": list(source.original_size),
        "frame_size": list(frame),
        "crop": list(box),
        "boxes": boxes - [box[0], box[1], 0, 0],
    }
    return PreparedImage(source.split, entry, landmarks.cropped(box), cut)


def _count_cut(boxes: np.ndarray, crop: tuple[int, int, int, int]) -> int:
    low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    out = (low < np.array(crop[:2]) - CUT_TOLERANCE) | (high > np.array(crop[2:]) + CUT_TOLERANCE)
    return int(out.any(axis=1).sum())


def _write_image(path: Path, image: np.ndarray) -> None:
    """Write in one step, so that a killed run leaves no half of an image."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, 95] if path.suffix == ".jpg" else []
    ok, data = cv2.imencode(path.suffix, image, quality)
    if not ok:
        raise ValueError(f"cannot encode an image as {path.suffix}")
    write_atomically(path, data.tobytes())


def write_annotations(folder: Path, splits: dict[str, Sequence[PreparedImage]]) -> None:
    """Write ``<split>.json`` for every split."""
    for split, images in splits.items():
        write_json(folder / f"{split}.json", coco_annotations([image.entry for image in images]))
