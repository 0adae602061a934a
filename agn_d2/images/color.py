"""What is colored in an image that is to be a gray mammogram: marks or text that someone put in."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

from ..utils.image_header import check_pixels, read_header, read_opacity

# Of 255: what the channels of a gray image differ by that was stored as a color JPEG, and far less
# than those of a mark.
_COLORED = 32


def color_note(path: str | os.PathLike[str]) -> str | None:
    """What to tell a user of an image that ``read_gray`` turns gray.

    Args:
        path: PNG, JPEG or TIFF.

    Returns:
        one sentence; None if nothing that is seen is colored, or the file cannot be read.

    Raises:
        OSError: the file cannot be read now.
    """
    data = Path(path).read_bytes()
    header = read_header(data)
    if header is None or not header.colored or header.page:
        return None
    try:
        check_pixels(header.height, header.width)
        opacity = read_opacity(data) if header.transparent else None
    except ValueError:  # ``read_gray`` says it
        return None
    try:
        image = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    if image is None:
        return None
    differs = np.ptp(image, axis=2) > _COLORED
    colored = int((differs if opacity is None else differs & (opacity > 0)).sum())
    if not colored:
        return None
    return (
        f"{colored:,} pixels ({colored / image[..., 0].size:.2%}) are colored, such as by marks or "
        "text; the image is turned gray with them, and they may change what is found"
    )
