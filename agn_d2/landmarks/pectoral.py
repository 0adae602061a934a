"""Pectoral line of an MLO view: the edge of the pectoral muscle. Chest wall at the left.

[S] (thesis, 2025) takes it from a Hough transform of Canny edges. The edge of the muscle is often
too soft for that, so here every line of a grid from the top of the breast to the chest wall is
scored by the step of brightness across it, in two passes from coarse to fine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

_BLUR = 0.006  # sigma, of the height
_STEP = 0.02  # of the height: how far to each side of a line brightness is read
_CONTRAST = 0.12  # of the tissue's range: a step of brightness that counts in full
_STEEP = 8.0  # times that contrast: the step up to which a line is refined
_FITS = 3  # each looks around the line of the one before
_FIT_SPAN = 0.03  # of the height: how far from the best line its edge is looked for
_SAMPLES = 48  # points along a line
_OUTSIDE = -0.3  # value of a point beside which there is no tissue
_LONG = 0.8  # of the height: a line longer than this has no further advantage
_ANGLE, _ANGLE_SPREAD = 26.0, 14.0  # degrees from the vertical: the usual place of the muscle
_MIN_SCORE = 0.4
_SURE_SCORE = 0.9


@dataclass(frozen=True)
class _Scene:
    """What lines are scored against: blurred image, tissue, upper left corner, full contrast."""

    image: np.ndarray
    tissue: np.ndarray
    wall: float
    top: float
    contrast: float


def find_pectoral_line(
    small: np.ndarray, mask: np.ndarray, wall: float, reach: float
) -> tuple[np.ndarray, float]:
    """Edge of the pectoral muscle, or the chest wall where none is seen.

    Without an edge there is hardly any muscle on the film, so its line is the image's border.

    Args:
        small: (h, w) uint8 working copy.
        mask: (h, w) bool, breast and muscle.
        wall: x of the chest wall, pixels.
        reach: extent of the breast from the chest wall, pixels.

    Returns:
        (2, 2) float64, upper point first, in pixels of the copy, and the confidence in 0..1; 0 if
        no edge was seen.
    """
    height = small.shape[0]
    blurred = cv2.GaussianBlur(small, (0, 0), _BLUR * height).astype(np.float32)
    low, middle, high = np.percentile(blurred[mask], [10, 50, 97]) if mask.any() else (0.0,) * 3
    top = float(np.argmax(mask.any(axis=1)))
    # In tissue without any contrast faint texture must not pass for the edge of a muscle.
    scene = _Scene(blurred, mask, wall, top, _CONTRAST * float(max(high - low, middle / 2)) + 1.0)
    x, y, score = _best_line(
        scene,
        _STEP,
        wall + reach * np.linspace(0.1, 1.0, 31),
        top + height * np.linspace(0.15, 1.3, 36),
    )
    # The clipped steps say that there is an edge; where it is steepest, the full ones say nearby.
    steep = replace(scene, contrast=_STEEP * scene.contrast)
    for span in (0.05, 0.012):
        fine = np.linspace(-span, span, 13)
        x, y, _ = _best_line(steep, _STEP / 2, x + reach * fine, y + height * fine)
    for _ in range(_FITS):
        x, y = _fitted(scene, x, y)
    if score < _MIN_SCORE:
        bottom = float(height - np.argmax(mask[::-1].any(axis=1)))
        return np.array([[wall, top], [wall, bottom]]), 0.0
    # From a half at the threshold upwards: the least of what counts as seen is no fallback.
    excess = (score - _MIN_SCORE) / (_SURE_SCORE - _MIN_SCORE)
    confidence = min(0.5 + 0.5 * excess, 1.0)
    if y > height:  # the line leaves the image at the bottom
        x_bottom = x + (wall - x) * (height - top) / (y - top)
        return np.array([[x, top], [x_bottom, height]]), confidence
    return np.array([[x, top], [wall, y]]), confidence


def _fitted(scene: _Scene, x: float, y: float) -> tuple[float, float]:
    """Line through the steepest places near the line from (x, top) to (wall, y).

    A weighted least-squares fit, in which the places far from the last fit count less and less: a
    small change of the image changes it but little, unlike the best of a grid of lines.
    """
    height = scene.image.shape[0]
    start, end = np.array([x, scene.top]), np.array([scene.wall, y])
    along = (np.arange(_SAMPLES) + 0.5) / _SAMPLES
    length = max(float(np.hypot(*(end - start))), 1e-6)
    normal = np.array([end[1] - start[1], start[0] - end[0]]) / length  # away from the muscle
    step = _STEP / 2 * height
    offsets = np.linspace(-_FIT_SPAN, _FIT_SPAN, 31) * height
    middle = start + along[:, None] * (end - start)
    places = middle[:, None] + offsets[None, :, None] * normal
    muscle, in_tissue = _read(scene, *(places - step * normal).transpose(2, 0, 1))
    breast, out_tissue = _read(scene, *(places + step * normal).transpose(2, 0, 1))
    inner = places - step * normal
    visible = in_tissue & out_tissue & (inner[..., 0] > scene.wall) & (inner[..., 1] > scene.top)
    edge = np.where(visible, np.clip((muscle - breast) / scene.contrast, 0, None), 0.0) ** 2
    weight = edge.sum(axis=1)
    if (weight > 0).sum() < _SAMPLES / 6:
        return x, y
    place = edge @ offsets / np.maximum(weight, 1e-9)
    strength = np.sqrt(weight)
    shift, tilt = 0.0, 0.0
    for _ in range(8):
        away = (place - shift - tilt * (along - 0.5)) / (_FIT_SPAN / 3 * height)
        trust = strength / (1 + away**2)
        tilt, shift = np.polyfit(along - 0.5, place, 1, w=np.sqrt(trust))
    first, last = start + (shift - tilt / 2) * normal, end + (shift + tilt / 2) * normal
    rise = last - first
    if rise[1] < 0.1 * height or rise[0] > -1e-3 * height:
        return x, y
    return (
        float(first[0] + (scene.top - first[1]) * rise[0] / rise[1]),
        float(first[1] + (scene.wall - first[0]) * rise[1] / rise[0]),
    )


def _best_line(
    scene: _Scene, step: float, tops: np.ndarray, bottoms: np.ndarray
) -> tuple[float, float, float]:
    """Best of the lines from (tops[i], top) to (wall, bottoms[j]): its top, bottom and score.

    Brightness is compared at `step` times the height on both sides.
    """
    height = scene.image.shape[0]
    x, y = (grid.reshape(-1, 1) for grid in np.meshgrid(tops, bottoms))
    along = (np.arange(_SAMPLES) + 0.5) / _SAMPLES
    run, drop = x - scene.wall, np.maximum(y - scene.top, 1e-6)
    length = np.hypot(run, drop)
    px, py = x - run * along, scene.top + drop * along
    # Unit normal, away from the muscle, times the distance at which brightness is read.
    dx, dy = step * height * drop / length, step * height * run / length
    muscle, in_tissue = _read(scene, px - dx, py - dy)
    breast, out_tissue = _read(scene, px + dx, py + dy)
    edge = np.clip((muscle - breast) / scene.contrast, -1, 1)
    # Points whose muscle side would lie outside of the film say nothing.
    visible = (py < height) & (px - dx > scene.wall) & (py - dy > scene.top)
    edge = np.where(in_tissue & out_tissue, edge, _OUTSIDE) * visible
    count = visible.sum(axis=1)
    seen = np.minimum(count / _SAMPLES * length[:, 0] / height, _LONG) / _LONG
    angle = np.degrees(np.arctan2(run, drop))[:, 0]
    usual = np.exp(-0.5 * ((angle - _ANGLE) / _ANGLE_SPREAD) ** 2)
    scores = edge.sum(axis=1) / np.maximum(count, 1) * np.sqrt(seen) * (0.4 + 0.6 * usual)
    best = int(np.argmax(scores))
    return float(x[best, 0]), float(y[best, 0]), float(scores[best])


def _read(scene: _Scene, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Brightness at points, and whether there is tissue."""
    height, width = scene.image.shape
    within = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    flat = np.where(within, y.astype(np.int32) * width + x.astype(np.int32), 0)
    return scene.image.ravel()[flat], within & scene.tissue.ravel()[flat]
