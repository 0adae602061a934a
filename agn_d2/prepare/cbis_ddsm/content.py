"""Telling a lesion's mask from its crop by what is in the picture, and the lesion in the mask."""

from __future__ import annotations

import numpy as np
from skimage.measure import label, regionprops

from ..region import Region, bounds

MASK, CROP, BLANK = "mask", "crop", "blank"
_TWO_VALUES = 0.995  # share of a mask's pixels that have its least or its largest value
_RINGING = 32  # gray values by which JPEG misses 0 or 255 beside an edge
_SPECK = 0.01  # of the area of the largest part: a smaller part of a mask is a speck


def kind_of(values: np.ndarray) -> str:
    """What a picture is: a mask has two values, a crop many, a blank one.

    A few pixels between the two values, as lossy copies have them, make no crop of a mask.

    Args:
        values: (H, W) uint8 or uint16.

    Returns:
        "mask", "crop" or "blank".
    """
    low, high = int(values.min()), int(values.max())
    if low == high:
        return BLANK
    extreme = np.count_nonzero(values == low) + np.count_nonzero(values == high)
    return MASK if extreme >= _TWO_VALUES * values.size else CROP


def without_ringing(values: np.ndarray) -> np.ndarray:
    """A mask that JPEG has blurred with its two values again; any other picture as it is.

    Args:
        values: (H, W) uint8 or uint16.
    """
    if values.dtype != np.uint8 or kind_of(values) != CROP:
        return values
    clear = values.copy()
    clear[values <= _RINGING] = 0
    clear[values >= 255 - _RINGING] = 255
    return clear if kind_of(clear) == MASK else values


def region_of(values: np.ndarray) -> Region:
    """The lesion in a mask.

    The lesion is what differs from most of the picture's rim, so an inverted mask is understood.
    Specks, parts below a hundredth of the largest one, are dropped and noted.

    Args:
        values: (H, W) picture of kind "mask".
    """
    low, high = int(values.min()), int(values.max())
    lesion = values > (low + high) / 2
    notes = []
    rim = np.concatenate([lesion[0], lesion[-1], lesion[:, 0], lesion[:, -1]])
    # A lesion can reach over most of the rim of a mask that is cut close to it.
    if rim.mean() > 0.5 and lesion.mean() > 0.5 and not _fills(lesion):
        lesion = ~lesion
        notes.append("mask inverted")
    box = bounds(lesion)
    window = lesion[box[1] : box[3], box[0] : box[2]]
    parts = regionprops(label(window, connectivity=2))
    largest = max(part.area for part in parts)
    specks = [part for part in parts if part.area < _SPECK * largest]
    if specks:
        window = window.copy()
        for part in specks:
            window[tuple(part.coords.T)] = False
        notes.append(f"{len(specks)} speck(s) dropped from the mask")
        inner = bounds(window)
        window = window[inner[1] : inner[3], inner[0] : inner[2]]
        box = (box[0] + inner[0], box[1] + inner[1], box[0] + inner[2], box[1] + inner[3])
    if len(parts) - len(specks) > 1:
        notes.append(f"mask of {len(parts) - len(specks)} parts")
    return Region(np.ascontiguousarray(window), box, values.shape, tuple(notes))


def _fills(lesion: np.ndarray) -> bool:
    """Whether the bright part is one lesion whose box is the picture: a mask cut to its lesion."""
    dark_corners = sum(not lesion[y, x] for y in (0, -1) for x in (0, -1))
    return dark_corners >= 2
