"""Landmarks of many image files, in parallel."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from joblib import Parallel, delayed
from tqdm import tqdm

from ..dicom.acceptance import Wishes, reason_to_leave_out
from ..dicom.header import read_header
from ..dicom.reader import is_dicom
from ..images import narrow_range_warning, read_gray, seeming_bits
from ..utils.view_names import ANY_VIEW, VIEWS
from .detect import detect_landmarks
from .record import INVERTED, Landmarks

logger = logging.getLogger(__name__)

FROM_HEADER = "header"  # in the place of a view: a DICOM file tells its own

_VIEW = re.compile(rf"(?<![A-Za-z])[LR]?({ANY_VIEW})(?![A-Za-z])", re.IGNORECASE)


@dataclass
class Extraction:
    """Landmarks of the images that could be read, and why the others could not.

    Attributes:
        landmarks: path as it was given -> landmarks, in the order given.
        failures: path as it was given -> reason.
        bits: path of an image that uses less than a quarter of its range -> ``seeming_bits``.
    """

    landmarks: dict[str, Landmarks] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    bits: dict[str, int] = field(default_factory=dict)

    def status_counts(self) -> Counter[tuple[str, str]]:
        """How often each (view, status) occurs."""
        return Counter((item.view, item.status) for item in self.landmarks.values())


def view_from_name(name: str | os.PathLike[str]) -> str | None:
    """View that a file name such as 00001_LEFT_MLO.jpg or RCC.png names; None if none or both."""
    views = {match.upper() for match in _VIEW.findall(Path(name).stem)}
    return views.pop() if len(views) == 1 else None


def extract(
    paths: Sequence[str | os.PathLike[str]],
    views: Sequence[str] | Mapping[str, str] | str | None = None,
    workers: int = 1,
    method: str = "robust",
) -> Extraction:
    """Detect the landmarks of image files; a file without a view or a picture is skipped and named.

    Images that look like negatives, or use less than a quarter of 16 bits, are warned of: one line
    with their number.

    Args:
        paths: image files.
        views: of each path in turn, or path -> view, or one view for all; None reads them from
            the headers of DICOM files and from the names of others.
        method: "robust" or "thesis", as in detect_landmarks.
        workers: threads (decoding and OpenCV run outside of Python's lock); -1 for one per core.

    Returns:
        Landmarks and failures by path.

    Raises:
        ValueError: if no image has a view (some are named), or on a wrong number of views or
            workers.
    """
    names = [os.fspath(path) for path in paths]
    view_of = _views(names, views)
    if workers == 0 or workers < -1:
        raise ValueError(f"workers must be positive, or -1 for one per core, got {workers}")
    jobs = Parallel(n_jobs=workers, backend="threading", return_as="generator")(
        delayed(_detect_file)(name, view, method) for name, view in zip(names, view_of, strict=True)
    )
    result = Extraction()
    bar = tqdm(jobs, total=len(names), unit="image", disable=not sys.stderr.isatty())
    for name, outcome in zip(names, bar, strict=True):
        if isinstance(outcome, str):
            result.failures[name] = outcome
            logger.warning("no landmarks: %s", outcome)
            continue
        result.landmarks[name], bits = outcome
        if bits is not None:
            result.bits[name] = bits
    _warn(result)
    return result


def _detect_file(name: str, view: str | None, method: str) -> tuple[Landmarks, int | None] | str:
    """Landmarks and ``seeming_bits`` of one file, or the reason why there are none."""
    try:
        if view == FROM_HEADER:
            view = _header_view(name)
        if view not in VIEWS:
            given = "names no view" if view is None else f"is a view {view}"
            return f"{name} {given}; CC and MLO have landmarks"
        image = read_gray(name)
    except (MemoryError, OSError, ValueError) as error:
        # The system's errors name no file in every case, ours do.
        return str(error) if name in str(error) else f"{name}: {error}"
    # The header of a DICOM file states the scale, however dark its picture is.
    bits = None if is_dicom(name) else seeming_bits(image)
    return detect_landmarks(image, view, method), bits


def _header_view(name: str) -> str:
    """The view that the header of a DICOM file tells.

    Raises:
        ValueError: the file shows no standard view, or does not tell it.
    """
    header = read_header(name)
    if reason := reason_to_leave_out(header, Wishes()):
        raise ValueError(f"{name}: {reason}")
    # The side, which tells nothing of the landmarks, may be missing.
    if header.stated.view is None:
        raise ValueError(f"{name}: no tag tells the view")
    return header.stated.view


def _warn(result: Extraction) -> None:
    inverted = [name for name, item in result.landmarks.items() if INVERTED in item.status]
    if inverted:
        logger.warning(
            "%d of %d images look inverted, the breast dark on white (the first: %s). Invert them "
            "before training or prediction: larger values must be brighter",
            len(inverted),
            len(result.landmarks),
            inverted[0],
        )
    if result.bits:
        logger.warning(narrow_range_warning("landmarks", result.bits, len(result.landmarks)))


def _views(
    names: Sequence[str], views: Sequence[str] | Mapping[str, str] | str | None
) -> list[str | None]:
    if views is None:
        found = [FROM_HEADER if is_dicom(name) else view_from_name(name) for name in names]
    elif isinstance(views, str):
        found = [views] * len(names)
    elif isinstance(views, Mapping):
        found = [views.get(name) for name in names]
    else:
        found = list(views)
        if len(found) != len(names):
            raise ValueError(f"{len(names)} images, but {len(found)} views")
    if names and not any(view in (*VIEWS, FROM_HEADER) for view in found):
        shown = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
        raise ValueError(
            f"view (CC or MLO) unknown for {len(names)} image(s), all there are: {shown}"
        )
    return found
