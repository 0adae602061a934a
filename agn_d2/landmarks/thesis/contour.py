"""Skin line of [S]: Otsu, largest component, contour, smoothing B-spline. Chest wall at the left.

[S] finds the contour "after borders and labels are removed" and does not say how. White film
borders are removed before (see detect.py); for the rest the largest component above the threshold
is all: what touches the breast stays with it.

Everything is done on a copy of WORK_HEIGHT, so the result does not depend on the resolution.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.interpolate import BSpline, make_interp_spline

from ..curves import resample, smooth_curve

WORK_HEIGHT = 1024  # [S] works at 1024 px: its weights are those of this height, in our reading
SMOOTHING = {"CC": 100.0, "MLO": 1e7}  # weight s of |S''|^2, for points 1 px apart

_MIN_AREA = 0.02  # of the image: a smaller component is no breast
_WALL = 0.012  # of the height: an outline so near to the chest wall is not the skin
_MIN_POINTS = 8


@dataclass(frozen=True, eq=False)
class ThesisContour:
    """Smooth skin line of a working copy.

    Attributes:
        points: (M, 2) float64, from the upper to the lower end, about 1 px apart.
        curvature: (M,) float64, κ in 1 / px; its sign is that of the way along the line.
        box: (x0, y0, x1, y1) of the breast in pixels, x1 and y1 exclusive.
        separability: that of tissue and background, 0 to 1 (see ``separability``).
    """

    points: np.ndarray
    curvature: np.ndarray
    box: tuple[int, int, int, int]
    separability: float


def find_contour(small: np.ndarray, view: str) -> ThesisContour | None:
    """Skin line by [S].

    Args:
        small: (WORK_HEIGHT, w) uint8, chest wall at the left.
        view: "CC" or "MLO".

    Returns:
        The skin line, or None if there is no component large enough or it has no skin line.
    """
    threshold, binary = cv2.threshold(small, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    found = largest_component(binary)
    if found is None:
        return None
    mask, box = found
    rough = skin_outline(mask)
    if rough is None:
        return None
    points, curvature = smooth_skin_line(rough, SMOOTHING[view])
    return ThesisContour(points, curvature, box, separability(small, threshold))


def largest_component(binary: np.ndarray) -> tuple[np.ndarray, tuple[int, int, int, int]] | None:
    """Largest connected component.

    Args:
        binary: (h, w) uint8, zero for the background.

    Returns:
        (h, w) uint8 of zeros and ones and its box (x0, y0, x1, y1), or None if it is smaller than
        2 % of the image.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats(binary, connectivity=8)
    if count < 2:
        return None
    best = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    x, y, width, height, area = (int(n) for n in stats[best])
    if area < _MIN_AREA * binary.size:
        return None
    return (labels == best).astype(np.uint8), (x, y, x + width, y + height)


def skin_outline(mask: np.ndarray) -> np.ndarray | None:
    """The part of the outline that is skin: neither chest wall nor the border of the image.

    It goes both ways from the point of the skin farthest from the chest wall, up to the first
    point that is no skin. The far border of the image stands for the skin of a breast that it cuts.

    Args:
        mask: (h, w) uint8 of zeros and ones, one component.

    Returns:
        (M, 2) float64 from the upper to the lower end, (0.5, 0.5) is the center of the first
        pixel; None if less than half of it is skin that can be seen.
    """
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(contours, key=len).reshape(-1, 2)
    height, width = mask.shape
    x, y = outline.T
    skin = (x > x.min() + _WALL * height) & (y > 0) & (y < height - 1)
    if not skin.any():
        return None
    apex = int(np.argmax(np.where(skin, x, -1)))
    outline, skin = np.roll(outline, -apex, axis=0), np.roll(skin, -apex)
    ends = np.flatnonzero(~skin)
    if ends.size == 0:
        return None
    curve = np.concatenate([outline[ends[-1] + 1 :], outline[: ends[0]]])
    if len(curve) < _MIN_POINTS or (curve[:, 0] == width - 1).mean() > 0.5:
        return None
    return (curve if curve[0, 1] <= curve[-1, 1] else curve[::-1]) + 0.5


def smooth_skin_line(curve: np.ndarray, weight: float) -> tuple[np.ndarray, np.ndarray]:
    """Smoothing B-spline min Σ|C_i − S(u_i)|² + s ∫|S''|² du of [S], u in pixels along the curve.

    Args:
        curve: (M, 2) rough skin line.
        weight: s.

    Returns:
        (K, 2) points of the spline about 1 px apart, and (K,) its curvature there.
    """
    length = float(np.hypot(*np.diff(curve, axis=0).T).sum())
    count = max(_MIN_POINTS, round(length) + 1)
    # smooth_curve takes the wavelength that s halves, as a share of the curve.
    smooth = smooth_curve(resample(curve, count), 2 * np.pi * weight**0.25 / count)
    where = np.arange(count, dtype=np.float64)
    return smooth, curvature(make_interp_spline(where, smooth), where)


def curvature(spline: BSpline, where: np.ndarray) -> np.ndarray:
    """κ(u) = (x'y'' − y'x'') / (x'² + y'²)^{3/2} ([S]) of a plane curve; 0 where it rests."""
    (dx, dy), (ddx, ddy) = spline(where, 1).T, spline(where, 2).T
    speed = np.hypot(dx, dy) ** 3
    return np.divide(dx * ddy - dy * ddx, speed, out=np.zeros_like(speed), where=speed > 1e-12)


def separability(small: np.ndarray, threshold: float) -> float:
    """Otsu's measure of a threshold: variance between the classes over the whole variance.

    Args:
        small: (h, w) uint8.
        threshold: brighter pixels are one class.

    Returns:
        0 (or an image of one gray value) .. 1 (two gray values).
    """
    share = np.bincount(small.ravel(), minlength=256) / small.size
    gray = np.arange(256.0)
    mean = share @ gray
    variance = share @ (gray - mean) ** 2
    above = gray > threshold
    weight = share[above].sum()
    if variance <= 0 or not 0 < weight < 1:
        return 0.0
    offset = share[above] @ gray[above] / weight - mean
    return float(min(1.0, offset**2 * weight / (1 - weight) / variance))
