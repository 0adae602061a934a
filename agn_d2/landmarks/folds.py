"""Where the breast ends and another fold of skin begins. Chest wall at the left."""

from __future__ import annotations

import cv2
import numpy as np

from .segment import NIPPLE, odd

WALL = 0.012  # of the height: what reaches less far from the chest wall is not breast
_SLIVER = 0.12  # of the breast's reach: tails thinner than this are skin beyond the breast
_AXILLA = 0.15  # of the breast's reach: an MLO view that stays wider goes on to the image border
_EDGE = 0.05  # of the height: rows so near to the top of the image do not tell the axilla's width
_FOLD_DEPTH = 0.03  # of the height: a rise of the profile by more than this is another fold of skin


def trim_folds(mask: np.ndarray, view: str) -> np.ndarray:
    """Cut off neighboring folds of skin (arm, belly, the other breast); chest wall at the left.

    Going up and down from the row where the breast reaches farthest, its reach can only shrink;
    where it grows again, another fold begins. The mask ends at that fold, or where it thins out to
    a sliver along the chest wall. At the top of an MLO view, where breast and axilla go on to the
    image border, it is narrowed to its reach instead.

    Returns:
        (h, w) bool.
    """
    height, width = mask.shape
    wall = int(np.argmax(mask.any(axis=0)))
    reach = np.where(mask.any(axis=1), width - np.argmax(mask[:, ::-1], axis=1) - wall, 0)
    apex = _apex_row(reach, view)
    out = mask.copy()
    for step in (-1, 1):
        rows = np.arange(apex, -1, -1) if step < 0 else np.arange(apex, height)
        rows = rows[: int(np.argmin(reach[rows] > 0)) or rows.size]
        # The breast beside a nipple in profile recedes and comes again: that is no fold.
        skipped = np.where(np.arange(rows.size) < NIPPLE * height, reach[apex], reach[rows])
        lowest = np.minimum.accumulate(skipped)
        # The outermost rows belong to the film's edge rather than to the axilla.
        sure = max(1, int((rows >= _EDGE * height).sum()))
        if view == "MLO" and step < 0 and lowest[sure - 1] > _AXILLA * reach[apex]:
            # The muscle may be as white as a film border: nothing is missing left of the skin.
            end = np.full(apex + 1, lowest[sure - 1])
            end[:sure] = np.minimum(lowest, reach[rows])[:sure]
            columns = np.arange(width)[None]
            out[apex::-1] = (columns >= wall) & (columns < wall + end[:, None])
            continue
        grows = np.flatnonzero(reach[rows] > lowest + _FOLD_DEPTH * height)
        if grows.size:
            fold = int(np.flatnonzero(skipped == lowest[grows[0]])[0])
            out[rows[fold + 1 :]] = False
            rows = rows[: fold + 1]
        out[rows[_sliver_start(reach[rows], height) :]] = False
    return out


def _apex_row(reach: np.ndarray, view: str) -> int:
    """Row of the nipple's height, more or less: that of the greatest reach.

    Thin strips at the image ends (film borders) do not count. In an MLO view the arm at the top
    may reach farther than the breast, so there the reach is measured aslant to the pectoral line.
    """
    height = reach.size
    size = odd(0.08 * height)
    thick = cv2.morphologyEx(
        np.pad(reach.astype(np.float32), size)[:, None],
        cv2.MORPH_OPEN,
        np.ones((size, 1), np.uint8),
    )[size:-size, 0]
    strip = reach - thick > _FOLD_DEPTH * height
    strip[size : height - size] = False
    far = np.where(strip | (reach == 0), 0.0, reach.astype(np.float64))
    if view == "MLO":
        rows = np.arange(height)
        low = (rows >= 0.35 * height) & (rows < 0.9 * height) & (far > 0)
        if low.any():
            far = np.where(low, far + 0.15 * rows, 0.0)
    return int(np.argmax(far))


def _sliver_start(reach: np.ndarray, height: int) -> int:
    """Index from which on a falling profile is but a sliver of skin along the chest wall."""
    count = reach.size
    if count < 3:
        return count
    # Distance of the profile inside the chord from the apex to its end: largest at the fold.
    inside = np.linspace(reach[0], reach[-1], count) - reach
    fold = int(np.argmax(inside))
    tail = reach[fold:]
    if inside[fold] > 0.05 * height and tail.mean() < _SLIVER * reach[0]:
        return fold
    wide = np.flatnonzero(reach > WALL * height)
    return int(wide[-1]) + 1 if wide.size else count
