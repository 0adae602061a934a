"""The copy of a mammogram in which its breast can be told from the film, and the breast in it.

Where the skin line is hardly seen in the image as it is, the gray values are changed: gray film
that is brighter in one place than in another is made even, or tissue that is nearly black beside a
bright muscle is brightened. Both occur in DDSM; all whole films of CBIS-DDSM are read as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .folds import trim_folds
from .segment import film_and_tissue, film_border, segment
from .skin import skin_confidence, skin_line
from .working_copy import oriented_copy

_SEEN = 0.75  # skin confidence from which on the image is read as it is
_GAIN = 0.05  # of the height: how much more skin another copy has to show to be read instead
_EVENED = 0.5  # from the film's gray value towards Otsu's threshold: all below is film
_BRIGHTEST = 99  # percent of the image without its borders that is darker than white, brightened


@dataclass(frozen=True, eq=False)
class ReadableCopy:
    """A small copy of a mammogram, the chest wall at the left, and where the breast is in it.

    Attributes:
        small: (h, w) uint8.
        mirrored: whether the image was mirrored for it.
        film: (h, w) bool, white film borders.
        mask: (h, w) bool, the breast with neighboring skin; empty where none was found.
        breast: (h, w) bool, the mask without the folds of skin that the view tells.
        curve: (M, 2) the skin line of the breast; None where there is none.
        confidence: share of the skin line at which the copy gets darker; 0 without one.
    """

    small: np.ndarray
    mirrored: bool
    film: np.ndarray
    mask: np.ndarray
    breast: np.ndarray
    curve: np.ndarray | None
    confidence: float

    @classmethod
    def of(cls, small: np.ndarray, mirrored: bool, view: str | None) -> ReadableCopy:
        """What is found in an oriented copy; without a view no folds are trimmed."""
        film = film_border(small)
        mask = segment(small, film)
        breast = trim_folds(mask, view) if view and mask.any() else mask
        curve = skin_line(breast, film)
        skin = 0.0 if curve is None else skin_confidence(small, film, curve)
        return cls(small, mirrored, film, mask, breast, curve, skin)

    @property
    def rows_of_skin(self) -> float:
        """Share of the copy's height at which skin is seen, in 0..1."""
        if self.curve is None:
            return 0.0
        return self.confidence * float(np.ptp(self.curve[:, 1])) / self.small.shape[0]


def readable_copy(image: np.ndarray, view: str | None = None) -> ReadableCopy:
    """The copy in which landmarks are looked for. A mirrored image gives exactly the same.

    Args:
        image: (H, W), uint8, uint16 or float.
        view: "CC" or "MLO"; None: not known, folds of skin stay.

    Raises:
        ValueError: if the image is no gray image of finite numbers.
    """
    copy = ReadableCopy.of(*oriented_copy(image), view)
    if copy.confidence >= _SEEN:
        return copy
    others = (
        ReadableCopy.of(*oriented_copy(image, tone=tone), view) for tone in (even_film, brightened)
    )
    # Not the surest skin line, which may be a part of it.
    best = max(others, key=lambda other: other.rows_of_skin)
    return best if best.rows_of_skin > copy.rows_of_skin + _GAIN else copy


def even_film(small: np.ndarray) -> np.ndarray:
    """The image whose darker parts, the film and what is darker, have one gray value.

    Args:
        small: (h, w) uint8 working copy.

    Returns:
        (h, w) uint8.
    """
    tissue = _without_borders(small)
    if tissue.size == 0:
        return small
    background, _, otsu = film_and_tissue(tissue)
    return np.maximum(small, np.uint8(round(background + _EVENED * (otsu - background))))


def brightened(small: np.ndarray) -> np.ndarray:
    """The image with its range stretched to what it holds beside borders, and its square root.

    Args:
        small: (h, w) uint8 working copy.

    Returns:
        (h, w) uint8.
    """
    tissue = _without_borders(small)
    if tissue.size == 0:
        return small
    white = max(float(np.percentile(tissue, _BRIGHTEST)), 1.0)
    return cv2.LUT(
        small, (255 * np.sqrt(np.arange(256) / white) + 0.5).clip(0, 255).astype(np.uint8)
    )


def _without_borders(small: np.ndarray) -> np.ndarray:
    """(n,) uint8, the pixels beside white film borders; none where they are all alike."""
    tissue = small[~film_border(small)]
    return tissue if tissue.size and tissue.max() > tissue.min() else tissue[:0]
