"""Gray images of 8 or 16 bits as float."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def read_gray(path: str | Path) -> np.ndarray:
    """Read a mammogram.

    Args:
        path: PNG, JPEG or TIFF of 8 or 16 bits; colour images are turned gray (luma).

    Returns:
        (H, W) float32 in [0, 1]: I / 255 or I / 65535, exact for every gray value.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not an image, or neither 8 nor 16 bits.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"No such image: {path}")
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ValueError(f"{path} cannot be read as an image (broken or of an unknown format)")
    if image.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"{path} holds {image.dtype}; 8 or 16 bit gray is expected")
    if image.ndim == 3:
        code = cv2.COLOR_BGRA2GRAY if image.shape[2] == 4 else cv2.COLOR_BGR2GRAY
        image = cv2.cvtColor(image, code)
    return image.astype(np.float32) / np.iinfo(image.dtype).max
