"""Reading gray images of 8 or 16 bits."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import cv2
import numpy as np

from ..dicom.reader import MARK, MARK_AT, has_dicom_suffix, is_dicom, read_dicom
from ..dicom.tone import Tone
from ..utils.image_header import ImageHeader, TooManyPixels, check_pixels, read_header, read_opacity

logger = logging.getLogger(__name__)

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")

_GRAY = cv2.IMREAD_ANYDEPTH | cv2.IMREAD_GRAYSCALE


def is_image(path: str | os.PathLike[str]) -> bool:
    """Whether ``read_gray`` reads such a file: by its suffix, or a DICOM file by its mark."""
    path = Path(path)
    return path.is_file() and (path.suffix.lower() in IMAGE_SUFFIXES or is_dicom(path))


def read_gray(path: str | os.PathLike[str], tone: Tone | None = None) -> np.ndarray:
    """Read a mammogram as it is stored; a DICOM file as it is to be seen.

    Transparent pixels become black, as the film beside the breast is. Of a TIFF of several pages
    the largest is taken (the others are thumbnails), which is logged.

    Args:
        path: PNG, JPEG or TIFF of 8 or 16 bits; color images are turned gray (luma). Or DICOM.
        tone: how the gray values of a DICOM file are made; None: as it wants to be displayed.

    Returns:
        (H, W) uint8 or uint16; of a DICOM file uint16, 65535 is white.

    Raises:
        FileNotFoundError: no such file.
        OSError: the file cannot be read now, such as on a network drive; nothing is said of
            what it holds.
        MemoryError: no memory to decode it.
        ValueError: not an image, cut off, neither 8 nor 16 bits, or of more pixels than
            ``pixel_limit``; names the file.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"No such image: {path}")
    if has_dicom_suffix(path):
        return read_dicom(path, tone).pixels
    # Decoded from memory, so that names outside of ASCII work everywhere, and that an error of
    # the drive is not taken for an error of the image.
    data = Path(path).read_bytes()
    if data[MARK_AT : MARK_AT + len(MARK)] == MARK:
        return read_dicom(path, tone).pixels
    header = read_header(data)
    if header is None:
        raise ValueError(f"{path} cannot be read as an 8- or 16-bit image")
    try:
        check_pixels(header.height, header.width)
    except TooManyPixels as error:
        raise TooManyPixels(f"{path}: {error}") from None
    if header.pages > 1:
        logger.info("%s: page %d of %d is read, the largest", path, header.page + 1, header.pages)
    image = _decode(data, header, path)
    if image is None or image.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"{path} cannot be read as an 8- or 16-bit image")
    if header.zero_is_white and image.dtype == np.uint16:  # of 8 bits OpenCV inverts them
        image = np.iinfo(np.uint16).max - image
    if not header.transparent:
        return image
    try:
        return _on_black(image, read_opacity(data, header.page))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _decode(data: bytes, header: ImageHeader, path: str | os.PathLike[str]) -> np.ndarray | None:
    """The gray values of the header's page; None where they cannot be decoded."""
    try:
        if header.page == 0:
            return cv2.imdecode(np.frombuffer(data, dtype=np.uint8), _GRAY)
        # From the file: in memory OpenCV decodes all pages at once.
        there, pages = cv2.imreadmulti(os.fspath(path), header.page, 1, flags=_GRAY)
        return pages[0] if there else None
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise MemoryError(f"no memory for {header.width} x {header.height} pixels") from None
        return None


def _on_black(image: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    """The image laid on black through its transparency; what is opaque stays as it is."""
    seen = np.rint(image * (opacity.astype(np.float32) / 255)).astype(image.dtype)
    return np.where(opacity == 255, image, seen)
