"""What the detection report knows of each image: boxes of truth and of each model, and their fate.

The fate of a detection (hit, false positive, neither) does not depend on the score threshold, so
the page can move the threshold without matching again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from ..evaluation.coco_results import GroundTruth, ImageFacts
from ..evaluation.comparison import FrocRule
from ..evaluation.matching import assign_detections
from ..evaluation.records import Detections
from .screen_pictures import picture_path

# Right breast at the left of the page, CC above MLO.
SLOTS = ("R CC", "L CC", "R MLO", "L MLO")
FALSE, HIT, NEITHER = range(3)


def case_entries(
    models: Mapping[str, Detections],
    truth: GroundTruth,
    rule: FrocRule,
    *,
    most: int,
    chest_walls: Mapping[str, str],
    explained: Mapping[str, np.ndarray] | None = None,
) -> list[dict[str, Any]]:
    """The cases of a data set, each with its images.

    Args:
        models: name -> detections.
        truth: images with ``file_name`` and size.
        rule: how detections are matched.
        most: detections of an image and model that are handed over; the surest ones.
        chest_walls: file name -> "left" or "right"; an image that hangs the wrong way round (the
            chest walls of both breasts meet in the middle) is to be mirrored.
        explained: model -> (D,) which explanation of the image each detection has, -1 for none.

    Returns:
        dicts with ``id`` and ``images``; an image has ``name``, ``id``, ``src``, ``w``, ``h``,
        ``slot`` ("R CC", ...; "" for none), ``mirror``, ``truth`` (boxes x, y, w, h in pixels of
        the stored image), ``ignored`` (likewise), ``found`` (per model and box of truth the score
        that finds it, or null), ``boxes`` (per model [x, y, w, h, score, fate], and the number of
        the explanation where there is one).

    Raises:
        ValueError: an image without a file name or size.
    """
    entries = [_entry(image, truth, n, chest_walls) for n, image in enumerate(truth.images)]
    number = _fill_truth(entries, truth)
    for name, detections in models.items():
        _fill_model(entries, detections, truth, rule, number, most, (explained or {}).get(name))
    cases: dict[str, dict[str, Any]] = {}
    for image, entry in zip(truth.images, entries, strict=True):
        name = image.case or entry["name"]
        cases.setdefault(name, {"id": name, "images": []})["images"].append(entry)
    for case in cases.values():
        _hang(case["images"])
    return list(cases.values())


def _entry(
    image: ImageFacts, truth: GroundTruth, index: int, chest_walls: Mapping[str, str]
) -> dict[str, Any]:
    if image.file_name is None or image.size is None:
        raise ValueError(
            f"image {truth.image_ids[index]!r}: the report needs its file_name, height and width"
        )
    slot = f"{image.laterality} {image.view}"
    wanted = {"R": "right", "L": "left"}.get(image.laterality or "")
    return {
        "id": truth.image_ids[index],
        "name": image.file_name,
        "src": quote(_address(image.file_name)),
        "w": image.size[1],
        "h": image.size[0],
        "slot": slot if slot in SLOTS else "",
        "mirror": wanted is not None and chest_walls.get(image.file_name, wanted) != wanted,
        "truth": [],
        "ignored": [],
        "found": [],
        "boxes": [],
    }


def _address(name: str) -> str:
    """Address of the picture of an image, relative to the page."""
    return picture_path(Path(), name).as_posix()


def _fill_truth(entries: list[dict[str, Any]], truth: GroundTruth) -> np.ndarray:
    """Hands the boxes of truth to their images; (L,) the number of each in its image, or -1."""
    number = np.full(len(truth.lesions.images), -1)
    for n, (box, image, ignored) in enumerate(
        zip(truth.lesions.boxes, truth.lesions.images, truth.lesions.ignored, strict=True)
    ):
        boxes = entries[image]["ignored" if ignored else "truth"]
        if not ignored:
            number[n] = len(boxes)
        boxes.append(_xywh(box))
    return number


def _fill_model(
    entries: list[dict[str, Any]],
    detections: Detections,
    truth: GroundTruth,
    rule: FrocRule,
    number: np.ndarray,
    most: int,
    explained: np.ndarray | None,
) -> None:
    assigned = assign_detections(
        detections, truth.lesions, iou=rule.iou, hit=rule.hit, duplicates=rule.duplicates
    )
    for entry in entries:
        entry["boxes"].append([])
        entry["found"].append([None] * len(entry["truth"]))
    for lesion in np.flatnonzero(assigned.finders >= 0):
        found = entries[truth.lesions.images[lesion]]["found"][-1]
        found[number[lesion]] = round(float(detections.scores[assigned.finders[lesion]]), 4)
    fates = np.where(assigned.false, FALSE, np.where(assigned.lesions >= 0, HIT, NEITHER))
    # By falling score, so that the first ones of an image are its surest.
    for k in np.argsort(-detections.scores, kind="stable"):
        boxes = entries[detections.images[k]]["boxes"][-1]
        if len(boxes) < most:
            score = round(float(detections.scores[k]), 4)
            reason = [] if explained is None or explained[k] < 0 else [int(explained[k])]
            boxes.append([*_xywh(detections.boxes[k]), score, int(fates[k]), *reason])


def _hang(images: list[dict[str, Any]]) -> None:
    """One image a slot: a view taken twice, or of an unknown side, hangs below the others."""
    taken = set()
    for image in images:
        if image["slot"] in taken:
            image["slot"] = ""
        taken.add(image["slot"])
    images.sort(key=lambda image: SLOTS.index(image["slot"]) if image["slot"] else len(SLOTS))


def _xywh(box: np.ndarray) -> list[float]:
    x0, y0, x1, y1 = (float(value) for value in box)
    return [round(x0, 1), round(y0, 1), round(x1 - x0, 1), round(y1 - y0, 1)]
