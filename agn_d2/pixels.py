"""The gray values of a dataset dict: from memory where it holds them, else from its file."""

from __future__ import annotations

from typing import Any

import numpy as np

from .images import read_gray


def record_pixels(record: dict[str, Any]) -> np.ndarray:
    """Gray values of one view.

    Args:
        record: a dataset dict; ``pixels``, (H, W) uint8 or uint16, stands in for its file.

    Returns:
        (H, W) uint8 or uint16.

    Raises:
        FileNotFoundError, ValueError: the file is missing or cannot be read, see ``read_gray``.
    """
    pixels = record.get("pixels")
    return read_gray(record["file_name"]) if pixels is None else pixels
