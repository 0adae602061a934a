"""Cross-validation folds: data sets that divide the patients of another one among them."""

from __future__ import annotations

import os
import posixpath
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..coco.file import read_coco, require_keys
from ..coco.reading import read_json
from ..data.builtin import SPLITS, annotation_file
from ..utils.files import write_json
from ..utils.fold_names import fold_name, pooled_name
from .priors import count_priors

LANDMARKS = "annotations/landmarks.json"
KEYS, REMEDY = ("file_name", "patient_id"), "folds divide the patients; see datasets/README.md"


def assign_folds(
    lesions: Mapping[str, int], images: Mapping[str, int], folds: int, seed: int = 0
) -> dict[str, int]:
    """Deal patients out to folds that have about as many lesions and images each.

    Patients come in random order, those with the most lesions first; each goes to the fold that
    has the fewest lesions so far, and among equals the fewest images. Patients without a lesion
    come last, each to the fold that has the fewest images.

    Args:
        lesions: patient -> number of lesions.
        images: patient -> number of images, the same patients.
        folds: how many.
        seed: random seed of the order.

    Returns:
        patient -> fold, counted from 1.

    Raises:
        ValueError: fewer than two folds, or fewer patients than folds.
    """
    if not 2 <= folds <= len(images):
        raise ValueError(f"folds must be 2 to {len(images)}, the number of patients; got {folds}")
    order = sorted(images)
    random.Random(seed).shuffle(order)
    order.sort(key=lambda patient: -lesions.get(patient, 0))
    load = dict.fromkeys(range(1, folds + 1), (0, 0))
    assigned = {}
    for patient in order:
        number = lesions.get(patient, 0)
        # Among folds of 10, 10 and 9 lesions all healthy patients would go to the last.
        fold = min(load, key=lambda fold: (load[fold] if number else load[fold][1:], fold))
        load[fold] = (load[fold][0] + number, load[fold][1] + images[patient])
        assigned[patient] = fold
    return assigned


def write_folds(root: str | Path, dataset: str, folds: int, seed: int = 0) -> list[str]:
    """Write the folds of a prepared data set as data sets of their own.

    All images of all its splits take part: fold i has the images of its patients as ``test.json``
    and all others as ``train.json``. Image and annotation ids are numbered anew, alike in all
    folds, so that the results of the folds can be pooled against the ``test.json`` of
    ``pooled_name``. Images are linked, not copied; landmarks are those of the data set, the priors
    are counted on each fold's training images, where a lesion is seen in both views. A data set
    without landmarks has folds without priors.

    Args:
        root: folder of the data sets.
        dataset: folder below it.
        folds: how many.
        seed: random seed of the division.

    Returns:
        the names of the folds, in order.

    Raises:
        FileNotFoundError: no such data set.
        ValueError: an image is in two splits or has no patient, the splits number their classes
            differently, an annotation file has another fault, or too few patients; names the file.
    """
    source = Path(root) / dataset
    content = _read_all(source)
    annotations = content["annotations"]
    patient_of = {image["id"]: image["patient_id"] for image in content["images"]}
    lesions = Counter(patient_of[a["image_id"]] for a in annotations if not a.get("iscrowd", 0))
    assigned = assign_folds(lesions, Counter(patient_of.values()), folds, seed)
    names = []
    pooled = Path(root) / pooled_name(dataset, folds)
    # It is written last and says that the folds are complete: not while some are of a former call.
    annotation_file(pooled, "test").unlink(missing_ok=True)
    for fold in range(1, folds + 1):
        names.append(fold_name(dataset, fold, folds))
        tested = {patient for patient, of_patient in assigned.items() if of_patient == fold}
        parts = {"train": _part(content, set(assigned) - tested), "test": _part(content, tested)}
        folder = _write_dataset(Path(root) / names[-1], source, parts)
        if (folder / LANDMARKS).is_file():
            count_priors(folder, f"{names[-1]}_train")
    _write_dataset(pooled, source, {"test": content})
    return names


