"""Statistics of the landmarks of a data set: what tells at a glance whether a detector works on it.

All figures are free of scale and side, so that images of any size, and left and right breasts,
fall on the same distributions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..utils.view_names import VIEWS
from .nodes import breast_polygon
from .record import PARTS, STATUS_OK, Landmarks

LOW_CONFIDENCE = 0.5
# Of nipple x and y, pectoral angle and area share, so that values which are nearly all equal do not
# make a small difference huge.
_LEAST_SPREAD = np.array([0.02, 0.02, 2.0, 0.02])


@dataclass(frozen=True, eq=False)
class LandmarkStatistics:
    """Figures of n images, in the order of ``names``.

    Attributes:
        names: names of the images.
        views: (n,) str, "CC" or "MLO".
        statuses: statuses of the images.
        nipple: (n, 2) float64, position in the breast's box: x from the chest wall (0) to the
            point farthest from it (1), y from its top (0) to its bottom (1).
        pectoral_angle: (n,) float64, degrees between the pectoral line and the vertical, positive
            where the line leans away from the chest wall towards the top; NaN in a CC view.
        area_share: (n,) float64, breast area / image area.
        confidence: (n, 3) float64 of ``PARTS``; NaN where nobody judged them.
    """

    names: tuple[str, ...]
    views: np.ndarray
    statuses: tuple[str, ...]
    nipple: np.ndarray
    pectoral_angle: np.ndarray
    area_share: np.ndarray
    confidence: np.ndarray

    @property
    def lowest_confidence(self) -> np.ndarray:
        """(n,) the least of the three confidences; NaN where nobody judged them."""
        return self.confidence.min(axis=1)


def landmark_statistics(landmarks: Mapping[str, Landmarks]) -> LandmarkStatistics:
    """Figures of every image of a data set."""
    items = list(landmarks.values())
    nothing = dict.fromkeys(PARTS, np.nan)
    judged = [item.confidence or nothing for item in items]
    return LandmarkStatistics(
        names=tuple(landmarks),
        views=np.array([item.view for item in items], dtype=str),
        statuses=tuple(item.status for item in items),
        nipple=np.array([relative_nipple(item) for item in items]).reshape(-1, 2),
        pectoral_angle=np.array([pectoral_angle(item) for item in items]),
        area_share=np.array([breast_area_share(item) for item in items]),
        confidence=np.array([[c[part] for part in PARTS] for c in judged]).reshape(-1, len(PARTS)),
    )


def relative_nipple(landmarks: Landmarks) -> np.ndarray:
    """Nipple in the breast's box, (2,): x from the chest wall, y from the top, 0..1 within it."""
    polygon = breast_polygon(landmarks)
    low = polygon.min(axis=0)
    share = (landmarks.nipple - low) / np.maximum(polygon.max(axis=0) - low, 1e-9)
    if landmarks.chest_wall == "right":
        share[0] = 1 - share[0]
    return share


def pectoral_angle(landmarks: Landmarks) -> float:
    """Degrees between pectoral line and vertical, -90..90, as in LandmarkStatistics."""
    if landmarks.view == "CC":
        return float("nan")
    x, y = landmarks.pectoral_line[0] - landmarks.pectoral_line[1]
    if landmarks.chest_wall == "right":
        x = -x
    return float(np.degrees(np.arctan2(x, abs(y))))


def breast_area_share(landmarks: Landmarks) -> float:
    """Area between skin line and chest wall as a share of the image."""
    x, y = breast_polygon(landmarks).T
    area = abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
    height, width = landmarks.image_size
    return area / (height * width)


def status_counts(landmarks: Mapping[str, Landmarks]) -> dict[str, Counter[str]]:
    """How often each note occurs: view -> note -> images. A status may hold several notes."""
    counts: dict[str, Counter[str]] = {view: Counter() for view in VIEWS}
    for item in landmarks.values():
        counts[item.view].update(status_notes(item.status))
    return counts


def status_notes(status: str) -> list[str]:
    """The notes of a status: ["ok"], or the steps that fell back or were done by hand."""
    return status.split("; ") if status else [STATUS_OK]


def unusualness(statistics: LandmarkStatistics) -> np.ndarray:
    """How far each image lies from the others of its view, (n,) float64.

    The largest robust z-score |value - median| / (1.4826 MAD) over nipple position, pectoral angle
    and area share. It needs no confidence, and so also finds landmarks that are wrong and sure of
    themselves.
    """
    columns = np.column_stack([statistics.nipple, statistics.pectoral_angle, statistics.area_share])
    result = np.zeros(len(columns))
    for view in VIEWS:
        chosen = statistics.views == view
        features = [True, True, view == "MLO", True]
        values = columns[chosen][:, features]
        if not len(values):
            continue
        away = np.abs(values - np.median(values, axis=0))
        spread = np.maximum(1.4826 * np.median(away, axis=0), _LEAST_SPREAD[features])
        result[chosen] = (away / spread).max(axis=1)
    return result


def summary_rows(statistics: LandmarkStatistics) -> list[dict[str, Any]]:
    """One row per view that occurs: images, share of "ok", and median, 5th and 95th percentile.

    Returns:
        Dicts with ``view``, ``images``, ``ok`` (share); for each of nipple_x, nipple_y,
        pectoral_angle (None in CC) and area_share a (5th, 50th, 95th) tuple; ``judged`` (images
        with confidences) and, for each of PARTS, ``low_<part>``: the share of these below
        LOW_CONFIDENCE, None where none is judged.
    """
    columns = {
        "nipple_x": statistics.nipple[:, 0],
        "nipple_y": statistics.nipple[:, 1],
        "pectoral_angle": statistics.pectoral_angle,
        "area_share": statistics.area_share,
    }
    ok = np.array([status == STATUS_OK for status in statistics.statuses], dtype=bool)
    rows = []
    for view in VIEWS:
        chosen = statistics.views == view
        if not chosen.any():
            continue
        confidence = statistics.confidence[chosen]
        confidence = confidence[~np.isnan(confidence).any(axis=1)]
        row = {"view": view, "images": int(chosen.sum()), "ok": float(ok[chosen].mean())}
        for name, values in columns.items():
            known = not np.isnan(values[chosen]).all()
            row[name] = tuple(np.percentile(values[chosen], [5, 50, 95])) if known else None
        row["judged"] = len(confidence)
        for part, values in zip(PARTS, confidence.T, strict=True):
            row[f"low_{part}"] = float((values < LOW_CONFIDENCE).mean()) if len(values) else None
        rows.append(row)
    return rows
