"""The gray values of a dataset dict: from memory where it holds them, else from its file."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dicom.tone import Tone
from ..images import read_gray, to_float


def record_pixels(record: dict[str, Any], tone: Tone | None = None) -> np.ndarray:
    """Gray values of one view, as they are stored.

    Args:
        record: a dataset dict; ``pixels``, (H, W) uint8 or uint16, stands in for its file.
        tone: gray values of DICOM files, see ``read_gray``.

    Returns:
        (H, W) uint8 or uint16.

    Raises:
        FileNotFoundError, OSError, ValueError: the file is missing or cannot be read, see
            ``read_gray``.
    """
    pixels = record.get("pixels")
    return read_gray(record["file_name"], tone) if pixels is None else pixels


def record_shares(record: dict[str, Any], tone: Tone | None = None) -> np.ndarray:
    """Gray values of one view as shares of full scale: what the network and pictures get.

    Args:
        record: as for ``record_pixels``; ``bits``, where it is there and not None, says how many
            bits the values have (``to_float``).
        tone: gray values of DICOM files, see ``read_gray``.

    Returns:
        (H, W) float32 in [0, 1].

    Raises:
        FileNotFoundError, OSError, ValueError: as ``record_pixels``, or ``bits`` does not fit the
            values; names the file.
    """
    pixels = record_pixels(record, tone)
    try:
        return to_float(pixels, record.get("bits"))
    except ValueError as error:
        raise ValueError(f"{record['file_name']}: {error}") from None
