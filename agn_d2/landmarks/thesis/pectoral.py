"""Pectoral line of [S] in an MLO view: eight stages from a region of interest to one line.

Chest wall at the left. [S] names the steps, CLAHE's and Hough's parameters and the form of the
score. The other numbers below are our reading.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

# Given in [S]
ROI = (0.4, 0.6)  # of the width and height of the breast's box
CLAHE_CLIP, CLAHE_TILES = 3.0, (8, 8)
HOUGH_RHO, HOUGH_THETA, HOUGH_THRESHOLD = 1.0, np.pi / 180, 20

# Our reading; pixels are those of a copy of 1024 px height
ADAPTIVE_BLOCK, ADAPTIVE_OFFSET = 101, 2  # px; gray values below the mean of the block
MORPHOLOGY = 9  # px, diameter of the disc
CANNY = (50, 150)
HOUGH_MIN_LENGTH, HOUGH_MAX_GAP = 40, 10  # px
LEAN = (10.0, 70.0)  # degrees from the vertical: what leans less or more is no pectoral line
USUAL_LEAN, LEAN_SPREAD = 30.0, 45.0  # degrees; angle_score falls from 1 to 0 over the spread
W_POS, W_ANGLE = 0.5, 0.5

_MIN_ROI = 16  # px: CLAHE and Hough need some pixels to work on


@dataclass(frozen=True, eq=False)
class PectoralStages:
    """What each of the eight stages made, coordinates in pixels of the region of interest.

    Attributes:
        box: (x0, y0, x1, y1) of the region in the working copy, x1 and y1 exclusive.
        region: 1, (h, w) uint8, the region of interest.
        enhanced: 2, (h, w) uint8, after CLAHE.
        thresholded: 3, (h, w) uint8 of 0 and 255, above Otsu's and the adaptive threshold.
        cleaned: 4, (h, w) uint8, after morphological opening and closing.
        edges: 5, (h, w) uint8, Canny.
        segments: 6, (M, 4) float64, Hough's line segments x0, y0, x1, y1.
        leaning: 7, (K, 4) float64, those that lean away from the chest wall towards the top.
        best: 8, (4,) float64, the one with the highest score; None if there is none.
        scores: (K,) float64 in 0 .. 1, of ``leaning``.
    """

    box: tuple[int, int, int, int]
    region: np.ndarray
    enhanced: np.ndarray
    thresholded: np.ndarray
    cleaned: np.ndarray
    edges: np.ndarray
    segments: np.ndarray
    leaning: np.ndarray
    best: np.ndarray | None
    scores: np.ndarray

    @property
    def confidence(self) -> float:
        """Score of the best segment, 0 .. 1; 0 if there is none."""
        return float(self.scores.max()) if self.scores.size else 0.0


def find_pectoral_stages(
    small: np.ndarray, breast_box: tuple[int, int, int, int]
) -> PectoralStages:
    """Run the eight stages.

    Args:
        small: (1024, w) uint8, chest wall at the left.
        breast_box: (x0, y0, x1, y1) of the breast in it.
    """
    x0, y0, x1, y1 = breast_box
    box = (x0, y0, x0 + round(ROI[0] * (x1 - x0)), y0 + round(ROI[1] * (y1 - y0)))
    region = np.ascontiguousarray(small[box[1] : box[3], box[0] : box[2]])
    if min(region.shape) < _MIN_ROI:
        none = np.zeros((0, 4))
        return PectoralStages(box, *[region] * 5, none, none, None, np.zeros(0))
    enhanced = cv2.createCLAHE(CLAHE_CLIP, CLAHE_TILES).apply(region)
    thresholded = threshold(enhanced)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (MORPHOLOGY, MORPHOLOGY))
    cleaned = cv2.morphologyEx(thresholded, cv2.MORPH_OPEN, disc)
    cleaned = cv2.morphologyEx(cleaned, cv2.MORPH_CLOSE, disc)
    edges = cv2.Canny(cleaned, *CANNY)
    segments = hough_segments(edges)
    leaning = segments[leans_away(segments)]
    scores = score_segments(leaning, region.shape)
    best = leaning[int(np.argmax(scores))] if scores.size else None
    return PectoralStages(
        box, region, enhanced, thresholded, cleaned, edges, segments, leaning, best, scores
    )


def threshold(enhanced: np.ndarray) -> np.ndarray:
    """Bright on the whole (Otsu) and bright for its surroundings (adaptive), 0 or 255."""
    _, bright = cv2.threshold(enhanced, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    local = cv2.adaptiveThreshold(
        enhanced,
        255,
        cv2.ADAPTIVE_THRESH_MEAN_C,
        cv2.THRESH_BINARY,
        ADAPTIVE_BLOCK,
        ADAPTIVE_OFFSET,
    )
    return bright & local


def hough_segments(edges: np.ndarray) -> np.ndarray:
    """Line segments of an edge picture, (M, 4) float64; (0, 4) if there are none."""
    lines = cv2.HoughLinesP(
        edges,
        HOUGH_RHO,
        HOUGH_THETA,
        HOUGH_THRESHOLD,
        minLineLength=HOUGH_MIN_LENGTH,
        maxLineGap=HOUGH_MAX_GAP,
    )
    if lines is None:
        return np.zeros((0, 4))
    # OpenCV 5 returns (M, 4), OpenCV 4 (M, 1, 4).
    return np.asarray(lines, dtype=np.float64).reshape(-1, 4)


def lean_angle(segments: np.ndarray) -> np.ndarray:
    """Degrees from the vertical, -90 .. 90, positive if the upper end lies away from the wall.

    Args:
        segments: (M, 4).

    Returns:
        (M,) float64.
    """
    run, drop = segments[:, 0] - segments[:, 2], segments[:, 3] - segments[:, 1]
    return np.degrees(np.arctan2(np.where(drop < 0, -run, run), np.abs(drop)))


def leans_away(segments: np.ndarray) -> np.ndarray:
    """The slope filter of [S]: away from the chest wall towards the top. (M, 4) -> (M,) bool."""
    angle = lean_angle(segments)
    return (angle >= LEAN[0]) & (angle <= LEAN[1])


def score_segments(segments: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """length · (w_pos · pos_score + w_angle · angle_score) of [S], every factor in 0 .. 1.

    In our reading the length is a share of the region's diagonal, pos_score falls from 1 at the
    center of the region to 0 at its corners (for the middle of the segment), and angle_score falls
    linearly from 1 at the usual lean.

    Args:
        segments: (K, 4).
        shape: (h, w) of the region.

    Returns:
        (K,) float64 in 0 .. 1.
    """
    height, width = shape
    diagonal = float(np.hypot(width, height))
    length = np.hypot(*(segments[:, 2:] - segments[:, :2]).T) / diagonal
    middle = (segments[:, :2] + segments[:, 2:]) / 2
    away = np.hypot(*(middle - [width / 2, height / 2]).T) / (diagonal / 2)
    position = np.clip(1 - away, 0, 1)
    off = np.abs(lean_angle(segments) - USUAL_LEAN) / LEAN_SPREAD
    angle = np.clip(1 - off, 0, 1)
    return np.clip(length, 0, 1) * (W_POS * position + W_ANGLE * angle)


def pectoral_line(stages: PectoralStages, size: tuple[int, int]) -> np.ndarray:
    """The line through the best segment, from the top of the breast to the chest wall.

    Without a segment it is the diagonal of the region of interest.

    Args:
        stages: of a working copy.
        size: (h, w) of that copy; the line does not leave it.

    Returns:
        (2, 2) float64 in pixels of the copy, upper point first.
    """
    left, top, right, bottom = (float(n) for n in stages.box)
    if stages.best is None:
        return np.array([[right, top], [left, bottom]])
    height, width = size
    # Hough counts from the center of the first pixel.
    x0, y0, x1, y1 = stages.best + 0.5 + [left, top, left, top]
    slope = (x1 - x0) / (y1 - y0)  # the slope filter leaves no level line

    def at_row(y: float) -> tuple[float, float]:
        return x0 + slope * (y - y0), y

    def at_column(x: float) -> tuple[float, float]:
        return x, y0 + (x - x0) / slope

    upper, lower = at_row(top), at_column(left)
    if upper[0] > width:
        upper = at_column(float(width))
    if lower[1] > height:
        lower = at_row(float(height))
    return np.array([upper, lower])
