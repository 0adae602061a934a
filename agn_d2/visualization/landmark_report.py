"""A page that shows the landmarks of a whole data set, the least certain ones first.

The page is a folder of static files that opens from the disk: ``index.html`` with the records, and
one JPEG per image below ``images``. A person can correct landmarks on it and download the
corrections as the CSV file that agn_d2.landmarks.correction_files reads.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

import numpy as np

from ..images import is_image
from ..landmarks.correction_files import COLUMNS
from ..landmarks.corrections import Correction, apply_corrections
from ..landmarks.nodes import NodeLayout, place_nodes
from ..landmarks.record import PARTS, Landmarks
from ..landmarks.statistics import (
    LOW_CONFIDENCE,
    landmark_statistics,
    status_counts,
    status_notes,
    summary_rows,
    unusualness,
)
from ..utils.files import check_writable
from ..utils.walk import files_below
from .landmark_distributions import distribution_figure, figure_svg
from .pages import write_page
from .screen_pictures import picture_path, pictures_folder, write_pictures

_CONTOUR_POINTS = 96  # of the drawn skin line


@dataclass(frozen=True)
class Report:
    """What came out.

    Attributes:
        page: the file to open.
        images: number of records shown.
        problems: file name -> why its picture is missing.
        without_record: image files below the folder that no record names.
        unknown_corrections: names with a correction but without a record.
    """

    page: Path
    images: int
    problems: dict[str, str]
    without_record: list[str]
    unknown_corrections: list[str]


def build_report(
    detected: Mapping[str, Landmarks],
    images: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    corrections: Mapping[str, Correction] | None = None,
    layout: NodeLayout | str | Sequence[int] = (22, 26),
    title: str = "Landmarks",
    workers: int = 1,
) -> Report:
    """Write the page of a data set. Pictures that are up to date are not written again.

    Args:
        detected: file name below ``images`` -> landmarks.
        images: folder of the mammograms.
        output: folder of the page; made if need be.
        corrections: applied before anything is counted or drawn, and kept in the page.
        layout: number of nodes drawn in each view.
        title: title of the page.
        workers: threads, -1 for one per core.

    Raises:
        ValueError: no records, a file name that leads out of the folder, pictures that would lie
            among the images, or as ``apply_corrections``.
        OSError: the page cannot be written.
    """
    images, output = Path(images), Path(output)
    if not detected:
        raise ValueError("there are no landmarks to show")
    for name in detected:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise ValueError(f"{name!r}: file names must lie below the folder of the images")
    corrections = corrections or {}
    landmarks, unknown = apply_corrections(detected, corrections)
    sizes = {name: item.image_size for name, item in landmarks.items()}
    page = output / "index.html"
    check_writable(page)
    problems = write_pictures(sizes, images, output, workers)
    report = Report(
        page=page,
        images=len(landmarks),
        problems=problems,
        without_record=_without_record(images, landmarks, pictures_folder(output)),
        unknown_corrections=unknown,
    )
    entries = _entries(detected, landmarks, corrections, NodeLayout.parse(layout))
    for entry in entries:
        entry["problem"] = problems.get(entry["name"])
    contours = sum(c.contour is not None for n, c in corrections.items() if n in landmarks)
    _write_page(report, landmarks, entries, title, contours)
    return report


def _without_record(images: Path, landmarks: Mapping[str, Landmarks], pictures: Path) -> list[str]:
    """Image files without a record; the pictures of the page, if they lie below, are none."""
    files = (path for path in files_below(images, skip=pictures) if is_image(path))
    names = {path.relative_to(images).as_posix() for path in files}
    return sorted(names - set(landmarks))


def _entries(
    detected: Mapping[str, Landmarks],
    landmarks: Mapping[str, Landmarks],
    corrections: Mapping[str, Correction],
    layout: NodeLayout,
) -> list[dict[str, Any]]:
    """What the page knows of each image: the detected landmarks, and the corrections so far."""
    strange = unusualness(landmark_statistics(landmarks))
    entries = []
    for (name, item), value in zip(landmarks.items(), strange, strict=True):
        found = detected[name]
        height, width = item.image_size
        thin = np.linspace(0, len(item.contour) - 1, _CONTOUR_POINTS).round().astype(int)
        judged = item.confidence
        entries.append(
            {
                "name": name,
                "src": quote(picture_path(Path(), name).as_posix()),
                "view": item.view,
                "w": width,
                "h": height,
                "wall": found.chest_wall,
                "nipple": _numbers(found.nipple),
                "line": _numbers(found.pectoral_line),
                "contour": _numbers(item.contour[np.unique(thin)], 0),
                "nodes": _numbers(place_nodes(item, layout), 0),
                "notes": status_notes(item.status),
                "confidence": None if judged is None else [round(judged[p], 2) for p in PARTS],
                "unusual": round(float(value), 2),
                "given": _given(corrections.get(name)),
            }
        )
    return entries


def _given(correction: Correction | None) -> dict[str, Any] | None:
    """The parts of a correction that the page can show and change."""
    if correction is None:
        return None
    given = {
        "wall": correction.chest_wall,
        "nipple": None if correction.nipple is None else _numbers(correction.nipple),
        "line": None if correction.pectoral_line is None else _numbers(correction.pectoral_line),
    }
    return {key: value for key, value in given.items() if value is not None} or None


def _numbers(points: np.ndarray, digits: int = 2) -> list[float]:
    """Points as one flat list x, y, x, y, ..."""
    flat = np.asarray(points, dtype=float).round(digits).ravel()
    return (flat.astype(int) if digits == 0 else flat).tolist()


def _write_page(
    report: Report,
    landmarks: Mapping[str, Landmarks],
    entries: list[dict[str, Any]],
    title: str,
    contours_by_hand: int,
) -> None:
    statistics = landmark_statistics(landmarks)
    notes = status_counts(landmarks)
    # The page keeps a person's marks in the browser under this name: they belong to these images.
    frames = json.dumps([[entry["name"], entry["w"], entry["h"]] for entry in entries])
    write_page(
        report.page,
        "landmark_report.html",
        title=title,
        report=report,
        rows=summary_rows(statistics),
        notes=sum(notes.values(), Counter()).most_common(),
        notes_of=notes,
        parts=PARTS,
        low_confidence=LOW_CONFIDENCE,
        contours_by_hand=contours_by_hand,
        figure=figure_svg(distribution_figure(statistics)),
        data={
            "id": hashlib.sha256(frames.encode()).hexdigest()[:16],
            "parts": PARTS,
            "columns": COLUMNS,
            "images": entries,
        },
    )
