"""The images of a data set: cut to the breast, and written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..landmarks.contour import breast_box
from ..landmarks.detect import detect_landmarks
from ..landmarks.record import Landmarks
from ..utils.files import write_atomically

CUT_TOLERANCE = 1.0  # px that a box may stick out of the crop before it counts as cut


@dataclass(frozen=True)
class CroppedImage:
    """An image cut to its breast, or left whole.

    Attributes:
        pixels: (H, W), of the dtype of the uncut image.
        box: (x0, y0, x1, y1) of the crop in the uncut image.
        landmarks: in pixels of the crop.
        boxes: (M, 4) XYWH in pixels of the crop; they may reach over its border.
        cut_boxes: number of boxes that reach out of the crop.
    """

    pixels: np.ndarray
    box: tuple[int, int, int, int]
    landmarks: Landmarks
    boxes: np.ndarray
    cut_boxes: int


def crop_image(
    image: np.ndarray, boxes: np.ndarray, view: str, *, crop: bool, method: str = "robust"
) -> CroppedImage:
    """Find the landmarks of an image and cut it to the breast with a margin.

    The crop is found from the image alone. A box that reaches out of it is kept whole: boxes may
    then reach over the border of the image, as the annotation is the truth and the crop is not.

    Args:
        image: (H, W) uint8 or uint16.
        boxes: (M, 4) XYWH in pixels of it.
        view: CC or MLO.
        crop: False leaves the image whole.
        method: how landmarks are found, as in detect_landmarks. The crop is that of "robust"
            always, so that the written image does not depend on the method.
    """
    landmarks = detect_landmarks(image, view)
    height, width = image.shape
    box = breast_box(landmarks) if crop else (0, 0, width, height)
    if method != "robust":
        landmarks = detect_landmarks(image, view, method)
    return CroppedImage(
        pixels=image[box[1] : box[3], box[0] : box[2]],
        box=box,
        landmarks=landmarks.cropped(box),
        boxes=boxes - [box[0], box[1], 0, 0],
        cut_boxes=_count_cut(boxes, box),
    )


def write_image(path: Path, image: np.ndarray, *, compression: int | None = None) -> None:
    """Write an image in one step, so that a killed run leaves no half of it.

    Args:
        path: ``.png`` (lossless) or ``.jpg`` (quality 95).
        image: (H, W) uint8 or uint16.
        compression: of PNG, 0 to 9; None: as OpenCV does it by default.

    Raises:
        OSError: it cannot be encoded or written.
    """
    settings = [cv2.IMWRITE_JPEG_QUALITY, 95] if path.suffix == ".jpg" else []
    if compression is not None:
        settings += [cv2.IMWRITE_PNG_COMPRESSION, compression]
    ok, data = cv2.imencode(path.suffix, np.ascontiguousarray(image), settings)
    if not ok:
        raise OSError(f"{path}: OpenCV cannot encode it as {path.suffix}")
    write_atomically(path, data.tobytes())


def _count_cut(boxes: np.ndarray, crop: tuple[int, int, int, int]) -> int:
    low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    out = (low < np.array(crop[:2]) - CUT_TOLERANCE) | (high > np.array(crop[2:]) + CUT_TOLERANCE)
    return int(out.any(axis=1).sum())
