"""Reading the DICOM files of the release without loss."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom

from ...dicom.dataset import read_dataset
from ...dicom.decode import stored_values
from ...dicom.faults import UnreadableDicom, faults_explained, without_warnings
from ...dicom.spacing import FILM_KEYWORDS, read_spacing

__all__ = ["Picture", "UnreadableDicom", "read_picture", "read_series_uid"]

_HEADER_TAGS = ["SeriesInstanceUID"]


@dataclass(frozen=True)
class Picture:
    """A gray picture as it is to be seen: larger values are brighter.

    Attributes:
        values: (H, W) uint8 or uint16, from 0 to 2^bits - 1.
        bits: bits stored.
        rescale: (slope, intercept) of the file; the values are *not* multiplied by it.
        notes: what was done to the stored values.
        mm_per_pixel: pixel spacing of the film, where the file says it; None if it does not.
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
        with faults_explained(), without_warnings():
            header = read_dataset(path, pixels=False, header_tags=_HEADER_TAGS)
            uid = header.get("SeriesInstanceUID")
    except UnreadableDicom:
        return None
    return str(uid) if uid else None


def read_picture(path: str | Path) -> Picture:
    """Read a file's pixels, turned so that larger values are brighter.

    - MONOCHROME1, or a negative rescale slope: the values are inverted (both: twice).
    - Bits above the stored ones are dropped; signed values are shifted up to start at 0.
    - A rescale slope and intercept are kept apart: a positive slope is a change of unit, which
      an image file has no place for, and ``to_full_range`` undoes it anyway.

    Raises:
        UnreadableDicom: cut off, damaged, compressed in an unknown way, in color, of several
            frames, of more pixels than ``pixel_limit``, or with a lookup table in the place of a
            rescale.
        OSError: the file cannot be read now; nothing is said of what it holds.
        MemoryError: no memory to decode it.
    """
    with faults_explained():
        with without_warnings():
            data = read_dataset(path)
        return _picture(data)


def _picture(data: pydicom.Dataset) -> Picture:
    if "ModalityLUTSequence" in data:
        raise UnreadableDicom("a modality lookup table, which is not supported")
    stored = stored_values(data)
    values, bits, notes = stored.values, stored.bits, list(stored.notes)
    if values.dtype.kind == "i":
        notes.append("signed values shifted")
        values = values.astype(np.int32) + (1 << (bits - 1))
    values = values.astype(np.uint8 if bits <= 8 else np.uint16, copy=False)
    slope = float(data.get("RescaleSlope", 1) or 1)
    intercept = float(data.get("RescaleIntercept", 0) or 0)
    inversions = [str(data.PhotometricInterpretation) == "MONOCHROME1", slope < 0]
    if inversions[0]:
        notes.append("inverted: MONOCHROME1")
    if inversions[1]:
        notes.append("inverted: negative rescale slope")
    if sum(inversions) == 1:
        values = np.asarray((1 << bits) - 1, dtype=values.dtype) - values
    if (slope, intercept) != (1.0, 0.0):
        notes.append(f"rescale slope {slope:g}, intercept {intercept:g}")
    spacing = read_spacing(data, FILM_KEYWORDS).square
    return Picture(values, bits, (slope, intercept), tuple(notes), spacing)
