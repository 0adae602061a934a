"""A DICOM file as pydicom's dataset: read before it is parsed, inflated only up to a limit."""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import pydicom
from pydicom import filereader
from pydicom.uid import DeflatedExplicitVRLittleEndian

from ..utils.image_header import LIMIT_VARIABLE, TooManyPixels, pixel_limit
from .faults import UnreadableDicom
from .functional_groups import flatten_single_frame

_PREAMBLE = 132  # bytes: 128 and DICM
_HEADER_ROOM = 1 << 24  # bytes that all but the pixels may take
_CHUNK = 1 << 20


def read_dataset(
    path: str | os.PathLike[str],
    *,
    pixels: bool = True,
    header_tags: Sequence[str] | None = None,
) -> pydicom.Dataset:
    """Read a DICOM file, pixels not decoded yet; an enhanced image of one frame as a plain one.

    The file is read before it is parsed, so that an OSError is always one of the system and never
    one of what the file holds.

    Args:
        path: the file.
        pixels: False: the header alone.
        header_tags: of a header, read these tags only; None: all.

    Raises:
        UnreadableDicom: an empty file.
        OSError: the file cannot be read now.
        TooManyPixels: a deflated file that would grow beyond 16-bit pixels of ``pixel_limit``.
        zlib.error: a deflated file that is damaged.
        Exception: whatever pydicom raises on a damaged file.
    """
    try:
        if pixels:
            content = io.BytesIO(Path(path).read_bytes())
            if not content.getbuffer().nbytes:
                raise UnreadableDicom("an empty file")
            _check_inflated(content)
            return _flattened(pydicom.dcmread(content))
        with open(path, "rb") as file:
            if not os.fstat(file.fileno()).st_size:
                raise UnreadableDicom("an empty file")
            _check_inflated(file)
            tags = None if header_tags is None else list(header_tags)
            data = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=tags)
            return _flattened(data) if tags is None else data
    except OSError as error:
        if error.errno is None:  # pydicom's, on damaged sequences
            raise ValueError(str(error)) from error
        raise


def _flattened(data: pydicom.Dataset) -> pydicom.Dataset:
    flatten_single_frame(data)
    return data


def _check_inflated(file: BinaryIO) -> None:
    """Inflate a deflated file piece by piece: pydicom would do it at once, whatever it grows to."""
    try:
        if file.read(_PREAMBLE)[-4:] != b"DICM":
            return
        meta = filereader.read_dataset(file, False, True, stop_when=lambda tag, *_: tag.group != 2)
        if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
            _inflate(file)
    finally:
        file.seek(0)


def _inflate(file: BinaryIO) -> None:
    most, size = 2 * pixel_limit() + _HEADER_ROOM, 0
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    while not inflater.eof and (piece := inflater.unconsumed_tail or file.read(_CHUNK)):
        size += len(inflater.decompress(piece, _CHUNK))
        if size > most:
            raise TooManyPixels(
                f"a deflated file that grows beyond {most:,} bytes; if it is a mammogram all the "
                f"same, set {LIMIT_VARIABLE} to more pixels"
            )
