"""COCO JSON whose images carry patient, laterality and view, with landmarks beside it."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path, PureWindowsPath
from typing import Any

from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.structures import BoxMode

from ..coco.entries import Entry
from ..coco.file import CocoFile, read_coco, require_keys
from ..coco.reading import once
from ..landmarks.record import Landmarks, read_landmarks
from ..utils.view_names import OTHER_SIDE, OTHER_VIEW
from .landmark_fit import landmarks_of

VIEW_KEYS = ("patient_id", "laterality", "view", "case_id")
# Handed on where an image has them.
OPTIONAL_KEYS = ("case_id", "bits")
IMAGE_KEYS = ("file_name", "height", "width", *VIEW_KEYS[:3])
# Without "area" and "iscrowd" COCO's evaluation fails.
ANNOTATION_KEYS = ("id", "category_id", "area", "iscrowd")
FORMAT = "the format is in datasets/README.md"
# Set to 1 to read images from anywhere, not only from below the image folder.
ANYWHERE = "AGN_D2_IMAGES_ANYWHERE"

_read_landmarks = once(read_landmarks)


def load_multi_view_coco(
    json_file: str | Path,
    image_root: str | Path,
    dataset_name: str | None = None,
    landmarks_file: str | Path | None = None,
    *,
    images_anywhere: bool | None = None,
) -> list[dict[str, Any]]:
    """Load a multi-view data set into Detectron2's dataset dicts.

    Files that have not changed since the last call are not read again.

    Args:
        json_file: COCO JSON, plain or gzipped; each image also has ``patient_id``,
            ``laterality`` (L/R), ``view`` (CC/MLO) and optionally ``case_id`` and ``bits`` (of
            the gray values, see ``record_shares``); annotations may have ``lesion_id``.
        image_root: folder that the images' ``file_name`` are relative to.
        dataset_name: sets the metadata of this registered name and makes category ids start at
            0; without it they stay those of the file.
        landmarks_file: JSON from image file names to landmark records; None: no landmarks.
        images_anywhere: let a ``file_name`` lead out of ``image_root``; None: only if the
            environment variable ``AGN_D2_IMAGES_ANYWHERE`` is 1.

    Returns:
        Detectron2's dataset dicts, by image id, with these keys and ``landmarks`` (a
        ``Landmarks`` or None). Images under ``context_images``, which only serve others, come as
        ``context_views`` of the first image of their case.

    Raises:
        FileNotFoundError: a file is missing; says how to make it.
        ValueError: an entry lacks a key or has a wrong value, or an image has no or a misfitting
            landmark record; names the file and the entry.
    """
    json_file = Path(json_file)
    for path in filter(None, (json_file, landmarks_file)):
        if not Path(path).is_file():
            raise FileNotFoundError(
                f"{dataset_name or 'data set'}: no file {path}. Prepare the data set first "
                "(see datasets/README.md) and point DETECTRON2_DATASETS to its folder."
            )
    coco = read_coco(json_file)
    if images_anywhere is None:
        images_anywhere = os.environ.get(ANYWHERE, "") == "1"
    _check(coco, images_anywhere)
    contiguous = _contiguous_ids(coco)
    if dataset_name is not None:
        MetadataCatalog.get(dataset_name).set(
            thing_classes=[c["name"] for c in sorted(coco.categories, key=lambda c: c["id"])],
            thing_dataset_id_to_contiguous_id=contiguous,
        )
    ids = {key: key for key in contiguous} if dataset_name is None else contiguous
    annotations: dict[Any, list[dict[str, Any]]] = {image["id"]: [] for image in coco.images}
    for annotation in coco.annotations:
        annotations[annotation["image_id"]].append(_annotation(annotation, ids))
    records = _read_landmarks(landmarks_file) if landmarks_file else None

    def view(image: Entry) -> dict[str, Any]:
        return _view(image, Path(image_root), records)

    dicts = [
        view(image) | {"image_id": image["id"], "annotations": annotations[image["id"]]}
        for image in sorted(coco.images, key=lambda image: image["id"])
    ]
    _hand_out(json_file, [view(image) for image in coco.context_images], dicts)
    return dicts


def register_multi_view_coco(
    name: str,
    json_file: str | Path,
    image_root: str | Path,
    landmarks_file: str | Path | None = None,
    *,
    images_anywhere: bool | None = None,
) -> None:
    """Register a multi-view data set under a name; a second call replaces the first one."""
    if name in DatasetCatalog:
        DatasetCatalog.remove(name)
    if name in MetadataCatalog:
        MetadataCatalog.remove(name)
    DatasetCatalog.register(
        name,
        lambda: load_multi_view_coco(
            json_file, image_root, name, landmarks_file, images_anywhere=images_anywhere
        ),
    )
    MetadataCatalog.get(name).set(
        json_file=str(json_file),
        image_root=str(image_root),
        landmarks_file=str(landmarks_file) if landmarks_file else None,
        evaluator_type="multi_view_coco",
    )


def _check(coco: CocoFile, images_anywhere: bool) -> None:
    """What training needs beyond the rules that hold for every COCO file."""
    if not coco.categories:
        raise ValueError(f"{coco.path}: no categories; list the classes, {FORMAT}")
    require_keys(coco, "categories", ("name",), "a class needs a name")
    require_keys(coco, "images", IMAGE_KEYS, FORMAT)
    require_keys(coco, "context_images", IMAGE_KEYS, FORMAT)
    require_keys(coco, "annotations", ANNOTATION_KEYS, "COCO's evaluation needs them")
    names = set()
    for kind in ("images", "context_images"):
        for n, image in enumerate(getattr(coco, kind)):
            where = f"{coco.path}: {kind}, entry {n} (from 0), {image['file_name']}"
            for key, allowed in (("laterality", OTHER_SIDE), ("view", OTHER_VIEW)):
                if image[key] not in allowed:
                    raise ValueError(
                        f"{where}: {key} must be {' or '.join(sorted(allowed))}, got {image[key]!r}"
                    )
            if not images_anywhere:
                _check_inside(image["file_name"], where)
            if image["file_name"] in names:
                raise ValueError(f"{where}: this file stands there more than once")
            if kind == "images":
                names.add(image["file_name"])


def _check_inside(name: str, where: str) -> None:
    if "\\" in name:
        raise ValueError(f"{where}: file_name has a backslash; write folders as a/b.png")
    if posixpath.isabs(name) or name.split("/")[0] == ".." or PureWindowsPath(name).drive:
        raise ValueError(
            f"{where}: file_name leads out of the image folder; make it relative to that folder, "
            f"or set {ANYWHERE}=1 if you trust the file"
        )


def _contiguous_ids(coco: CocoFile) -> dict[Any, int]:
    return {key: n for n, key in enumerate(sorted(c["id"] for c in coco.categories))}


def _annotation(annotation: Entry, ids: dict[Any, int]) -> dict[str, Any]:
    chosen = {
        "iscrowd": annotation["iscrowd"],
        "bbox": list(annotation["bbox"]),
        "bbox_mode": BoxMode.XYWH_ABS,
        "category_id": ids[annotation["category_id"]],
        "lesion_id": annotation.get("lesion_id"),
    }
    if annotation.get("segmentation") is not None:
        chosen["segmentation"] = annotation["segmentation"]
    return chosen


def _view(image: Entry, root: Path, records: dict[str, Landmarks] | None) -> dict[str, Any]:
    """What an examined and a context image have in common."""
    view = {key: image[key] for key in IMAGE_KEYS}
    view["file_name"] = os.path.join(root, image["file_name"])
    view |= {key: image[key] for key in OPTIONAL_KEYS if image.get(key) is not None}
    if (size := _pixel_size(image)) is not None:
        view["pixel_size"] = size
    view["landmarks"] = None if records is None else landmarks_of(image, root, records)
    return view


def _pixel_size(image: Entry) -> float | None:
    """Length of a stored pixel in a unit that the views of a case share: millimeters, or pixels
    of the film before it was scaled; None where neither is stated."""
    if image.get("mm_per_pixel") is not None:
        return float(image["mm_per_pixel"])
    if image.get("original_size") and image.get("frame_size"):
        return float(image["original_size"][0]) / float(image["frame_size"][0])
    return None


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
