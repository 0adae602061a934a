"""Landmarks of one mammogram: orientation, skin line, pectoral line, nipple."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np

from ..utils.view_names import VIEWS
from .inversion import SURE_CONTOUR, seems_negative
from .nipple import find_nipple
from .pectoral import find_pectoral_line
from .readable import ReadableCopy, readable_copy
from .record import DEFAULT_LINE, FARTHEST_POINT, INVERTED, STATUS_OK, WHOLE_IMAGE, Landmarks
from .segment import film_border
from .skin import CONTOUR_POINTS
from .thesis.detect import detect_thesis
from .working_copy import oriented_copy, stored_points

METHODS = ("robust", "thesis")
_FORMER_METHODS = {"seed": "thesis"}

# Of an outline: where the image gets darker outwards along less of it, it is no skin line, such as
# the edges of a breast whose bright chest wall was taken for a film border. Of the 1,592 films of
# masses of CBIS-DDSM, as prepared, the least share is 0.67.
_LEAST_SKIN = 0.2

# How much surer the contour of an image's negative is where the image is one, and how sure it is.
# The negative of noisy film, whose dark part has texture too, may be surer by 0.16; but where it is
# by more than 0.1, then with 0.81 at most (of 2,672 uncertain films of DDSM).
_SURER, _SURE_NEGATIVE = 0.1, 0.85

logger = logging.getLogger(__name__)


def resolve_method(name: str) -> str:
    """The present name of a method, for the command line too; a former one raises a warning."""
    if name in _FORMER_METHODS:
        logger.warning("Method %r is now called %r.", name, _FORMER_METHODS[name])
    return _FORMER_METHODS.get(name, name)


def detect_landmarks(image: np.ndarray, view: str, method: str = "robust") -> Landmarks:
    """Detect the landmarks of a mammogram.

    Args:
        image: (H, W), uint8, uint16 or float.
        view: "CC" or "MLO".
        method: "robust", ours, or "thesis", the recipe of [S] as it is.

    Returns:
        Landmarks in pixels of `image`. A mirrored image gives exactly the mirrored landmarks.

    Raises:
        ValueError: on a view or method of another name, or if the image is no gray image of
            finite numbers.
    """
    if view not in VIEWS:
        raise ValueError(f"view must be one of {VIEWS}, got {view!r}")
    method = resolve_method(method)
    if method not in METHODS:
        raise ValueError(f"method must be one of {METHODS}, got {method!r}")
    return detect_thesis(image, view) if method == "thesis" else detect_robust(image, view)


def detect_robust(image: np.ndarray, view: str) -> Landmarks:
    """Landmarks by our own steps: segment, folds, contour, pectoral, nipple.

    The image is turned so that the chest wall lies at the left, and scaled down; the landmarks go
    the way back. A mirrored image gives exactly the mirrored landmarks. A step that fails falls
    back and is named in the status: "contour: whole image" (no breast found, or an outline at which
    the image hardly gets darker), "pectoral: default line" (MLO; no edge of the muscle seen: the
    chest wall), "nipple: farthest point" (from the pectoral line; no nipple seen in profile or
    within). The rest is "ok".

    A dark breast on white is "inverted: dark breast on white film", beside what fell back. The
    landmarks are then found in the image's negative, and so lie where the breast is; the image
    itself is for the user to invert, as a network that learned from others cannot read it.

    Args:
        image: (H, W), uint8, uint16 or float.
        view: "CC" or "MLO".

    Returns:
        Landmarks in pixels of `image`.

    Raises:
        ValueError: if the image is no gray image of finite numbers.
    """
    copy = readable_copy(image, view)
    found = _detect(copy, view, np.shape(image))
    sure = found.confidence["contour"]
    # Not of the copy: made even, what is dark has lost its texture.
    if sure >= SURE_CONTOUR or not seems_negative(*_as_it_is(image)):
        return found
    negative = readable_copy(np.max(image) - np.asarray(image), view)
    turned = _detect(negative, view, np.shape(image))
    if turned.confidence["contour"] <= max(sure + _SURER, _SURE_NEGATIVE):
        return found
    return replace(turned, status=INVERTED if turned.ok else f"{INVERTED}; {turned.status}")


def _as_it_is(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The working copy without other tones, (h, w) uint8, and its film borders, (h, w) bool."""
    small, _ = oriented_copy(image)
    return small, film_border(small)


def _detect(copy: ReadableCopy, view: str, size: tuple[int, int]) -> Landmarks:
    """Landmarks of an image of a size (H, W), found in its copy."""
    notes = []
    small, film, mask, breast = copy.small, copy.film, copy.mask, copy.breast
    curve, skin = copy.curve, copy.confidence
    if skin < _LEAST_SKIN:
        notes.append(WHOLE_IMAGE)
        mask = breast = np.ones(small.shape, dtype=bool)
        curve = _half_ellipse(small.shape)
        skin = 0.0
    sure = {"contour": skin}
    wall = float(np.argmax(breast.any(axis=0)))
    if view == "CC":
        line = np.array([[wall, curve[0, 1]], [wall, curve[-1, 1]]])
        sure["pectoral_line"] = sure["contour"]  # by definition the edge of the breast
    else:
        line, sure["pectoral_line"] = find_pectoral_line(
            small, mask, wall, curve[:, 0].max() - wall
        )
        if not sure["pectoral_line"]:
            notes.append(DEFAULT_LINE)
    nipple, sure["nipple"] = find_nipple(small, film, curve, line)
    if not sure["nipple"]:
        notes.append(FARTHEST_POINT)

    def stored(points: np.ndarray) -> np.ndarray:
        return stored_points(points, small.shape, size)

    found = Landmarks(
        view=view,
        chest_wall="left",
        nipple=stored(nipple),
        pectoral_line=stored(line),
        contour=stored(curve),
        image_size=size,
        status="; ".join(notes) or STATUS_OK,
        confidence=sure,
    )
    return found.mirrored() if copy.mirrored else found


def _half_ellipse(shape: tuple[int, int]) -> np.ndarray:
    """Skin line of a breast that fills the image, (CONTOUR_POINTS, 2)."""
    height, width = shape
    angle = np.linspace(-np.pi / 2, np.pi / 2, CONTOUR_POINTS)
    return np.stack([width * np.cos(angle), height / 2 * (1 + np.sin(angle))], axis=1)
