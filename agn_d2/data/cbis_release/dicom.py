"""Reading DICOM files without loss."""

from __future__ import annotations

import math
import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.errors import InvalidDicomError

from ...dicom_dataset import read_dataset
from ...image_header import check_pixels

_HEADER_TAGS = ["SeriesInstanceUID"]
# What pydicom and its decoders raise on files that are cut off, damaged or of an unknown coding.
_FAULTS = (
    AttributeError,
    EOFError,
    IndexError,
    InvalidDicomError,
    KeyError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


class UnreadableDicom(ValueError):
    """A file that is no readable gray picture; the message says why, without the path."""


@dataclass(frozen=True)
class Picture:
    """A gray picture as it is to be seen: larger values are brighter.

    Attributes:
        values: (H, W) uint8 or uint16, from 0 to 2^bits - 1.
        bits: bits stored.
        rescale: (slope, intercept) of the file; the values are *not* multiplied by it.
        notes: what was done to the stored values.
        mm_per_pixel: of the film, where the file says it; None if it does not.
    """

    values: np.ndarray
    bits: int
    rescale: tuple[float, float]
    notes: tuple[str, ...]
    mm_per_pixel: float | None = None


def read_series_uid(path: str | Path) -> str | None:
    """Series UID of a file's header; None if it has no readable header.

    Raises:
        OSError: the file cannot be read now.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = read_dataset(path, _HEADER_TAGS)
        uid = header.get("SeriesInstanceUID")
    except _FAULTS:
        return None
    return str(uid) if uid else None


def read_picture(path: str | Path) -> Picture:
    """Read a file's pixels, turned so that larger values are brighter.

    - MONOCHROME1, or a negative rescale slope: the values are inverted (both: twice).
    - Bits above the stored ones are dropped; signed values are shifted up to start at 0.
    - A rescale slope and intercept are kept apart: a positive slope is a change of unit, which
      an image file has no place for, and ``to_full_range`` undoes it anyway.

    Raises:
        UnreadableDicom: cut off, damaged, compressed in an unknown way, in colour, of several
            frames, of more pixels than ``pixel_limit``, or with a lookup table in the place of a
            rescale.
        OSError: the file cannot be read now; nothing is said of what it holds.
        MemoryError: no memory to decode it.
    """
    try:
        with warnings.catch_warnings():
            # Odd values in text fields are none of our business.
            warnings.simplefilter("ignore")
            return _picture(read_dataset(path))
    except UnreadableDicom:
        raise
    except _FAULTS as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UnreadableDicom(reason[:200]) from error


def _picture(data: pydicom.Dataset) -> Picture:
    if "PixelData" not in data:
        raise UnreadableDicom("no pixel data")
    photometric = str(data.PhotometricInterpretation)
    if photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise UnreadableDicom(f"photometric interpretation {photometric}, not a gray picture")
    if "ModalityLUTSequence" in data:
        raise UnreadableDicom("a modality lookup table, which is not supported")
    bits = int(data.BitsStored)
    if not 1 <= bits <= 16:
        raise UnreadableDicom(f"{bits} bits stored, not 1 to 16")
    check_pixels(int(data.Rows), int(data.Columns), int(data.get("NumberOfFrames") or 1))
    values = data.pixel_array
    if values.ndim != 2:
        raise UnreadableDicom(f"pixels of shape {values.shape}, not one gray frame")
    notes = []
    if int(data.PixelRepresentation):
        notes.append("signed values shifted")
        values = (values.astype(np.int32) + (1 << (bits - 1))).astype(np.uint16)
    top = (1 << bits) - 1
    values = values.astype(np.uint8 if bits <= 8 else np.uint16, copy=False)
    if bits not in (8, 16):
        values = values & np.asarray(top, dtype=values.dtype)
    slope = float(data.get("RescaleSlope", 1) or 1)
    intercept = float(data.get("RescaleIntercept", 0) or 0)
    inversions = [photometric == "MONOCHROME1", slope < 0]
    if inversions[0]:
        notes.append("inverted: MONOCHROME1")
    if inversions[1]:
        notes.append("inverted: negative rescale slope")
    if sum(inversions) == 1:
        values = np.asarray(top, dtype=values.dtype) - values
    if (slope, intercept) != (1.0, 0.0):
        notes.append(f"rescale slope {slope:g}, intercept {intercept:g}")
    return Picture(values, bits, (slope, intercept), tuple(notes), _mm_per_pixel(data))


def _mm_per_pixel(data: pydicom.Dataset) -> float | None:
    """The spacing of the pixels on the film, or None.

    Secondary captures name it NominalScannedPixelSpacing or PixelSpacing, mammograms
    ImagerPixelSpacing. The first of them that is there counts. One that is not the same down and
    across tells no single length, and 1 mm or more is a placeholder: a film would be metres wide.
    """
    for keyword in ("NominalScannedPixelSpacing", "PixelSpacing", "ImagerPixelSpacing"):
        if not data.get(keyword):
            continue
        try:
            down, across = (float(value) for value in data[keyword].value)
        except (TypeError, ValueError):
            return None
        good = 0 < down < 1 and math.isclose(down, across, rel_tol=1e-6)
        return down if good else None
    return None


def to_full_range(picture: Picture) -> np.ndarray:
    """The values spread over 16 bits, so that 0 stays 0 and the largest one becomes 65535.

    The bits of a value are repeated below it, which loses nothing: value = result >> (16 - bits).

    Returns:
        (H, W) uint16.
    """
    values = picture.values.astype(np.uint16, copy=False)
    shift, out = 16 - picture.bits, values
    if shift:
        out = np.zeros_like(values)
        while shift > -picture.bits:
            out |= values << shift if shift >= 0 else values >> -shift
            shift -= picture.bits
    return out
