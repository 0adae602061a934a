"""Finding a crop in its film by template matching."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ..region import Box

SURE = 0.9  # correlation from which on a crop counts as found
CLEAR = 2.0  # times as much must be left unexplained at the best place elsewhere
_EXACT = 1e-3  # left unexplained at a place that fits as well as rounding allows
_COARSE_SIDE = 20  # px, the shorter side of a crop in the coarse search
_LARGEST_STEP = 16  # the coarse search shrinks no more than this
_CANDIDATES = 5
_SLACK = 2  # px that a place may be off on each side
_FLAT = 1e-3  # of the film's spread of values: a place with less of it is flat


@dataclass(frozen=True)
class Place:
    """Where a crop lies in its film.

    Attributes:
        box: place in pixels of the film.
        confidence: normalized correlation of crop and film there, -1 to 1.
        rival: the correlation at the best place that hardly overlaps it.
        scale: film pixels per crop pixel.
    """

    box: Box
    confidence: float
    rival: float
    scale: float

    @property
    def sure(self) -> bool:
        """Whether it is there and nowhere else."""
        unexplained = max(1 - self.confidence, _EXACT)
        return self.confidence >= SURE and 1 - self.rival >= CLEAR * unexplained


def locate(film: np.ndarray, crop: np.ndarray, scales: Sequence[float] = (1.0,)) -> Place | None:
    """Find a crop in its film: on a small copy first, then pixel by pixel at the best places.

    Normalized correlation knows neither brightness nor contrast, so the crop may have other gray
    values and another bit depth than the film.

    Args:
        film: (H, W) uint8 or uint16.
        crop: (h, w) uint8 or uint16.
        scales: film pixels per crop pixel to try; the first sure one is taken, else the best.

    Returns:
        the best place, sure or not; None if the crop is larger than the film or all one value.
    """
    best: Place | None = None
    for scale in scales:
        scaled = crop if scale == 1.0 else _resized(crop, scale)
        found = _locate(film, scaled, scale)
        if found is not None and (best is None or found.confidence > best.confidence):
            best = found
        if best is not None and best.sure:
            break
    return best


def correlation(film: np.ndarray, crop: np.ndarray, box: Box) -> float:
    """Correlation of a crop with one place of the film, the best within a few pixels.

    Args:
        film: (H, W) uint8 or uint16.
        crop: (h, w); it is scaled to the box if it has another size.
        box: the place.

    Returns:
        normalized correlation, -1 to 1; 0 if either is all one value or too small to tell.
    """
    size = (box[2] - box[0], box[3] - box[1])
    if min(*size, *crop.shape) < 4:
        return 0.0
    if crop.shape != size[::-1]:
        crop = cv2.resize(crop, size, interpolation=cv2.INTER_AREA)
    return _match(_window(film, box, _SLACK), crop)[0]


def overlap(a: Box, b: Box) -> float:
    """Share of the smaller of two boxes that lies in the other, 0 to 1."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    smaller = min((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b))
    return max(width, 0) * max(height, 0) / smaller


def _locate(film: np.ndarray, crop: np.ndarray, scale: float) -> Place | None:
    if any(c > f for c, f in zip(crop.shape, film.shape, strict=True)):
        return None
    if min(crop.shape) < 4 or crop.min() == crop.max():
        return None
    step = int(np.clip(min(crop.shape) // _COARSE_SIDE, 1, _LARGEST_STEP))
    small_film, small_crop = _shrunk(film, step), _shrunk(crop, step)
    scores = _scores(small_film, small_crop)
    found = []
    height, width = crop.shape
    for x, y in _peaks(scores, small_crop.shape):
        box = (x * step, y * step, x * step + width, y * step + height)
        score, dx, dy = _match(_window(film, box, 2 * step), crop)
        x0, y0 = max(box[0] - 2 * step, 0) + dx, max(box[1] - 2 * step, 0) + dy
        found.append((score, (x0, y0, x0 + width, y0 + height)))
    if not found:
        return None
    score, box = max(found)
    rival = max((s for s, b in found if overlap(b, box) < 0.5), default=-1.0)
    return Place(box, score, rival, scale)


def _peaks(scores: np.ndarray, size: tuple[int, int]) -> list[tuple[int, int]]:
    """The best places (x, y), no two of which overlap by more than half."""
    scores = scores.copy()
    reach_y, reach_x = max(size[0] // 2, 1), max(size[1] // 2, 1)
    peaks = []
    for _ in range(_CANDIDATES):
        _, value, _, (x, y) = cv2.minMaxLoc(scores)
        if value <= -1:
            break
        peaks.append((x, y))
        scores[max(y - reach_y, 0) : y + reach_y + 1, max(x - reach_x, 0) : x + reach_x + 1] = -1
    return peaks


def _match(window: np.ndarray, crop: np.ndarray) -> tuple[float, int, int]:
    """Best correlation of a crop within a window, and where: (score, x, y)."""
    if any(c > w for c, w in zip(crop.shape, window.shape, strict=True)):
        return 0.0, 0, 0
    _, score, _, (x, y) = cv2.minMaxLoc(_scores(window, crop))
    return float(np.clip(score, -1, 1)), x, y


def _scores(film: np.ndarray, crop: np.ndarray) -> np.ndarray:
    """Correlation of a crop with every place of a film: (H - h + 1, W - w + 1) float32.

    Where the film is flat there is nothing to correlate with, but rounding: 0.
    """
    # Centered, as float32 sums of 16-bit squares would cost digits.
    film, crop = (part.astype(np.float32) - np.float32(part.mean()) for part in (film, crop))
    spread = float(film.std())
    if spread == 0 or not crop.any():
        return np.zeros([f - c + 1 for f, c in zip(film.shape, crop.shape, strict=True)], "f4")
    scores = cv2.matchTemplate(film, crop, cv2.TM_CCOEFF_NORMED)
    height, width = crop.shape
    mean, square = (
        cv2.boxFilter(part, cv2.CV_64F, (width, height), anchor=(0, 0))[
            : scores.shape[0], : scores.shape[1]
        ]
        for part in (film, film * film)
    )
    scores[~((square - mean * mean) > (_FLAT * spread) ** 2)] = 0
    return np.nan_to_num(scores, copy=False, posinf=0.0, neginf=0.0)


def _window(film: np.ndarray, box: Box, slack: int) -> np.ndarray:
    x0, y0 = max(box[0] - slack, 0), max(box[1] - slack, 0)
    return film[y0 : box[3] + slack, x0 : box[2] + slack]


def _shrunk(image: np.ndarray, step: int) -> np.ndarray:
    size = (max(image.shape[1] // step, 1), max(image.shape[0] // step, 1))
    # Cut to whole steps, so that a pixel of the copy is exactly step x step pixels.
    whole = image[: size[1] * step, : size[0] * step] if step > 1 else image
    return cv2.resize(whole, size, interpolation=cv2.INTER_AREA)


def _resized(image: np.ndarray, scale: float) -> np.ndarray:
    size = tuple(max(1, round(n * scale)) for n in image.shape[::-1])
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
