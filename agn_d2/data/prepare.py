"""Writing the canonical form: images, annotations, landmarks, prior."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from ..files import write_atomically, write_json
from ..landmarks.contour import breast_box
from ..landmarks.detect import detect_landmarks
from ..landmarks.record import Landmarks
from ..workers import map_in_workers
from .cbis_ddsm import coco_annotations, unsquash
from .cbis_source import SourceImage
from .open_files import ReadFailure, tries

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

    Raises:
        ReadFailure, ValueError: the image cannot be read, see ``unsquash``.
        OSError: the image cannot be written.
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


@dataclass
class PreparedImages:
    """What became of the images of a release.

    Attributes:
        images: the prepared ones, in the order of the release.
        broken: name of an image that holds no picture -> why.
        open: name of an image that cannot be read now -> why; a later run may.
    """

    images: list[PreparedImage]
    broken: dict[str, str]
    open: dict[str, str]


def prepare_images(
    sources: Sequence[SourceImage], prepare: Callable[[SourceImage], PreparedImage], workers: int
) -> PreparedImages:
    """Prepare images in parallel; those that cannot be read are left out and named.

    Args:
        sources: the images.
        prepare: ``prepare_image`` with its options, picklable.
        workers: joblib's ``n_jobs``.

    Raises:
        OSError: an image cannot be written.
    """
    images: list[PreparedImage | None] = [None] * len(sources)
    broken: dict[str, str] = {}
    reasons: dict[int, str] = {}
    todo = list(range(len(sources)))
    step = partial(_prepared, prepare)
    with tqdm(total=len(sources), disable=None, unit="image") as bar:
        for turn in tries(todo):
            given = [sources[number] for number in turn]
            for position, outcome in map_in_workers(step, given, workers):
                number = turn[position]
                if isinstance(outcome, ReadFailure):
                    todo.append(number)
                    reasons[number] = str(outcome)
                    continue
                bar.update()
                if isinstance(outcome, PreparedImage):
                    images[number] = outcome
                else:
                    broken[sources[number].name] = str(outcome)
    still_open = {sources[number].name: reasons[number] for number in sorted(todo)}
    return PreparedImages([image for image in images if image is not None], broken, still_open)


def _prepared(
    prepare: Callable[[SourceImage], PreparedImage], source: SourceImage
) -> PreparedImage | ReadFailure | ValueError:
    try:
        return prepare(source)
    except (ReadFailure, ValueError) as error:
        return error


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
