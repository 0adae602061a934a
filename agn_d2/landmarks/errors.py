"""How far found landmarks lie from the true ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np

from .nodes import NodeLayout, breast_polygon, place_nodes
from .record import Landmarks

_DICE_HEIGHT = 1024  # px of the raster on which areas are compared
_LINE_SAMPLES = 50

# Figures of a table: name -> (percentile or None for the mean, of which error).
_FIGURES = {
    "nipple_median": (50, "nipple"),
    "nipple_p90": (90, "nipple"),
    "pectoral_angle_median": (50, "pectoral_angle"),
    "pectoral_angle_p90": (90, "pectoral_angle"),
    "pectoral_distance_median": (50, "pectoral_distance"),
    "pectoral_distance_p90": (90, "pectoral_distance"),
    "contour_dice_mean": (None, "contour_dice"),
    "contour_dice_p10": (10, "contour_dice"),
    "node_agreement": (None, "node_agreement"),
    "node_distance_median": (50, "node_distance"),
    "chest_wall_right": (None, "chest_wall"),
}


@dataclass(frozen=True)
class LandmarkErrors:
    """Errors of one image; lengths are shares of the true breast height.

    Attributes:
        nipple: distance to the true nipple.
        pectoral_angle: between the two lines, degrees; NaN in a CC view, where the line is the
            vertical by definition.
        pectoral_distance: mean distance of the true line's points from the found line.
        contour_dice: Dice coefficient of the areas between skin line and chest wall, 0 to 1.
        node_agreement: share of the nodes whose nearest true node has the same index, 0..1.
        node_distance: of the nodes from the true ones of the same index, the mean.
        chest_wall: 1.0 if found at the true side, else 0.0.
    """

    nipple: float
    pectoral_angle: float
    pectoral_distance: float
    contour_dice: float
    node_agreement: float
    node_distance: float
    chest_wall: float


def breast_height(landmarks: Landmarks) -> float:
    """Extent of the skin line from top to bottom, pixels; the unit of all relative errors."""
    rows = landmarks.contour[:, 1]
    return max(float(rows.max() - rows.min()), 1e-6)


def landmark_errors(
    found: Landmarks, true: Landmarks, layout: NodeLayout | str | Sequence[int] = (22, 26)
) -> LandmarkErrors:
    """Compare the landmarks of one image with the truth.

    Args:
        found, true: of the same image.
        layout: number of nodes that are compared in each view.

    Raises:
        ValueError: if they belong to images of different views or sizes.
    """
    if (found.view, found.image_size) != (true.view, true.image_size):
        raise ValueError(
            f"landmarks of a {found.view} of {found.image_size} (h, w), truth of a {true.view} "
            f"of {true.image_size}"
        )
    height = breast_height(true)
    nodes, true_nodes = place_nodes(found, layout), place_nodes(true, layout)
    apart = np.linalg.norm(nodes[:, None] - true_nodes[None], axis=2)
    return LandmarkErrors(
        nipple=float(np.hypot(*(found.nipple - true.nipple))) / height,
        pectoral_angle=float("nan") if true.view == "CC" else _angle_between(found, true),
        pectoral_distance=_line_distance(found.pectoral_line, true.pectoral_line) / height,
        contour_dice=_dice(found, true),
        node_agreement=float((apart.argmin(axis=1) == np.arange(len(nodes))).mean()),
        node_distance=float(np.diagonal(apart).mean()) / height,
        chest_wall=float(found.chest_wall == true.chest_wall),
    )


def summarize_errors(errors: Sequence[LandmarkErrors]) -> dict[str, float | int | None]:
    """The figures of a table over images: medians, percentiles and means, and ``images``.

    A figure over nothing (no image; angles of CC views only) is None.
    """
    columns = [asdict(error) for error in errors]
    summary: dict[str, float | int | None] = {"images": len(errors)}
    for figure, (percentile, name) in _FIGURES.items():
        values = np.array([column[name] for column in columns], dtype=float)
        values = values[~np.isnan(values)]
        if not values.size:
            summary[figure] = None
        elif percentile is None:
            summary[figure] = float(values.mean())
        else:
            summary[figure] = float(np.percentile(values, percentile))
    angles = np.array([error.pectoral_angle for error in errors], dtype=float)
    angles = angles[~np.isnan(angles)]
    summary["pectoral_angle_within_8"] = float((angles <= 8).mean()) if angles.size else None
    return summary


def compare_landmarks(
    found: Mapping[str, Landmarks],
    true: Mapping[str, Landmarks],
    layout: NodeLayout | str | Sequence[int] = (22, 26),
) -> dict[str, LandmarkErrors]:
    """Errors of every image of the truth.

    Raises:
        ValueError: an image of the truth has no found landmarks, or as ``landmark_errors``; names
            the image.
    """
    missing = [name for name in true if name not in found]
    if missing:
        raise ValueError(f"no landmarks for {len(missing)} images, the first: {missing[0]}")
    errors = {}
    for name, truth in true.items():
        try:
            errors[name] = landmark_errors(found[name], truth, layout)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return errors


def errors_as_row(name: str, errors: LandmarkErrors) -> dict[str, Any]:
    """One row of a table of all images."""
    return {"file_name": name} | {k: round(v, 5) for k, v in asdict(errors).items()}


def _angle_between(found: Landmarks, true: Landmarks) -> float:
    """Acute angle between the pectoral lines, degrees."""
    first, second = (np.diff(item.pectoral_line, axis=0)[0] for item in (found, true))
    cross = abs(float(first[0] * second[1] - first[1] * second[0]))
    return float(np.degrees(np.arctan2(cross, abs(float(first @ second)))))


def _line_distance(found: np.ndarray, true: np.ndarray) -> float:
    """Mean distance of the points of the true segment from the found line (unbounded)."""
    share = np.linspace(0, 1, _LINE_SAMPLES)[:, None]
    points = true[0] * (1 - share) + true[1] * share
    direction = found[1] - found[0]
    length = max(float(np.hypot(*direction)), 1e-9)
    offset = points - found[0]
    return float(np.abs(offset[:, 0] * direction[1] - offset[:, 1] * direction[0]).mean()) / length


def _dice(found: Landmarks, true: Landmarks) -> float:
    """Dice of the two breast areas, on a raster of fixed height."""
    height, width = true.image_size
    scale = _DICE_HEIGHT / height
    shape = (_DICE_HEIGHT, max(1, round(width * scale)))
    areas = []
    for item in (found, true):
        area = np.zeros(shape, np.uint8)
        polygon = np.round(breast_polygon(item) * scale - 0.5).astype(np.int32)
        cv2.fillPoly(area, [polygon], 1)
        areas.append(area.astype(bool))
    total = areas[0].sum() + areas[1].sum()
    return float(2 * (areas[0] & areas[1]).sum() / total) if total else 1.0
