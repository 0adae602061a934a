"""Labels that were blanked out: black patches on film that is gray.

Whoever publishes films blanks out what names the patient. The patches are darker than any film, so
that the film beside the breast would be taken for tissue, and all of the image for the breast.
"""

from __future__ import annotations

import cv2
import numpy as np

_MOST = 0.15  # of the image: more black than this is the air beside the breast
_FLAT = 8  # of 255: what a patch, or the film, varies by
_STEP = 20  # of 255: the film is brighter than a patch by this at least
_RING = (3 / 512, 9 / 512)  # of the height: how far from a patch its surroundings are looked at
_SURROUNDED = 0.45  # share of the surroundings that is film; beside air lies the slope of the skin


def without_blanks(small: np.ndarray) -> np.ndarray:
    """The image with black patches as bright as the film around them.

    Args:
        small: (h, w) uint8 working copy.

    Returns:
        (h, w) uint8; ``small`` itself where there are none.
    """
    otsu, _ = cv2.threshold(small, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    dark = small[small <= otsu]
    if dark.size == 0 or dark.min() == dark.max():
        return small
    split, _ = cv2.threshold(dark[None], 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    black, rest = small <= split, dark[dark > split]
    if rest.size == 0 or black.mean() > _MOST or np.median(small[black]) > _FLAT:
        return small
    film = int(np.argmax(np.bincount(rest)))
    if film < _STEP:
        return small
    is_film = np.abs(small.astype(np.int16) - film) <= _FLAT
    away = cv2.distanceTransform((~black).astype(np.uint8), cv2.DIST_L2, 5) / small.shape[0]
    ring = (away > _RING[0]) & (away <= _RING[1])
    if not ring.any() or is_film[ring].mean() < _SURROUNDED:
        return small
    filled = small.copy()
    filled[away <= _RING[0]] = film
    return filled
