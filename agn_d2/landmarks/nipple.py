"""Nipple of a mammogram, on the skin line. Chest wall at the left.

[S] takes the point farthest from the chest wall (CC) and the point of highest curvature in the
lower outer part (MLO). A curvature maximum is often a dent of the skin, and a nipple in profile is
seldom exactly the farthest point. So both views share one rule: the skin line is compared with a
stiff copy of itself; near the farthest point the nipple is where it stands out most.
"""

from __future__ import annotations

import numpy as np

from .contour import smooth_curve

_STIFF = 0.30  # share of the skin line's length: what is shorter is not the shape of the breast
_NEAR = 0.12  # of the reach: how much less far than the farthest point a nipple may lie
_BUMP = 0.010  # of the reach: a nipple in profile stands out by at least this


def find_nipple(contour: np.ndarray, line: np.ndarray) -> tuple[np.ndarray, bool]:
    """Nipple: the bump of the skin line near its point farthest from the pectoral line.

    Args:
        contour: (M, 2) skin line, points at equal distances.
        line: (2, 2) pectoral line, upper point first; the chest wall in a CC view.

    Returns:
        (2,) float64, and whether the nipple stands out; if not it is the farthest point.
    """
    direction = (line[1] - line[0]) / max(float(np.hypot(*(line[1] - line[0]))), 1e-9)
    normal = np.array([direction[1], -direction[0]])
    distance = (contour - line[0]) @ normal
    reach = float(distance.max())
    farthest = int(np.argmax(distance))
    if reach <= 0:
        return contour[farthest], False
    stiff = smooth_curve(contour, _STIFF)
    tangent = np.gradient(stiff, axis=0)
    tangent /= np.maximum(np.hypot(*tangent.T), 1e-9)[:, None]
    outward = np.stack([tangent[:, 1], -tangent[:, 0]], axis=1)
    bump = ((contour - stiff) * outward).sum(axis=1) / reach
    lost = (reach - distance) / reach
    merit = np.where(lost <= _NEAR, bump - 0.25 * lost, -np.inf)
    best = int(np.argmax(merit))
    if bump[best] < _BUMP:
        return contour[farthest], False
    return contour[best], True
