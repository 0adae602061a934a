"""Nipple of [S]: a point of the skin line. Chest wall at the left.

CC: the point farthest from the chest wall. MLO: in the lower outer part of the breast's box, the
point of highest curvature.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import find_peaks

from .contour import ThesisContour

LOWER_OUTER = (0.75, 0.5)  # of the width and height of the breast's box: where an MLO nipple is
_NEAR = 0.02  # of the reach: what is less far by no more than this might be the nipple as well


def find_nipple(contour: ThesisContour, view: str) -> tuple[np.ndarray, float, bool]:
    """Nipple by [S].

    Args:
        contour: contour of the breast.
        view: "CC" or "MLO".

    Returns:
        (2,) float64; the confidence, 0 .. 1; and whether the rule found a point. Where it did not
        (MLO; no skin line in the lower outer part) it is the point farthest from the chest wall,
        with the confidence 0.
    """
    if view == "CC":
        point, confidence = _farthest(contour)
        return point, confidence, True
    inside = np.flatnonzero(_in_lower_outer_part(contour))
    if inside.size == 0:
        return _farthest(contour)[0], 0.0, False
    bend = np.abs(contour.curvature)
    best = int(inside[np.argmax(bend[inside])])
    return contour.points[best], dominance(bend, inside, best), True


def dominance(bend: np.ndarray, inside: np.ndarray, best: int) -> float:
    """How far the highest curvature stands above the next: 1 − second / first, 0 .. 1.

    Args:
        bend: (M,) |κ| along the skin line.
        inside: (K,) indices of the points that may be the nipple.
        best: index of the highest among them.
    """
    if bend[best] <= 0:
        return 0.0
    peaks, _ = find_peaks(bend)
    rivals = np.intersect1d(peaks, inside)
    rivals = rivals[rivals != best]
    return float(1 - bend[rivals].max() / bend[best]) if rivals.size else 1.0


def _in_lower_outer_part(contour: ThesisContour) -> np.ndarray:
    x0, y0, x1, y1 = contour.box
    x, y = contour.points.T
    return (x - x0 >= LOWER_OUTER[0] * (x1 - x0)) & (y - y0 >= LOWER_OUTER[1] * (y1 - y0))


def _farthest(contour: ThesisContour) -> tuple[np.ndarray, float]:
    """Point farthest from the chest wall, and how clearly: points nearly as far lie close by.

    The confidence is 1 less the height over which they spread, as a share of the skin line's.
    """
    x, y = contour.points.T
    best = int(np.argmax(x))
    nearly = y[x >= x[best] - _NEAR * (x[best] - contour.box[0])]
    spread = np.ptp(nearly) / max(float(np.ptp(y)), 1e-9)
    return contour.points[best], float(np.clip(1 - spread, 0, 1))
