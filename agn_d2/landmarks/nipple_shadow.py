"""A nipple that is not in profile: a small round shadow within the breast. Chest wall at the left.

[S] and [P] take it to lie on the skin line always. Where it does not stand out there, it lies up to
two centimeters inside, and shows as a disc a little brighter than the tissue around it.
"""

from __future__ import annotations

import cv2
import numpy as np

from .curves import outward_normals

_RADII = (0.023, 0.032)  # of the breast's height: a nipple is about a centimeter wide
_DEPTHS = np.linspace(0.02, 0.12, 21)  # of the breast's height, from the skin inwards
_USUAL_DEPTH, _DEPTH_SPREAD = 0.06, 0.025
_ALONG_SPREAD = 0.035  # of the breast's height, along the skin from the farthest point
_ALONG_LIMIT = 0.2
_WIDE = 0.45  # of the reach: how much less far the skin may be at which tissue is compared
_FLAT = 0.1  # gray values that no film tells apart


def find_nipple_shadow(
    small: np.ndarray, contour: np.ndarray, line: np.ndarray
) -> tuple[np.ndarray, float]:
    """The most nipple-like disc near the point of the skin farthest from the pectoral line.

    Discs are compared with the tissue at the same depth below the skin, in units of its own
    spread: towards the skin the breast gets thinner and darker, with or without a nipple.

    Args:
        small: (h, w) uint8 working copy.
        contour: (M, 2) skin line, points at equal distances, from top to bottom.
        line: (2, 2) pectoral line, upper point first; the chest wall in a CC view.

    Returns:
        (2,) float64 center of the disc, and its merit: how many spreads it stands out, less what
        its place costs (a Gaussian prior).
    """
    height = max(float(np.ptp(contour[:, 1])), 1.0)
    direction = (line[1] - line[0]) / max(float(np.hypot(*(line[1] - line[0]))), 1e-9)
    distance = (contour - line[0]) @ np.array([direction[1], -direction[0]])
    reach, farthest = float(distance.max()), contour[int(np.argmax(distance))]
    wide = distance >= reach - _WIDE * abs(reach)
    inward = -outward_normals(contour)
    points = contour[:, None] + inward[:, None] * (_DEPTHS * height)[None, :, None]
    merit = np.max([_standing_out(small, points, r * height, wide) for r in _RADII], axis=0)
    along = (points - farthest) @ direction / height
    merit -= 0.5 * (along / _ALONG_SPREAD) ** 2
    merit -= 0.5 * ((_DEPTHS - _USUAL_DEPTH) / _DEPTH_SPREAD) ** 2
    merit[np.abs(along) > _ALONG_LIMIT] = -np.inf
    best = np.unravel_index(int(np.argmax(merit)), merit.shape)
    return points[best], float(merit[best])


def _standing_out(
    small: np.ndarray, points: np.ndarray, radius: float, wide: np.ndarray
) -> np.ndarray:
    """How much brighter a disc around each point is than the ring around it, in spreads.

    Args:
        points: (M, D, 2), M along the skin at D depths.
        wide: (M,) bool, which of them make the median and the spread at each depth.
    """
    size = int(np.ceil(2 * radius))
    y, x = np.mgrid[-size : size + 1, -size : size + 1]
    away = np.hypot(x, y) / radius
    disc, ring = np.exp(-(away**4)), np.exp(-(((away - 1.55) / 0.35) ** 2))
    contrast = cv2.filter2D(small, cv2.CV_32F, disc / disc.sum() - ring / ring.sum())
    columns, rows = (points.astype(np.float32) - 0.5).transpose(2, 0, 1)
    value = cv2.remap(contrast, columns, rows, cv2.INTER_LINEAR)
    value = value - np.median(value[wide], axis=0)
    deviation = np.abs(value[wide])
    # 1.48 times the median deviation is the standard deviation of a Gaussian.
    spread = 1.48 * np.median(deviation, axis=0) + 0.2 * np.median(deviation) + _FLAT
    return value / spread
