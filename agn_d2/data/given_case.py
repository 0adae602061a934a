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

from ..dicom.header import PROCESSING, Header
from ..dicom.reader import is_dicom, read_dicom
from ..dicom.tone import Tone
from ..images import color_note, read_gray, seeming_bits, to_float
from ..landmarks.detect import detect_landmarks
from ..landmarks.record import INVERTED, WHOLE_IMAGE, Landmarks
from ..utils.view_names import SIDE_AND_VIEW, side_and_view
from .breast_crop import crop_to_breast
from .cases import Case, group_cases
from .examination import ExaminationImage

logger = logging.getLogger(__name__)

_VIEW = re.compile(SIDE_AND_VIEW, re.IGNORECASE)


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
    return side_and_view(match)


def read_given_case(
    images: Mapping[Hashable, Any],
    *,
    landmarks: Mapping[Hashable, Landmarks] | None = None,
    bits: int | Mapping[Hashable, int] | None = None,
    tone: Tone | None = None,
    name: str = "case",
    crop: bool = True,
    needs_landmarks: bool = True,
) -> tuple[Case, list[Hashable]]:
    """Read the images of a case, find their landmarks, and cut the films to the breast.

    Args:
        images: view -> path (DICOM, PNG, JPEG, TIFF), array (H, W) of uint8, uint16 or of floats
            in [0, 1], or image of an ``Examination``; None for a view that is missing. Keys as in
            ``parse_view``.
        landmarks: known landmarks by view, in pixels of the image given; those of
            the others are detected.
        bits: that the gray values have, of all images or by view, where they are fewer than the
            file's or array's; DICOM files and floats need none.
        tone: how the gray values of DICOM files are made; None: as they want to be displayed.
        name: name of the case.
        crop: cut to the breast; False takes the images as they are.
        needs_landmarks: False: without ``crop`` none are looked for.

    Returns:
        the case, and the key of each of its images.

    Raises:
        FileNotFoundError: no such image.
        TypeError: ``images`` is no mapping, but an image or a path itself.
        ValueError: no image, a key that names no view, two keys for one view, an image that
            cannot be read or is no gray image, landmarks or bits that do not fit; names the key.
    """
    if not isinstance(images, Mapping):
        raise TypeError(
            "case: expected a mapping of 1 to 4 views to their images, such as "
            f"{{'L-CC': 'lcc.dcm', 'L-MLO': array}}, got a {type(images).__name__}; of a folder or "
            "of DICOM files Predictor.read_examination makes one"
        )
    given = {key: image for key, image in images.items() if image is not None}
    views = _distinct(given)
    if not given:
        raise ValueError("case: no image; give 1 to 4 views, such as {'L-CC': image}")
    known = _by_view("landmarks", landmarks or {}, views)
    depths = _by_view("bits", bits, views) if isinstance(bits, Mapping) else {}

    def read(key: Hashable) -> dict[str, Any]:
        record = _record(key, given[key], views[key], tone) | {"patient_id": name}
        depth = depths.get(views[key]) if isinstance(bits, Mapping) else bits
        _resolve_bits(record, depth, _knows_scale(given[key]))
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
        ValueError: a view that the case does not have, or a text in the place of several keys.
    """
    if isinstance(keys, str):
        raise ValueError(f"examined: expected a list of keys, such as [{keys!r}], got {keys!r}")
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


def _by_view(
    what: str, given: Mapping[Hashable, Any], views: Mapping[Hashable, tuple[str, str]]
) -> dict[tuple[str, str], Any]:
    """What is given of some views, by (laterality, view) instead of by key."""
    known = {parse_view(key): value for key, value in given.items()}
    if extra := set(known) - set(views.values()):
        raise ValueError(f"{what}: the case has no view {', '.join(map('-'.join, extra))}")
    return known


def _knows_scale(image: Any) -> bool:
    """Whether full scale is known: by a DICOM header, or by floats in [0, 1]."""
    if isinstance(image, ExaminationImage):
        return image.header is not None
    if isinstance(image, (str, os.PathLike)):
        return is_dicom(image)
    return np.asarray(image).dtype.kind == "f"


def _resolve_bits(record: dict[str, Any], bits: int | None, knows_scale: bool) -> None:
    """Put ``bits`` into a record, and say so where they seem to be missing."""
    if knows_scale:
        return
    if bits is not None:
        try:
            to_float(record["pixels"], bits)
        except ValueError as error:
            raise ValueError(f"{record['file_name']}: {error}") from None
        record["bits"] = bits
    elif seeming := seeming_bits(record["pixels"]):
        logger.warning(
            "%s: of 16 bits, but no value above %d. It seems to have %d bits, and is then %d times "
            "too dark; give bits=%d",
            record["file_name"],
            (1 << seeming) - 1,
            seeming,
            1 << (16 - seeming),
            seeming,
        )


def _read_dicom(path: str, view: tuple[str, str], tone: Tone | None) -> tuple[np.ndarray, Header]:
    """A DICOM file that was given as a view; a warning where its header says another."""
    image = read_dicom(path, tone)
    stated, said = image.header.stated, "-".join(view)
    if image.header.intent == PROCESSING:
        raise ValueError(
            f"{path}: for processing, not for presentation; give the image for presentation, or "
            "read_examination(..., wishes=Wishes(for_processing=True))"
        )
    named = (stated.side or view[0], stated.view or view[1])
    if named != view:
        logger.warning("%s: given as %s, but its header says %s", path, said, "-".join(named))
    return image.pixels, image.header


def _record(key: Hashable, image: Any, view: tuple[str, str], tone: Tone | None) -> dict[str, Any]:
    name, header = "-".join(view), None
    if isinstance(image, ExaminationImage):
        name, pixels, header = image.path, image.pixels, image.header
    elif isinstance(image, (str, os.PathLike)):
        name = str(Path(image))
        if is_dicom(name):
            pixels, header = _read_dicom(name, view, tone)
        else:
            pixels = read_gray(name)
            if (note := color_note(name)) is not None:
                logger.warning("%s: %s", name, note)
    else:
        pixels = _gray_array(key, image)
    # The relation compares lengths of two views: in millimeters, as in a prepared data set.
    spacing = None if header is None else header.spacing.square
    return {
        "file_name": name,
        "image_id": "-".join(view),
        "height": pixels.shape[0],
        "width": pixels.shape[1],
        "laterality": view[0],
        "view": view[1],
        "pixels": pixels,
    } | ({} if spacing is None else {"pixel_size": spacing})


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
    """The landmarks given, or those that are found; a warning names a step that fell back."""
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
        wrong = WHOLE_IMAGE in found.status or INVERTED in found.status
        level = logging.WARNING if wrong else logging.INFO
        logger.log(level, "%s: landmarks fell back: %s", record["file_name"], found.status)
    return found
