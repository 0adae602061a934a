"""The landmark record of one mammogram, and the JSON file that holds the records of a data set.

All points are (x, y) in pixels of the stored image; the center of the top-left pixel is
(0.5, 0.5), so that mirroring maps x to W - x.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..coco.reading import parse_json
from ..utils.files import write_json
from ..utils.view_names import VIEWS

SIDES = ("left", "right")
# What a status is made of: ok, or the steps that fell back and what is wrong with the image, joined
# by "; ".
STATUS_OK = "ok"
WHOLE_IMAGE = "contour: whole image"
DEFAULT_LINE = "pectoral: default line"
FARTHEST_POINT = "nipple: farthest point"
INVERTED = "inverted: dark breast on white film"
PARTS = ("contour", "nipple", "pectoral_line")


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Landmarks of one mammogram.

    Attributes:
        view: "CC" or "MLO".
        chest_wall: image side at which the chest wall lies, "left" or "right".
        nipple: (2,) float64.
        pectoral_line: (2, 2) float64, two points of the line, the upper one first. In a CC view
            it is the vertical line at the chest wall.
        contour: (M, 2) float64, the skin line from its upper to its lower end.
        image_size: (H, W) of the stored image.
        status: "ok", or the steps that fell back ("pectoral: default line; ...").
        confidence: of each of "contour", "nipple" and "pectoral_line", from 0 (a fallback) to 1;
            None where nobody judged them (files of earlier versions).

    Raises:
        ValueError: on a wrong shape, name or a number that is not finite.
    """

    view: str
    chest_wall: str
    nipple: np.ndarray
    pectoral_line: np.ndarray
    contour: np.ndarray
    image_size: tuple[int, int]
    status: str = STATUS_OK
    confidence: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        if self.view not in VIEWS:
            raise ValueError(f"view must be one of {VIEWS}, got {self.view!r}")
        if self.chest_wall not in SIDES:
            raise ValueError(f"chest_wall must be one of {SIDES}, got {self.chest_wall!r}")
        height, width = (int(n) for n in self.image_size)
        if height < 1 or width < 1:
            raise ValueError(f"image_size must be positive, got {self.image_size}")
        object.__setattr__(self, "image_size", (height, width))
        for name, shape in (("nipple", (2,)), ("pectoral_line", (2, 2)), ("contour", (None, 2))):
            object.__setattr__(self, name, _points(name, getattr(self, name), shape))
        if self.confidence is not None:
            object.__setattr__(self, "confidence", _confidence(self.confidence))

    @property
    def ok(self) -> bool:
        """Whether no step fell back."""
        return self.status == STATUS_OK

    @property
    def lowest_confidence(self) -> float | None:
        """The least of the confidences; None where nobody judged them."""
        return None if self.confidence is None else min(self.confidence.values())

    def mirrored(self) -> Landmarks:
        """Landmarks of the image flipped left to right."""
        width = self.image_size[1]

        def flip(points: np.ndarray) -> np.ndarray:
            return np.stack([width - points[..., 0], points[..., 1]], axis=-1)

        return replace(
            self,
            chest_wall="right" if self.chest_wall == "left" else "left",
            nipple=flip(self.nipple),
            pectoral_line=flip(self.pectoral_line),
            contour=flip(self.contour),
        )

    def cropped(self, box: tuple[int, int, int, int]) -> Landmarks:
        """Landmarks of the image cut to a box (x0, y0, x1, y1), x1 and y1 exclusive."""
        x0, y0, x1, y1 = box
        offset = np.array([x0, y0], dtype=np.float64)
        return replace(
            self,
            nipple=self.nipple - offset,
            pectoral_line=self.pectoral_line - offset,
            contour=self.contour - offset,
            image_size=(y1 - y0, x1 - x0),
        )

    def to_dict(self) -> dict[str, Any]:
        """The record as a JSON object."""
        height, width = self.image_size
        record = {
            "status": self.status,
            "view": self.view,
            "width": width,
            "height": height,
            "chest_wall": self.chest_wall,
            "nipple": self.nipple.tolist(),
            "pectoral_line": self.pectoral_line.tolist(),
            "contour": self.contour.tolist(),
        }
        if self.confidence is not None:
            record["confidence"] = {part: round(self.confidence[part], 4) for part in PARTS}
        return record

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Landmarks:
        """Build from a JSON object; further keys (such as "nodes") are left alone.

        Raises:
            ValueError: if a key is missing or its value is of the wrong kind.
        """
        if not isinstance(record, Mapping):
            raise ValueError(f"a landmark record is a JSON object, got {type(record).__name__}")
        keys = ("view", "chest_wall", "nipple", "pectoral_line", "contour", "width", "height")
        missing = [key for key in (*keys, "status") if key not in record]
        if missing:
            raise ValueError(f"landmark record lacks the key(s) {', '.join(missing)}")
        try:
            size = (int(record["height"]), int(record["width"]))
        except (TypeError, ValueError) as error:
            raise ValueError(f"width and height must be whole numbers: {error}") from None
        return cls(
            **{key: record[key] for key in keys[:5]},
            image_size=size,
            status=str(record["status"]),
            confidence=record.get("confidence"),
        )


def read_landmarks(path: str | os.PathLike[str]) -> dict[str, Landmarks]:
    """Read a landmarks file: file name of the image -> landmarks.

    Raises:
        ValueError: naming the file, and the key where one record is at fault.
    """
    records = parse_json(Path(path).read_bytes(), path)
    if not isinstance(records, dict):
        raise ValueError(f"{path}: must hold one JSON object, file name -> landmark record")
    landmarks = {}
    for name, record in records.items():
        try:
            landmarks[name] = Landmarks.from_dict(record)
        except ValueError as error:
            raise ValueError(f"{path}: record {name!r}: {error}") from None
    return landmarks


def write_landmarks(
    path: str | os.PathLike[str],
    landmarks: Mapping[str, Landmarks],
    nodes: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write a landmarks file in one step: readers see the old file or the whole new one.

    Args:
        path: file to write; its folder is made if need be.
        landmarks: file name of the image -> landmarks.
        nodes: optional, file name -> (N, 2) nodes, stored under the key "nodes".
    """
    records = {}
    for name, item in landmarks.items():
        records[name] = item.to_dict()
        if nodes is not None and name in nodes:
            records[name]["nodes"] = np.asarray(nodes[name], dtype=float).round(3).tolist()
    write_json(path, records)


def _confidence(value: Any) -> dict[str, float]:
    if not isinstance(value, Mapping) or set(value) != set(PARTS):
        raise ValueError(f"confidence must have the keys {', '.join(PARTS)}, got {value!r}")
    try:
        numbers = {part: float(value[part]) for part in PARTS}
    except (TypeError, ValueError):
        raise ValueError(f"confidence must be numbers, got {value!r}") from None
    if not all(0 <= number <= 1 for number in numbers.values()):
        raise ValueError(f"confidence must lie in 0..1, got {numbers}")
    return numbers


def _points(name: str, value: Any, shape: tuple[int | None, ...]) -> np.ndarray:
    try:
        points = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a list of numbers") from None
    fits = points.ndim == len(shape) and all(
        want in (None, have) for want, have in zip(shape, points.shape, strict=True)
    )
    if not fits or points.size == 0:
        wanted = tuple("M" if n is None else n for n in shape)
        raise ValueError(f"{name} must have the shape {wanted}, got {points.shape}")
    if not np.isfinite(points).all():
        raise ValueError(f"{name} holds a number that is not finite")
    points.flags.writeable = False
    return points
