"""Nipple of a mammogram, on the skin line. Chest wall at the left.

[S] takes the point farthest from the chest wall (CC) and the point of highest curvature in the
lower outer part (MLO). A curvature maximum is often a dent of the skin, and a nipple in profile is
seldom exactly the farthest point. So both views share one rule: every point of the skin is scored
by how much it stands out, narrowly at the dimmest skin and widely at the skin line, and by how far
out it lies; in an MLO view corners of the underside count less. The weights come from a
conditional logit fitted to nipples of real images and of the phantom, rounded. A nipple that
stands out nowhere is looked for within the breast.
"""

from __future__ import annotations

import numpy as np

from .curves import outward_normals, smooth_curve, standing_out
from .dim_skin import outer_skin
from .nipple_shadow import find_nipple_shadow

_NARROW, _WIDE, _SHAPE = 0.12, 0.30, 0.20  # shares of the skin line's length: stiff copies
_FINE = 0.02  # of the same: shorter waves are noise
_PER_NARROW = 290.0  # logit per breast height by which the dimmest skin stands out
_PER_WIDE = 112.0  # logit per reach by which the skin line stands out
_PER_LOST = 49.0  # logit per reach that a point lies nearer to the line than the farthest
_PER_DOWN = 13.0  # logit per breast height that it lies further down, where the line is aslant
_LEAST, _MOST = -7.0, 11.0  # logits: bounds of either, so that a label cannot outdo all else
_NO_NIPPLE = 0.06  # of the breast's height: what stands out farther is a label or a fold
_BESIDE = 0.02  # of the skin line's length: so near to a label nothing is taken for a nipple
_NEAR = 0.3  # of the reach: how much less far than the farthest point a nipple may lie
_BUMP, _SURE_BUMP = 1.75, 6.0  # logits: a nipple in profile stands out by at least this
_SAME = 0.04  # of the breast's height: points nearer than this stand for the same nipple
_SHADOW = 3.5  # spreads by which a nipple that is not in profile stands out at least
_SURE_SHADOW = 10.0


def find_nipple(
    small: np.ndarray, film: np.ndarray, contour: np.ndarray, line: np.ndarray
) -> tuple[np.ndarray, float]:
    """Nipple: the bump of the skin, a round shadow within, or the farthest point.

    Args:
        small: (h, w) uint8 working copy.
        film: (h, w) bool, white film borders.
        contour: (M, 2) skin line, points at equal distances, from top to bottom.
        line: (2, 2) pectoral line, upper point first; the chest wall in a CC view.

    Returns:
        (2,) float64, and the confidence in 0..1: from 0.5 on in profile (less if another place
        looks as much like a nipple), below it within the breast, 0 for the point of the skin
        farthest from the line, where nothing was seen.
    """
    bump = find_bump(small, film, contour, line)
    if bump is not None:
        return bump
    shadow, merit = find_nipple_shadow(small, contour, line)
    if merit >= _SHADOW:
        return shadow, 0.25 + 0.25 * min((merit - _SHADOW) / (_SURE_SHADOW - _SHADOW), 1.0)
    return contour[int(np.argmax(_distance(contour, line)))], 0.0


def find_bump(
    small: np.ndarray, film: np.ndarray, contour: np.ndarray, line: np.ndarray
) -> tuple[np.ndarray, float] | None:
    """The point of the skin line that looks most like a nipple in profile.

    Args:
        small, film, contour, line: as in ``find_nipple``.

    Returns:
        (2,) float64 and the confidence in 0.5..1; None if no point stands out like a nipple.
    """
    reach = float(_distance(contour, line).max())
    height = float(np.ptp(contour[:, 1]))
    if reach <= 0 or height <= 0:
        return None
    outward = outward_normals(smooth_curve(contour, _SHAPE))
    outer, fades = outer_skin(small, film, contour)
    outer = smooth_curve(outer, _FINE)
    narrow = standing_out(outer, _NARROW, outward) / height
    wide = standing_out(smooth_curve(contour, _FINE), _WIDE, outward) / reach
    evidence = sum(part.clip(_LEAST, _MOST) for part in (_PER_NARROW * narrow, _PER_WIDE * wide))
    merit = evidence - _cost_of_place(outer, line, height)
    label = ~fades | (standing_out(outer, _WIDE, outward) > _NO_NIPPLE * height)
    beside = np.ones(2 * round(_BESIDE * label.size) + 1)
    shape = _distance(smooth_curve(outer, _SHAPE), line)
    open_ = (np.convolve(label, beside, "same") == 0) & (shape >= (1 - _NEAR) * shape.max())
    if not open_.any():
        return None
    best = int(np.argmax(np.where(open_, merit, -np.inf)))
    if evidence[best] < _BUMP:
        return None
    chance = np.where(open_, np.exp(np.minimum(merit - merit[best], 0.0)), 0.0)
    same = np.hypot(*(contour - contour[best]).T) <= _SAME * height
    only = float(chance[same].sum() / chance.sum())
    strength = min((evidence[best] - _BUMP) / (_SURE_BUMP - _BUMP), 1.0)
    return contour[best], 0.5 + 0.5 * strength * only


def _distance(points: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Signed distance from the pectoral line towards the nipple, (M,)."""
    direction = _direction(line)
    return (points - line[0]) @ np.array([direction[1], -direction[0]])


def _direction(line: np.ndarray) -> np.ndarray:
    """Unit vector down the line."""
    return (line[1] - line[0]) / max(float(np.hypot(*(line[1] - line[0]))), 1e-9)


def _cost_of_place(points: np.ndarray, line: np.ndarray, height: float) -> np.ndarray:
    """Logits that a place costs: nearer to the line than the farthest, or further down, (M,).

    The breast sags over the fold below it: an MLO view has corners at the underside, and they lie
    far from the aslant line.
    """
    distance = _distance(points, line)
    cost = _PER_LOST * (distance.max() - distance) / max(float(distance.max()), 1e-9)
    if line[0, 0] > line[1, 0]:
        cost += _PER_DOWN * ((points - line[0]) @ _direction(line)) / height
    return cost
