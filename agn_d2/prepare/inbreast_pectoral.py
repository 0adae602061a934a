"""The pectoral lines that are found, held against the muscles that INbreast's readers outlined."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..coco.file import read_coco
from ..data.builtin import SPLITS
from ..landmarks.errors import LandmarkErrors, errors_as_row, landmark_errors, summarize_errors
from ..landmarks.record import Landmarks, read_landmarks
from ..utils.files import write_json, write_text
from .frames import boxes_from_film
from .inbreast import MUSCLE, read_rois, xml_files

_RIM = 0.03  # of the film's sides: so near to its edge the outline is no edge of the muscle
_LEAST_POINTS = 3
_FIGURES = ("images", "pectoral_angle", "pectoral_distance")


def muscle_files(root: Path) -> dict[str, Path]:
    """File name of a film -> the outline of its pectoral muscle.

    Args:
        root: the download.

    Raises:
        ValueError: there is none.
    """
    if files := xml_files(root, pectoral=True):
        return files
    raise ValueError(f"{root}: no XML file of a pectoral muscle in it; leave out --pectoral-report")


def pectoral_report(muscles: Mapping[str, Path], out: Path) -> dict[str, Any]:
    """Compare the pectoral lines of a prepared INbreast with the outlined muscles.

    Writes ``report/pectoral.csv``, a row for each MLO film, and ``report/pectoral.json``, the
    figures: angle between the lines in degrees, mean distance in breast heights.

    Args:
        muscles: of ``muscle_files``.
        out: the prepared data set.

    Returns:
        the figures, and ``without an edge``: outlines whose edge is too short for a line.

    Raises:
        ValueError: an outline that cannot be read.
    """
    found = read_landmarks(out / "annotations" / "landmarks.json")
    errors: dict[str, LandmarkErrors] = {}
    short = 0
    for name, entry in sorted(_entries(out).items()):
        path = muscles.get(name.removesuffix(".png"))
        if path is None or entry["view"] != "MLO":
            continue
        outlines = [np.array(roi.points) for roi in read_rois(path) if roi.name == MUSCLE]
        line = muscle_line(outlines[0], entry, found[name]) if outlines else None
        if line is None:
            short += 1
            continue
        errors[name] = landmark_errors(found[name], replace(found[name], pectoral_line=line))
    summary = {
        key: value
        for key, value in summarize_errors(list(errors.values())).items()
        if key.startswith(_FIGURES)
    }
    summary["without an edge"] = short
    write_json(out / "report" / "pectoral.json", summary, indent=1)
    _write_rows(out / "report" / "pectoral.csv", errors)
    return summary


def muscle_line(
    outline: np.ndarray, entry: Mapping[str, Any], landmarks: Landmarks
) -> np.ndarray | None:
    """The line along the edge of an outlined muscle, in pixels of the written image.

    The outline also runs along the top of the film and the chest wall; those parts are no edge.

    Args:
        outline: (M, 2) corners (x, y) in pixels of the film.
        entry: of the written image.
        landmarks: of the written image, for the side of the chest wall.

    Returns:
        (2, 2), the upper point first; None if too little of the edge is there.
    """
    if len(outline) < _LEAST_POINTS:
        return None
    points = boxes_from_film(np.tile(outline, 2), entry)[:, :2]
    height, width = entry["frame_size"]
    wall = points[:, 0].min() if landmarks.chest_wall == "left" else points[:, 0].max()
    at_wall = np.abs(points[:, 0] - wall) <= _RIM * width
    at_top = points[:, 1] - points[:, 1].min() <= _RIM * height
    edge = points[~at_wall & ~at_top]
    if len(edge) < _LEAST_POINTS:
        return None
    dx, dy, x, y = cv2.fitLine(edge.astype(np.float32), cv2.DIST_HUBER, 0, 0.01, 0.01).ravel()
    direction, middle = np.array([dx, dy], float), np.array([x, y], float)
    along = (edge - middle) @ direction
    ends = middle + np.outer([along.min(), along.max()], direction)
    return ends[np.argsort(ends[:, 1])]


def _entries(out: Path) -> dict[str, dict[str, Any]]:
    """File name -> entry of every image of the data set."""
    entries = {}
    for split in SPLITS:
        content = read_coco(out / "annotations" / f"{split}.json")
        for entry in (*content.images, *content.context_images):
            entries[entry["file_name"]] = entry
    return entries


def _write_rows(path: Path, errors: Mapping[str, LandmarkErrors]) -> None:
    keys = ("file_name", "pectoral_angle", "pectoral_distance")
    text = io.StringIO()
    writer = csv.DictWriter(text, keys, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(errors_as_row(name, item) for name, item in errors.items())
    write_text(path, text.getvalue())
