"""Explanations of new scores as a JSON file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ..coco.reading import read_json
from ..coco.values import box, get, is_id, is_number
from ..utils.files import write_json
from .explanation import AttendedCandidate, Explanation, PartnerEvidence

KIND = "agn_d2 cross-view explanation"


def write_explanations(
    path: str | os.PathLike[str], explained: Mapping[Any, Sequence[Explanation]]
) -> None:
    """Write what ``explain`` returns; ``read_explanations`` reads it.

    Args:
        path: where to.
        explained: image id -> explanations of its detections, in their order.
    """
    images = [
        {"image_id": image_id, "detections": [asdict(one) for one in detections]}
        for image_id, detections in explained.items()
    ]
    write_json(path, {"kind": KIND, "images": images})


def read_explanations(path: str | os.PathLike[str]) -> dict[Any, tuple[Explanation, ...]]:
    """Read explanations: image id -> of its detections, in their order.

    Raises:
        ValueError: cannot be read or is no such file; names the file and the image.
    """
    content = read_json(path)
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise ValueError(
            f"{path}: is no explanation; tools/cross_view.py apply and validate write one with "
            "--explain"
        )
    images = content.get("images")
    if not isinstance(images, list):
        raise ValueError(f"{path}: images must be a list, got {images!r:.60}")
    explained = {}
    for n, entry in enumerate(images):
        try:
            image_id = get(entry, "image_id")
            if not is_id(image_id) or image_id in explained:
                raise ValueError(f"image_id must be an id that occurs once, got {image_id!r:.60}")
            explained[image_id] = tuple(map(_explanation, _list(entry, "detections")))
        except ValueError as error:
            raise ValueError(f"{path}: image {n} (from 0): {error}") from None
    return explained


def _explanation(entry: Any) -> Explanation:
    return Explanation(
        box(get(entry, "bbox"), allow_empty=True),
        *(_number(entry, key) for key in ("before", "after")),
        *(_evidence(get(entry, key)) for key in ("auxiliary", "contralateral")),
        _number(entry, "missing"),
    )


def _evidence(entry: Any) -> PartnerEvidence | None:
    if entry is None:
        return None
    return PartnerEvidence(
        get(entry, "image_id"),
        *(_number(entry, key) for key in ("change", "share")),
        tuple(map(_candidate, _list(entry, "candidates"))),
        *(_number(entry, key) for key in ("others", "no_counterpart")),
    )


def _candidate(entry: Any) -> AttendedCandidate:
    return AttendedCandidate(
        box(get(entry, "bbox"), allow_empty=True),
        *(_number(entry, key) for key in ("score", "weight")),
    )


def _number(entry: Any, key: str) -> float:
    value = get(entry, key)
    if not is_number(value):
        raise ValueError(f"{key} must be a finite number, got {value!r:.60}")
    return float(value)


def _list(entry: Any, key: str) -> list[Any]:
    value = get(entry, key)
    if not isinstance(value, list):
        raise ValueError(f"{key} must be a list, got {value!r:.60}")
    return value
