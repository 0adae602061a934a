"""Nipple of a mammogram, on the skin line. Chest wall at the left.

[S] takes the point farthest from the chest wall (CC) and the point of highest curvature in the
lower outer part (MLO). A curvature maximum is often a dent of the skin, and a nipple in profile is
seldom exactly the farthest point. So both views share one rule: the skin line is compared with a
stiff copy of itself; near the farthest point the nipple is where it stands out most. A nipple
that stands out nowhere is looked for within the breast.
"""

from __future__ import annotations

import numpy as np

from .contour import smooth_curve
from .nipple_shadow import find_nipple_shadow

_STIFF = 0.30  # share of the skin line's length: what is shorter is not the shape of the breast
_NEAR = 0.12  # of the reach: how much less far than the farthest point a nipple may lie
_BUMP = 0.010  # of the reach: a nipple in profile stands out by at least this
_SURE_BUMP = 0.035
_SHADOW = 3.5  # spreads by which a nipple that is not in profile stands out at least
_SURE_SHADOW = 10.0


def find_nipple(
    small: np.ndarray, contour: np.ndarray, line: np.ndarray
) -> tuple[np.ndarray, float]:
    """Nipple: the bump of the skin line, a round shadow within, or the farthest point.

    Args:
        small: (h, w) uint8 working copy.
        contour: (M, 2) skin line, points at equal distances, from top to bottom.
        line: (2, 2) pectoral line, upper point first; the chest wall in a CC view.

    Returns:
        (2,) float64, and the confidence in 0..1: from 0.5 on in profile, below it within the
        breast, 0 for the point of the skin farthest from the line, where nothing was seen.
    """
    point, bump = find_bump(contour, line)
    if bump >= _BUMP:
        return point, 0.5 + 0.5 * min((bump - _BUMP) / (_SURE_BUMP - _BUMP), 1.0)
    shadow, merit = find_nipple_shadow(small, contour, line)
    if merit >= _SHADOW:
        return shadow, 0.25 + 0.25 * min((merit - _SHADOW) / (_SURE_SHADOW - _SHADOW), 1.0)
    return point, 0.0


def find_bump(contour: np.ndarray, line: np.ndarray) -> tuple[np.ndarray, float]:
    """Where the skin line stands out most near its point farthest from the pectoral line.

    Args:
        contour, line: as in ``find_nipple``.

    Returns:
        (2,) float64, and by how much of the breast's reach it stands out; where that is less
        than a nipple's height, the farthest point.
    """
    direction = (line[1] - line[0]) / max(float(np.hypot(*(line[1] - line[0]))), 1e-9)
    normal = np.array([direction[1], -direction[0]])
    distance = (contour - line[0]) @ normal
    reach = float(distance.max())
    farthest = int(np.argmax(distance))
    if reach <= 0:
        return contour[farthest], 0.0
    stiff = smooth_curve(contour, _STIFF)
    tangent = np.gradient(stiff, axis=0)
    tangent /= np.maximum(np.hypot(*tangent.T), 1e-9)[:, None]
    outward = np.stack([tangent[:, 1], -tangent[:, 0]], axis=1)
    bump = ((contour - stiff) * outward).sum(axis=1) / reach
    lost = (reach - distance) / reach
    merit = np.where(lost <= _NEAR, bump - 0.25 * lost, -np.inf)
    best = int(np.argmax(merit))
    return contour[best if bump[best] >= _BUMP else farthest], float(bump[best])