def _read_all(source: Path) -> dict[str, Any]:
    """Images, context images and annotations of all splits, with new ids."""
    merged: dict[str, Any] = {
        "images": [],
        "annotations": [],
        "context_images": [],
        "categories": [],
    }
    splits: dict[str, str] = {}
    for split in SPLITS:
        path = annotation_file(source, split)
        if not path.is_file():
            continue
        content = _read_split(path)
        _join_categories(merged["categories"], content["categories"], path)
        new_id = {}
        for image in content["images"]:
            name = posixpath.normpath(image["file_name"])
            if name in splits:
                raise ValueError(f"{path}: {name} is in {splits[name]}.json too")
            splits[name] = split
            new_id[image["id"]] = len(merged["images"]) + 1
            merged["images"].append(image | {"id": new_id[image["id"]], "original_split": split})
        for annotation in content["annotations"]:
            number = len(merged["annotations"]) + 1
            image_id = new_id[annotation["image_id"]]
            merged["annotations"].append(annotation | {"id": number, "image_id": image_id})
        merged["context_images"] += content["context_images"]
    if not merged["images"]:
        raise FileNotFoundError(
            f"{source}/annotations: no data set. Prepare it first (see datasets/README.md) and "
            "point DETECTRON2_DATASETS to its folder"
        )
    return merged


def _join_categories(
    merged: list[dict[str, Any]], own: Sequence[dict[str, Any]], path: Path
) -> None:
    """Add the categories of a split to those of the splits before, in place.

    Annotations keep their category ids, so that an id must name the same class in all splits.
    """
    for category in own:
        mine = category["id"], _class_name(category)
        others = [(other["id"], _class_name(other)) for other in merged]
        for other in others:
            if mine != other and (mine[0] == other[0] or mine[1] == other[1]):
                raise ValueError(
                    f"{path}: category {mine[0]!r} is {mine[1]}, but in another split "
                    f"{other[0]!r} is {other[1]}; give all splits the same categories"
                )
        if mine not in others:
            merged.append(category)


def _class_name(category: Mapping[str, Any]) -> str:
    return category["name"].strip().lower()


def _read_split(path: Path) -> dict[str, Any]:
    """The entries of a split as they are written, but patients as a text.

    A patient who is 2 in one file and 2.0 in another, as pandas writes a column with gaps, is one.
    """
    coco, content = read_coco(path), read_json(path)
    if not coco.categories:
        raise ValueError(f"{path}: no categories; list the classes, see datasets/README.md")
    require_keys(coco, "categories", ("name",), "a class needs a name")
    content["categories"] = list(coco.categories)
    for kind in ("images", "context_images"):
        require_keys(coco, kind, KEYS, REMEDY)
        entries = zip(content.get(kind) or [], getattr(coco, kind), strict=True)
        content[kind] = [own | {"patient_id": checked["patient_id"]} for own, checked in entries]
    return content


def _part(content: Mapping[str, Any], patients: set[str]) -> dict[str, Any]:
    """What belongs to some patients."""

    def of_patients(images: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        return [image for image in images if image["patient_id"] in patients]

    images = of_patients(content["images"])
    ids = {image["id"] for image in images}
    annotations = [a for a in content["annotations"] if a["image_id"] in ids]
    context = of_patients(content["context_images"])
    return dict(content) | {
        "images": images,
        "annotations": annotations,
        "context_images": context,
    }


def _write_dataset(folder: Path, source: Path, parts: Mapping[str, Any]) -> Path:
    annotations = folder / "annotations"
    annotations.mkdir(parents=True, exist_ok=True)
    for split, content in parts.items():
        write_json(annotations / f"{split}.json", content)
    for name in ("images", LANDMARKS):
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(os.path.relpath(source / name, link.parent))
    return folder
