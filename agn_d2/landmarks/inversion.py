"""Telling a negative, breast dark on white, from a mammogram as it is to be read.

MONOCHROME1 pictures that were exported as they are stored come so. A step at the skin line alone
does not tell: in a negative the film beside the breast is taken for the breast, and has one too.
"""

from __future__ import annotations

import cv2
import numpy as np

SURE_CONTOUR = 0.97  # skin confidence from which on an image is taken as it is
_WAVE = 2 / 512  # of the height: what is coarser than this is no texture
_RIM = 8 / 512  # of the height: nothing is read so near to where bright meets dark


def seems_negative(small: np.ndarray, film: np.ndarray) -> bool:
    """Whether the dark part of an image has more texture than its bright part.

    Tissue has texture, the film or air beside it hardly any. Of the mammograms of CBIS-DDSM the
    dark part has a third of the bright part's texture, at most two thirds; of their negatives the
    threefold, at the least 1.4 times as much where the film was not cut away.

    Args:
        small: (h, w) uint8 working copy.
        film: (h, w) bool, its ``film_border``.
    """
    tissue = small[~film]
    if tissue.size == 0:
        return False
    otsu, _ = cv2.threshold(tissue[None], 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    height = small.shape[0]
    gray = small.astype(np.float32)
    texture = np.abs(gray - cv2.GaussianBlur(gray, (0, 0), max(_WAVE * height, 0.5)))
    rim = np.ones((2 * round(_RIM * height / 2) + 1,) * 2, np.uint8)
    bright, dark = (
        texture[cv2.erode((part & ~film).astype(np.uint8), rim).astype(bool)]
        for part in (small > otsu, small <= otsu)
    )
    return bool(bright.size and dark.size and dark.mean() > bright.mean())
