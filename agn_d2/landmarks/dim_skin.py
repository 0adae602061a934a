"""The outermost skin, dimmer than the skin line: a nipple is thin. Chest wall at the left.

The skin line is drawn where the breast is clearly brighter than the film. A nipple in profile is
often dimmer than that, and lies outside of it; and where the rim of fat is dim, the skin line bends
in and makes a corner that is none. At a level just above the film both look as they are.
"""

from __future__ import annotations

import cv2
import numpy as np

from .curves import outward_normals, smooth_curve
from .segment import OTSU_SHARE, film_and_tissue

_SHARE = 0.06  # of the way from film to Otsu's threshold: the dimmest skin
_NOISE = 3.0  # standard deviations of the film's noise, above which skin is sought
_FIT = 0.10  # of the skin line's length: the rays start from a copy of it as stiff as this
_INSIDE, _OUTSIDE = 0.05, 0.06  # of the image height: the ends of a ray
_STEP = 0.002
_CLEAR = 0.01  # of the image height: beyond the skin line by this, nothing is as bright as tissue
_SLACK = 0.004  # of the image height: how far within the skin line the outermost skin may lie


def outer_skin(
    small: np.ndarray, film: np.ndarray, contour: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where the image fades into the film, along rays that cross the skin line.

    Args:
        small: (h, w) uint8 working copy.
        film: (h, w) bool, white film borders.
        contour: (M, 2) skin line, points at equal distances, from top to bottom.

    Returns:
        (M, 2) float64, one point for each of the skin line, and (M,) bool: False where the image
        does not fade within a nipple's height, as at another fold of skin, or not before something
        bright, as at a label. There the point lies as far from the skin line as usual.
    """
    height = small.shape[0]
    base = smooth_curve(contour, _FIT)
    outward = outward_normals(base)
    along = np.arange(-_INSIDE, _OUTSIDE, _STEP) * height
    rays = (base[:, None] + outward[:, None] * along[None, :, None] - 0.5).astype(np.float32)
    blurred = cv2.GaussianBlur(small, (0, 0), height / 512).astype(np.float32)
    blurred[film] = 0
    gray = cv2.remap(blurred, rays[..., 0], rays[..., 1], cv2.INTER_LINEAR, borderValue=0)
    level, bright = skin_levels(small, film)
    skin = ((contour - base) * outward).sum(axis=1)
    faded = (gray <= level) & (along >= skin[:, None] - _SLACK * height)
    after = np.argmax(faded, axis=1)
    fades = (after > 0) & (after < along.size - 2)
    rows, after = np.arange(after.size), np.maximum(after, 1)
    inner, outer = gray[rows, after - 1], gray[rows, after]
    share = np.clip((inner - level) / np.maximum(inner - outer, 1e-3), 0.0, 1.0)
    gap = along[after - 1] + share * _STEP * height - skin
    # Thin and bright, or it would lie inside of the skin line: a letter.
    beyond = (along > skin[:, None] + _CLEAR * height) & (np.arange(along.size) < after[:, None])
    fades &= ~(beyond & (gray > bright)).any(axis=1)
    gap[~fades] = np.median(gap[fades]) if fades.any() else 0.0
    return base + outward * (skin + gap)[:, None], fades


def skin_levels(small: np.ndarray, film: np.ndarray) -> tuple[float, float]:
    """Gray values just above the film beside the breast, and of what is as bright as tissue.

    ``segment`` cuts between them, so that glow, dust and scratches stay outside; a nipple, thinner
    than the breast behind it, may be dimmer than that.

    Args:
        small: (h, w) uint8 working copy.
        film: (h, w) bool, its film_border.

    Returns:
        The level above the film and its noise, and Otsu's threshold.
    """
    tissue = small[~film]
    if tissue.size == 0:
        return 0.0, 255.0
    background, noise, otsu = film_and_tissue(tissue)
    above = max(_SHARE * (otsu - background), _NOISE * noise)
    return background + min(above, OTSU_SHARE * (otsu - background)), otsu
