"""Detectors that are given to a cross-validation: none should have seen what it is tested on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from ..engine.dataset_checks import warn_of_overlap
from ..utils.checkpoint_file import read_checkpoint_file


def check_given_detector(path: Path, fold: str, folds: Sequence[str]) -> None:
    """Check what a detector was trained on, as far as its checkpoint tells.

    A warning says which patients and images of the fold's test set are in other training sets of
    the detector, where those are registered.

    Args:
        path: its checkpoint.
        fold: data set of the fold that it is tested on, without "_train" or "_test".
        folds: those of all folds.

    Raises:
        ValueError: it was trained on another fold, whose training set has images of this fold's
            test set; or the file is no checkpoint.
    """
    trained = training_sets(path)
    others = [name for name in folds if name != fold and f"{name}_train" in trained]
    if others:
        raise ValueError(
            f"--detector-weights: {path} is given for {fold}, but was trained on "
            f"{others[0]}_train, with images that it would be tested on; give the detectors in "
            "the order of the folds (a shell sorts fold_10 before fold_2)"
        )
    warn_of_overlap([name for name in trained if name != f"{fold}_train"], [f"{fold}_test"])


def training_sets(path: Path) -> list[str]:
    """``DATASETS.TRAIN`` of the run that has written a checkpoint; none if it does not tell.

    Raises:
        ValueError: the file is no checkpoint.
    """
    config = read_checkpoint_file(path).get("config")
    if not isinstance(config, str):
        return []
    try:
        return list(yaml.safe_load(config)["DATASETS"]["TRAIN"])
    except (yaml.YAMLError, KeyError, TypeError):
        # Of another program.
        return []
