"""COCO JSON whose images carry patient, laterality and view, with landmarks beside it."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets import load_coco_json

from ..landmarks.record import Landmarks, read_landmarks

logger = logging.getLogger(__name__)

VIEW_KEYS = ("patient_id", "laterality", "view", "case_id")
REQUIRED_KEYS = VIEW_KEYS[:3]
KEPT_KEYS = (*VIEW_KEYS, "bits")
ANNOTATION_KEYS = ("id", "image_id", "category_id", "bbox", "area", "iscrowd")


def load_multi_view_coco(
    json_file: str | Path,
    image_root: str | Path,
    dataset_name: str | None = None,
    landmarks_file: str | Path | None = None,
) -> list[dict[str, Any]]:
    """Load a multi-view data set into Detectron2's dataset dicts.

    Args:
        json_file: COCO JSON; each image also has ``patient_id``, ``laterality`` (L/R), ``view``
            (CC/MLO) and optionally ``case_id`` and ``bits`` (of the gray values, see
            ``record_shares``); annotations may have ``lesion_id``.
        image_root: folder that the images' ``file_name`` are relative to.
        dataset_name: sets the metadata of this registered name and makes category ids start at
            0; without it they stay those of the file.
        landmarks_file: JSON from image file names to landmark records; None: no landmarks.

    Returns:
        Detectron2's dataset dicts with these keys and ``landmarks`` (a ``Landmarks`` or None).
        Images under ``context_images``, which only serve others, come as ``context_views`` of
        the first image of their case.

    Raises:
        FileNotFoundError: a file is missing; says how to make it.
        ValueError: an image lacks a key, or has no or a misfitting landmark record.
    """
    json_file = Path(json_file)
    for path in filter(None, (json_file, landmarks_file)):
        if not Path(path).is_file():
            raise FileNotFoundError(
                f"{dataset_name or 'data set'}: no file {path}. Prepare the data set first "
                "(see datasets/README.md) and point DETECTRON2_DATASETS to its folder."
            )
    extra, context = _image_keys(json_file)
    landmarks = read_landmarks(landmarks_file) if landmarks_file else {}
    dicts = load_coco_json(
        str(json_file), str(image_root), dataset_name, extra_annotation_keys=["lesion_id"]
    )
    for image in dicts:
        name, keys = extra[image["image_id"]]
        image.update(keys)
        image["landmarks"] = _landmarks_of(image, name, landmarks) if landmarks_file else None
    for view in context:
        name = view["file_name"]
        view["landmarks"] = _landmarks_of(view, name, landmarks) if landmarks_file else None
        view["file_name"] = str(Path(image_root) / name)
    _hand_out(json_file, context, dicts)
    return dicts


def register_multi_view_coco(
    name: str,
    json_file: str | Path,
    image_root: str | Path,
    landmarks_file: str | Path | None = None,
) -> None:
    """Register a multi-view data set under a name; a second call replaces the first one."""
    if name in DatasetCatalog:
        DatasetCatalog.remove(name)
    if name in MetadataCatalog:
        MetadataCatalog.remove(name)
    DatasetCatalog.register(
        name, lambda: load_multi_view_coco(json_file, image_root, name, landmarks_file)
    )
    MetadataCatalog.get(name).set(
        json_file=str(json_file),
        image_root=str(image_root),
        landmarks_file=str(landmarks_file) if landmarks_file else None,
        evaluator_type="multi_view_coco",
    )


def _hand_out(json_file: Path, context: list[dict[str, Any]], dicts: list[dict[str, Any]]) -> None:
    """Put context views into the first image of their case."""
    first: dict[tuple[Any, Any], dict[str, Any]] = {}
    for image in dicts:
        first.setdefault((image["patient_id"], image.get("case_id")), image)
    for view in context:
        key = (view["patient_id"], view.get("case_id"))
        if key not in first:
            raise ValueError(
                f"{json_file}: context image {view['file_name']} belongs to no case of the images"
            )
        first[key].setdefault("context_views", []).append(view)


def _image_keys(
    json_file: Path,
) -> tuple[dict[Any, tuple[str, dict[str, Any]]], list[dict[str, Any]]]:
    """Image id -> (file name, the keys of the view), and dicts of the context images."""
    try:
        content = json.loads(json_file.read_text())
        images, annotations = content["images"], content["annotations"]
        context = content.get("context_images", [])
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{json_file} is not a COCO JSON: {error!r}") from error
    for annotation in annotations:
        missing = [key for key in ANNOTATION_KEYS if key not in annotation]
        if missing:
            raise ValueError(
                f"{json_file}: annotation {annotation.get('id')} has no {', '.join(missing)}, "
                "which COCO's evaluation needs"
            )
    keys = {}
    for image in [*images, *context]:
        missing = [key for key in REQUIRED_KEYS if key not in image]
        if missing:
            raise ValueError(
                f"{json_file}: image {image.get('file_name', image.get('id'))} has no "
                f"{', '.join(missing)}; the format is in datasets/README.md"
            )
    for image in images:
        keys[image["id"]] = (
            image["file_name"],
            {key: image[key] for key in KEPT_KEYS if key in image},
        )
    chosen = ("file_name", "height", "width", *KEPT_KEYS)
    return keys, [{key: image[key] for key in chosen if key in image} for image in context]


def _landmarks_of(image: dict[str, Any], name: str, records: dict[str, Landmarks]) -> Landmarks:
    if name not in records:
        raise ValueError(
            f"{name} has no landmarks; run tools/extract_landmarks.py on the images again"
        )
    record = records[name]
    size = (image["height"], image["width"])
    if record.image_size != size or record.view != image["view"]:
        raise ValueError(
            f"{name}: landmarks are for a {record.view} view of {record.image_size} (h, w), the "
            f"image is a {image['view']} view of {size}; run tools/extract_landmarks.py again"
        )
    return record
