"""All data sets of a run, looked at before its first step."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.utils import comm

from ..coco.file import CocoFile, read_coco
from ..cross_view.relation_file import configured_relation
from ..data.build import check_landmarks
from ..data.builtin import check_registered
from ..data.cases import group_cases
from ..data.overlap import shared_images, shared_patients
from .setup import check_classes, count_masks

logger = logging.getLogger(__name__)

SHOWN = 5


def check_datasets(cfg: CfgNode, *, training: bool = True) -> None:
    """Read the data sets of a run and refuse what would fail, or mislead, only later.

    Those are ``DATASETS.TRAIN``, ``DATASETS.TEST`` and, where it is used,
    ``TEST.VALIDATION.DATASET``.
    A warning says which patients and images are trained and tested on.

    Args:
        cfg: the config.
        training: False: only the test sets are used.

    Raises:
        FileNotFoundError: a file of a data set, an image, or the relation that is to re-score the
            results, is missing.
        ValueError: a data set is unknown, its files are wrong, it has no images or lacks landmarks
            that the graph needs or masks that the losses need, or its classes are not those of the
            detector or of the others.
    """
    validation = cfg.TEST.VALIDATION
    watched = (validation.DATASET,) if training and validation.EPOCHS > 0 else ()
    check_registered(watched, "TEST.VALIDATION.DATASET")
    trained = tuple(cfg.DATASETS.TRAIN) if training else ()
    names = tuple(dict.fromkeys((*trained, *watched, *cfg.DATASETS.TEST)))
    check_registered(names, "DATASETS")
    configured_relation(cfg)
    for name in names:
        _check_images(cfg, name, DatasetCatalog.get(name))
    if cfg.MODEL.MASK_ON:
        _check_masks(dict.fromkeys((*trained, *watched)))
    check_classes(cfg, names)
    check_class_names(trained, [name for name in names if name not in trained])
    if comm.is_main_process():
        warn_of_overlap(cfg.DATASETS.TRAIN, (*watched, *cfg.DATASETS.TEST))


def check_class_names(trained: Sequence[str], others: Sequence[str]) -> None:
    """Check that a class id means the same in all data sets.

    A test set whose class has another name only gets a warning: names are free.

    Args:
        trained: registered data sets, already read.
        others: those that the model is tested on.

    Raises:
        ValueError: two training sets name their classes differently, or a test set has them in
            another order.
    """
    names = {name: _class_names(name) for name in (*trained, *others)}
    stated = {name: found for name, found in names.items() if found}
    first = next((name for name in trained if name in stated), None)
    if first is None:
        return
    expected = stated.pop(first)
    for name, found in stated.items():
        if found == expected:
            continue
        message = (
            f"class ids mean different things: {first} has {', '.join(expected)}, {name} has "
            f"{', '.join(found)} (by rising category id)"
        )
        if name in trained or sorted(found) == sorted(expected):
            raise ValueError(f"{message}. Give both files the same categories")
        logger.warning("%s; they are taken for the same", message)


def warn_of_overlap(trained: Sequence[str], tested: Sequence[str]) -> None:
    """Warn of patients and images that a model is trained and tested on.

    Patient ids are compared within one data folder: elsewhere the same number is another patient.

    Args:
        trained, tested: registered data sets; training sets without their files are passed over.
    """
    read = {name: content for name in trained if (content := _content(name)) is not None}
    for name in tested:
        test = _content(name)
        if test is None:
            continue
        for other, train in read.items():
            _warn(other, train, name, test)


def _check_images(cfg: CfgNode, name: str, dicts: list[dict[str, Any]]) -> None:
    if not dicts:
        raise ValueError(
            f"{name} has no images; name another data set in DATASETS, or prepare it with a larger "
            "share for this split"
        )
    if cfg.MODEL.AGN.ENABLED:
        check_landmarks(group_cases(dicts))
    elif cfg.MODEL.CROSS_VIEW.RELATION:
        check_landmarks(
            group_cases(dicts), "MODEL.CROSS_VIEW.RELATION", "set MODEL.CROSS_VIEW.RELATION ''"
        )
    views = itertools.chain(dicts, *(image.get("context_views", ()) for image in dicts))
    missing = [v["file_name"] for v in views if not os.path.isfile(v["file_name"])]
    if missing:
        raise FileNotFoundError(
            f"{name}: {len(missing)} images are missing, the first is {missing[0]}. file_name in "
            "the annotations is relative to the folder images"
        )


def _check_masks(names: Iterable[str]) -> None:
    """Losses are computed on these data sets, that of the mask head among them."""
    for name in names:
        masses, without = count_masks([name])
        if without:
            raise ValueError(
                f"{name}: no masks for {without} of {masses} masses, but the mask loss of "
                "MODEL.MASK_ON needs them; name a data set with masks, or set MODEL.MASK_ON False"
            )


def _class_names(name: str) -> list[str]:
    """By contiguous id; empty if the data set does not say."""
    return [text.strip().lower() for text in MetadataCatalog.get(name).get("thing_classes", ())]


def _content(name: str) -> tuple[CocoFile, Path] | None:
    """The annotations of a data set and its image folder; None if they are not there."""
    if name not in DatasetCatalog:
        return None
    metadata = MetadataCatalog.get(name)
    file, root = metadata.get("json_file"), metadata.get("image_root")
    if file is None or root is None or not os.path.isfile(file):
        return None
    try:
        return read_coco(file), Path(root)
    except ValueError as error:
        # Only of a training set that is not trained on now.
        logger.warning("%s is not compared with the test sets: %s", name, error)
        return None


def _warn(
    train_name: str,
    train: tuple[CocoFile, Path],
    test_name: str,
    test: tuple[CocoFile, Path],
) -> None:
    (train_file, train_root), (test_file, test_root) = train, test
    tested = {image["patient_id"] for image in test_file.images if image.get("patient_id")}
    patients = shared_patients(
        (image["patient_id"] for image in train_file.images if image.get("patient_id")), tested
    )
    if patients and train_root == test_root:
        logger.warning(
            "The same patients in train and test: %d of %d patients of %s are in %s too (%s%s). "
            "Figures of this test set are too good.",
            len(patients),
            len(tested),
            test_name,
            train_name,
            ", ".join(patients[:SHOWN]),
            ", ..." if len(patients) > SHOWN else "",
        )
    pairs = shared_images(_files(train_file, train_root), _files(test_file, test_root))
    if pairs:
        logger.warning(
            "The same images in train and test: %d images of %s are in %s too (the first: %s is "
            "%s). Figures of this test set are too good.",
            len(pairs),
            test_name,
            train_name,
            pairs[0][1],
            pairs[0][0],
        )


def _files(coco: CocoFile, root: Path) -> list[Path]:
    return [root / image["file_name"] for image in coco.images if image.get("file_name")]
