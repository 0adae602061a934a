"""What an image file says of itself before it is decoded: size, pages, transparency, color."""

from __future__ import annotations

import io
import os
import struct
from dataclasses import dataclass

import numpy as np
import tifffile
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

# Three times the largest film of CBIS-DDSM (5,431 x 6,871). A process that reads such an image of
# 16 bits and finds its landmarks takes 1.9 GB.
MAX_PIXELS = 120_000_000
LIMIT_VARIABLE = "AGN_D2_MAX_PIXELS"

_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# Opened by their own classes, past Image.open, which has a fixed limit on pixels of its own.
_FORMATS = {b"\x89PNG": PngImageFile, b"\xff\xd8\xff": JpegImageFile}
# PIL's names of gray pixels (beside those that begin with I) and TIFF's.
_GRAY_MODES = ("1", "L", "LA", "La", "F")
_GRAY_PHOTOMETRICS = (tifffile.PHOTOMETRIC.MINISWHITE, tifffile.PHOTOMETRIC.MINISBLACK)
# What PIL and tifffile raise on headers that are cut off or damaged.
_FAULTS = (
    UnidentifiedImageError,
    tifffile.TiffFileError,
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    OSError,
    Image.DecompressionBombError,
    SyntaxError,
    TypeError,
    ValueError,
    ZeroDivisionError,
    struct.error,
)


class TooManyPixels(ValueError):
    """An image larger than ``pixel_limit``."""


@dataclass(frozen=True)
class ImageHeader:
    """The picture of a file that is to be decoded.

    Attributes:
        height, width: of it.
        page: its number in the file; of several pages the largest one, the first of equals.
        pages: of the file.
        transparent: whether it may hold transparent pixels.
        zero_is_white: whether it is a TIFF that says so.
        colored: whether it is stored in channels of color or with a palette.
    """

    height: int
    width: int
    page: int = 0
    pages: int = 1
    transparent: bool = False
    zero_is_white: bool = False
    colored: bool = False


def pixel_limit() -> int:
    """The most pixels that an image may have: MAX_PIXELS, or the variable AGN_D2_MAX_PIXELS.

    A few bytes can declare a picture that fills the memory. The variable reaches every tool and
    its processes alike.

    Raises:
        ValueError: the variable holds no positive whole number.
    """
    text = os.environ.get(LIMIT_VARIABLE, "").strip()
    if not text:
        return MAX_PIXELS
    if not text.isdecimal() or int(text) == 0:
        raise ValueError(f"{LIMIT_VARIABLE} must be a positive whole number, got {text!r}")
    return int(text)


def check_pixels(height: int, width: int) -> None:
    """Refuse a picture that is larger than ``pixel_limit``, before it is decoded.

    Raises:
        TooManyPixels: says its size, the limit, and how the limit is raised.
    """
    limit = pixel_limit()
    if height * width > limit:
        raise TooManyPixels(
            f"{width} x {height} pixels, more than the limit of {limit:,}; if it is a "
            f"mammogram all the same, set {LIMIT_VARIABLE} to a larger number"
        )


def read_header(data: bytes) -> ImageHeader | None:
    """The header of an image file.

    Args:
        data: the file's content.

    Returns:
        the header, or None where it cannot be made out.
    """
    try:
        if data.startswith(_TIFF_STARTS):
            return _tiff_header(data)
        with _opened(data) as image:
            return ImageHeader(
                image.height,
                image.width,
                transparent=_is_transparent(image),
                colored=image.mode not in _GRAY_MODES and not image.mode.startswith("I"),
            )
    except _FAULTS:
        return None


def _tiff_header(data: bytes) -> ImageHeader | None:
    """Of a TIFF: tifffile also knows the many kinds of pixels that PIL does not."""
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        sizes = [(int(page.imagelength), int(page.imagewidth)) for page in file.pages]
        if not sizes:
            return None
        number = max(range(len(sizes)), key=lambda n: (sizes[n][0] * sizes[n][1], -n))
        page = file.pages[number]
        return ImageHeader(
            *sizes[number],
            number,
            len(sizes),
            transparent=bool(page.extrasamples),
            zero_is_white=page.photometric == tifffile.PHOTOMETRIC.MINISWHITE,
            colored=page.photometric not in _GRAY_PHOTOMETRICS,
        )


def read_opacity(data: bytes, page: int = 0) -> np.ndarray:
    """How opaque the pixels of an image with transparency are.

    Args:
        data: the file's content.
        page: of the file.

    Returns:
        (H, W) uint8, 255 where the image is opaque.

    Raises:
        ValueError: it is stored in a way that is not read, such as gray with alpha in 16-bit TIFF.
    """
    try:
        with _opened(data) as image:
            image.seek(page)
            image = ImageOps.exif_transpose(image)  # as OpenCV turns the gray values
            if image.mode.startswith("I"):  # 16 bits: one gray value stands for transparent
                opaque = np.asarray(image) != image.info["transparency"]
                return np.where(opaque, 255, 0).astype(np.uint8)
            return np.asarray(image.convert("RGBA").getchannel("A"))
    except OSError as error:  # PIL's, as the file is in memory: no fault of the drive
        raise ValueError(f"its alpha channel cannot be read ({error}); save it without") from None


def _opened(data: bytes) -> Image.Image:
    reader = next((r for start, r in _FORMATS.items() if data.startswith(start)), Image.open)
    return reader(io.BytesIO(data))


def _is_transparent(image: Image.Image) -> bool:
    return "A" in image.getbands() or "transparency" in image.info
