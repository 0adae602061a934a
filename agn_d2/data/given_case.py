"""A case as a user hands it over: view -> image, files or arrays, landmarks not known yet."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Hashable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from ..images import read_gray
from ..landmarks.detect import detect_landmarks
from ..landmarks.record import WHOLE_IMAGE, Landmarks
from .breast_crop import crop_to_breast
from .cases import Case, group_cases

logger = logging.getLogger(__name__)

_VIEW = re.compile(r"(LEFT|RIGHT|L|R)[_\- ]?(CC|MLO)", re.IGNORECASE)


def parse_view(key: Hashable) -> tuple[str, str]:
    """Side and view that a key of a case names.

    Args:
        key: "L-CC", "RMLO", "left_cc", ...; or a pair such as ("L", "CC").

    Returns:
        laterality ("L" or "R") and view ("CC" or "MLO").

    Raises:
        ValueError: the key names no side or no view.
    """
    text = key if isinstance(key, str) else "-".join(map(str, key)) if _is_pair(key) else ""
    match = _VIEW.fullmatch(text.strip())
    if match is None:
        raise ValueError(
            f"case: the key {key!r} names no view; give side and view, such as 'L-CC', 'R-MLO' or "
            "('L', 'CC')"
        )
    return match[1][0].upper(), match[2].upper()


def read_given_case(
    images: Mapping[Hashable, Any],
    *,
    landmarks: Mapping[Hashable, Landmarks] | None = None,
    crop: bool = True,
    needs_landmarks: bool = True,
) -> tuple[Case, list[Hashable]]:
    """Read the images of a case, find their landmarks, and cut the films to the breast.

    Args:
        images: view -> path, or array (H, W) of uint8, uint16 or of floats in [0, 1]; None for
            a view that is missing. Keys as in ``parse_view``.
        landmarks: of views whose landmarks are known, in pixels of the image given; those of
            the others are detected.
        crop: cut to the breast; False takes the images as they are.
        needs_landmarks: False: without ``crop`` none are looked for.

    Returns:
        the case, and the key of each of its images.

    Raises:
        FileNotFoundError: no such image.
        ValueError: no image, a key that names no view, two keys for one view, an image that
            cannot be read or is no gray image, landmarks that do not fit; names the key.
    """
    given = {key: image for key, image in images.items() if image is not None}
    views = _distinct(given)
    if not given:
        raise ValueError("case: no image; give 1 to 4 views, such as {'L-CC': image}")
    known = _known_landmarks(landmarks or {}, views)

    def read(key: Hashable) -> dict[str, Any]:
        record = _record(key, given[key], views[key])
        if crop or needs_landmarks:
            record["landmarks"] = _landmarks(key, record, known.get(views[key]))
        return crop_to_breast(record) if crop else record

    # Decoding and OpenCV run outside of Python's lock.
    with ThreadPoolExecutor(len(given)) as pool:
        records = list(pool.map(read, given))
    (case,) = group_cases(records)
    return case, list(given)


def positions_of(keys: Iterable[Hashable], among: Iterable[Hashable]) -> list[int]:
    """Positions of views in a case, whatever way their keys are written.

    Raises:
        ValueError: a view that the case does not have.
    """
    views = [parse_view(key) for key in among]
    positions = []
    for key in keys:
        if (view := parse_view(key)) not in views:
            shown = ", ".join("-".join(view) for view in views)
            raise ValueError(f"examined: the case has no view {key!r}; it has {shown}")
        positions.append(views.index(view))
    return positions


def _is_pair(key: Hashable) -> bool:
    return isinstance(key, tuple) and len(key) == 2


def _distinct(keys: Iterable[Hashable]) -> dict[Hashable, tuple[str, str]]:
    """Key -> (laterality, view)."""
    views: dict[Hashable, tuple[str, str]] = {}
    for key in keys:
        view = parse_view(key)
        if view in views.values():
            raise ValueError(f"case: more than one image of the view {'-'.join(view)} ({key!r})")
        views[key] = view
    return views


def _known_landmarks(
    landmarks: Mapping[Hashable, Landmarks], views: Mapping[Hashable, tuple[str, str]]
) -> dict[tuple[str, str], Landmarks]:
    known = {parse_view(key): value for key, value in landmarks.items()}
    if extra := set(known) - set(views.values()):
        raise ValueError(f"landmarks: the case has no view {', '.join(map('-'.join, extra))}")
    return known


def _record(key: Hashable, image: Any, view: tuple[str, str]) -> dict[str, Any]:
    name = "-".join(view)
    if isinstance(image, (str, os.PathLike)):
        name, pixels = str(Path(image)), read_gray(image)
    else:
        pixels = _gray_array(key, image)
    return {
        "file_name": name,
        "image_id": "-".join(view),
        "height": pixels.shape[0],
        "width": pixels.shape[1],
        "patient_id": "case",
        "laterality": view[0],
        "view": view[1],
        "pixels": pixels,
    }


def _gray_array(key: Hashable, image: Any) -> np.ndarray:
    """(H, W) uint8 or uint16; floats become 16 bits."""
    pixels = np.asarray(image)
    if pixels.ndim != 2 or 0 in pixels.shape:
        raise ValueError(
            f"case: {key!r} must be a path or one gray image (H, W), got an array of shape "
            f"{pixels.shape}"
        )
    if pixels.dtype in (np.uint8, np.uint16):
        return pixels
    if pixels.dtype.kind != "f":
        raise ValueError(
            f"case: {key!r} is an array of {pixels.dtype}; give uint8, uint16, or floats in [0, 1]"
        )
    if not (np.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 1):
        raise ValueError(f"case: {key!r} holds floats outside of [0, 1]; divide by full scale")
    return np.round(pixels * 65535.0).astype(np.uint16)


def _landmarks(key: Hashable, record: dict[str, Any], known: Landmarks | None) -> Landmarks:
    """The landmarks given, or those that are found; a step that fell back is said."""
    size = (record["height"], record["width"])
    if known is not None:
        if known.image_size != size or known.view != record["view"]:
            raise ValueError(
                f"landmarks: those of {key!r} are for a {known.view} view of {known.image_size} "
                f"(h, w), the image is a {record['view']} view of {size}"
            )
        return known
    found = detect_landmarks(record["pixels"], record["view"])
    if not found.ok:
        level = logging.WARNING if WHOLE_IMAGE in found.status else logging.INFO
        logger.log(level, "%s: landmarks fell back: %s", record["file_name"], found.status)
    return found
