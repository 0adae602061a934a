"""Reading gray images of 8 or 16 bits."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")


def read_gray(path: str | os.PathLike[str]) -> np.ndarray:
    """Read a mammogram as it is stored.

    Args:
        path: PNG, JPEG or TIFF of 8 or 16 bits; colour images are turned gray (luma).

    Returns:
        (H, W) uint8 or uint16.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not an image, or neither 8 nor 16 bits; names the file.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"No such image: {path}")
    # Decoded from memory, so that names outside of ASCII work everywhere.
    data = np.fromfile(path, dtype=np.uint8)
    try:
        image = cv2.imdecode(data, cv2.IMREAD_ANYDEPTH | cv2.IMREAD_GRAYSCALE)
    except cv2.error:
        image = None
    if image is None or image.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"{path} cannot be read as an 8- or 16-bit image")
    return image


def to_float(image: np.ndarray) -> np.ndarray:
    """Gray values as shares of full scale: I / 255 or I / 65535, exact for every value.

    Args:
        image: (H, W) uint8 or uint16.

    Returns:
        (H, W) float32 in [0, 1].
    """
    return image.astype(np.float32) / np.iinfo(image.dtype).max
