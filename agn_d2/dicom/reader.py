"""A DICOM file as a mammogram: gray values to be seen, and the facts of its header."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .dataset import read_dataset
from .decode import stored_values
from .faults import UnreadableDicom, faults_explained, without_warnings
from .header import Header, header_of
from .tone import Tone, gray_values

DICOM_SUFFIXES = (".dcm", ".dicom", ".dic", ".ima")
LEAST_SIDE = 32  # pixels; what is smaller is an icon or a placeholder
MARK_AT, MARK = 128, b"DICM"


@dataclass(frozen=True)
class DicomImage:
    """A mammogram out of a DICOM file.

    Attributes:
        pixels: (H, W) uint16, from 0 (black) to 65535 (white), in the frame that is stored.
        header: the facts.
        notes: what was done to the stored values.
    """

    pixels: np.ndarray
    header: Header
    notes: tuple[str, ...]


def has_dicom_suffix(path: str | os.PathLike[str]) -> bool:
    """Whether a file's name ends as those of DICOM files do; many have no suffix at all."""
    return Path(path).suffix.lower() in DICOM_SUFFIXES


def is_dicom(path: str | os.PathLike[str]) -> bool:
    """Whether a file is DICOM by its suffix, or by the mark at its byte 128."""
    try:
        return has_dicom_suffix(path) or has_mark(path)
    except OSError:
        return False


def has_mark(path: str | os.PathLike[str]) -> bool:
    """Whether a file has DICOM's mark at its byte 128.

    Raises:
        OSError: the file cannot be read now.
    """
    with open(path, "rb") as file:
        file.seek(MARK_AT)
        return file.read(len(MARK)) == MARK


def read_dicom(path: str | os.PathLike[str], tone: Tone | None = None) -> DicomImage:
    """Read a DICOM file.

    Args:
        path: the file.
        tone: how its gray values are made; None: as the file wants to be displayed.

    Raises:
        UnreadableDicom: cut off, damaged, in color, of several frames, too small, of more pixels
            than ``pixel_limit``, or in a coding that no installed package reads; names the file.
        OSError: the file cannot be read now.
    """
    try:
        with faults_explained():
            with without_warnings():
                data = read_dataset(path)
                header = header_of(data)
            height, width = header.size
            if min(height, width) < LEAST_SIDE:
                raise UnreadableDicom(f"{width} x {height} pixels, too small for a mammogram")
            stored = stored_values(data)
            pixels, notes = gray_values(stored, data, tone or Tone())
            return DicomImage(pixels, header, (*stored.notes, *notes))
    except UnreadableDicom as error:
        raise type(error)(f"{path}: {error}") from error
