"""An image of CBIS-DDSM at 800 px (squashed to a square, boxes only) in canonical form."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ...coco.entries import outside
from ...images import read_gray
from ..core_film import OUT_OF_CROP
from ..images import crop_image, write_image
from ..open_files import ReadFailure, reason_of
from .images_800 import PreparedImage
from .source_800 import SourceImage


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
        ReadFailure: the image is not there, or cannot be read now.
        ValueError: it is cut off or no image of 8 bits; names the file.
    """
    try:
        image = read_gray(source.path)
    except (MemoryError, OSError) as error:
        raise ReadFailure(f"{source.path}: {reason_of(error)}") from error
    if image.dtype != np.uint8:
        raise ValueError(f"{source.path} has 16 bits; the 800-px release has 8")
    height, width = unsquashed_size(image.shape, source.original_size)
    scale = np.array([width / image.shape[1], height / image.shape[0]])
    stretched = cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)
    return stretched, source.boxes * np.tile(scale, 2)


def prepare_image(
    source: SourceImage,
    folder: Path,
    *,
    crop: bool,
    suffix: str = ".png",
    method: str = "robust",
) -> PreparedImage:
    """Undo the squash, find the landmarks, crop to the breast, and write the image.

    Args:
        source: the image.
        folder: where to write ``<name><suffix>``.
        crop: cut to the breast with a margin; the frame of the uncut image is kept in the entry.
        suffix: ".png" (lossless) or ".jpg" (quality 95).
        method: of the landmarks, see ``crop_image``.

    Raises:
        ReadFailure, ValueError: the image cannot be read, see ``unsquash``.
        ValueError: nothing of a mass lies in the crop.
        OSError: the image cannot be written.
    """
    image, boxes = unsquash(source)
    cropped = crop_image(image, boxes, source.view, crop=crop, method=method)
    if any(outside(box, cropped.pixels.shape) for box in cropped.boxes):
        raise ValueError(f"{source.path}: a mass is lost, as {OUT_OF_CROP}")
    name = source.name + suffix
    write_image(folder / name, cropped.pixels)
    entry = {
        "file_name": name,
        "height": cropped.pixels.shape[0],
        "width": cropped.pixels.shape[1],
        "patient_id": source.patient_id,
        "laterality": source.laterality,
        "view": source.view,
        "original_size": list(source.original_size),
        "frame_size": list(image.shape),
        "crop": list(cropped.box),
        "boxes": cropped.boxes,
    }
    return PreparedImage(source.split, entry, cropped.landmarks, cropped.cut_boxes)
