"""Landmarks of one mammogram by [S]'s recipe: contour, nipple, pectoral line."""

from __future__ import annotations

import numpy as np

from ...utils.view_names import VIEWS
from ..curves import resample
from ..record import DEFAULT_LINE, FARTHEST_POINT, STATUS_OK, WHOLE_IMAGE, Landmarks
from ..segment import film_border
from ..skin import CONTOUR_POINTS
from ..working_copy import oriented_copy, stored_points
from .contour import WORK_HEIGHT, ThesisContour, find_contour
from .nipple import find_nipple
from .pectoral import PectoralStages, find_pectoral_stages, pectoral_line


def detect_thesis(image: np.ndarray, view: str) -> Landmarks:
    """Landmarks by the recipe of [S] (thesis, 2025).

    The image is turned so that the chest wall lies at the left (the side is read from the image by
    the same step that our own method uses; [S] takes one orientation for granted) and brought to
    1024 px height. A step that finds nothing falls back and is named in the status: "contour:
    whole image", "pectoral: default line" (MLO; the diagonal of the region of interest), "nipple:
    farthest point" (from the chest wall). The rest is "ok".

    Confidences: contour: separability of Otsu's two classes; nipple: how clearly it is farthest
    (CC), how far its curvature stands above the next maximum (MLO); pectoral line: [S]'s score
    (MLO), 1 (CC); 0 where a step fell back.

    Args:
        image: (H, W), uint8, uint16 or float.
        view: "CC" or "MLO".

    Returns:
        Landmarks in pixels of `image`. A mirrored image gives exactly the mirrored landmarks.

    Raises:
        ValueError: on another view, or if the image is no gray image of finite numbers.
    """
    if view not in VIEWS:
        raise ValueError(f"view must be one of {VIEWS}, got {view!r}")
    small, mirrored = _without_film_border(image)
    size = np.shape(image)
    notes = []
    contour = find_contour(small, view)
    if contour is None:
        notes.append(WHOLE_IMAGE)
        contour = _whole_image(small.shape)
    if view == "CC":
        wall, ends = float(contour.box[0]), contour.points[[0, -1], 1]
        line, sure = np.stack([[wall, wall], ends], axis=1), 1.0
    else:
        stages = find_pectoral_stages(small, contour.box)
        line, sure = pectoral_line(stages, small.shape), stages.confidence
        if stages.best is None:
            notes.append(DEFAULT_LINE)
    nipple, distinct, found = find_nipple(contour, view)
    if not found or WHOLE_IMAGE in notes:
        notes.append(FARTHEST_POINT)
        distinct = 0.0

    def stored(points: np.ndarray) -> np.ndarray:
        return stored_points(points, small.shape, size)

    landmarks = Landmarks(
        view=view,
        chest_wall="left",
        nipple=stored(nipple),
        pectoral_line=stored(line),
        contour=stored(resample(contour.points, CONTOUR_POINTS)),
        image_size=size,
        status="; ".join(notes) or STATUS_OK,
        confidence={
            "contour": contour.separability,
            "nipple": distinct,
            "pectoral_line": sure,
        },
    )
    return landmarks.mirrored() if mirrored else landmarks


def pectoral_stages(image: np.ndarray) -> PectoralStages:
    """The eight stages of [S]'s pectoral line in an MLO image, for a person to look at.

    Args:
        image: (H, W), uint8, uint16 or float.

    Returns:
        The stages; their pictures have 1024 px image height and the chest wall at the left.

    Raises:
        ValueError: if the image is no gray image of finite numbers.
    """
    small, _ = _without_film_border(image)
    contour = find_contour(small, "MLO") or _whole_image(small.shape)
    return find_pectoral_stages(small, contour.box)


def _without_film_border(image: np.ndarray) -> tuple[np.ndarray, bool]:
    """Working copy whose film borders are black, and whether it was mirrored.

    [S] asks for borders to be removed and does not say how; this is our own method's step.
    """
    small, mirrored = oriented_copy(image, WORK_HEIGHT)
    return np.where(film_border(small), 0, small).astype(np.uint8), mirrored


def _whole_image(shape: tuple[int, int]) -> ThesisContour:
    """Half an ellipse that fills the image, for a breast that was not found."""
    height, width = shape
    angle = np.linspace(-np.pi / 2, np.pi / 2, 2 * CONTOUR_POINTS + 1)
    points = np.stack([width * np.cos(angle), height / 2 * (1 + np.sin(angle))], axis=1)
    return ThesisContour(points, np.zeros(len(points)), (0, 0, width, height), 0.0)
