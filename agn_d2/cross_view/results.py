"""COCO results files of whole data sets, re-scored by the other views."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from detectron2.data import MetadataCatalog

from ..coco.reading import read_json
from ..data.build import check_landmarks, load_cases
from ..data.cases import Case
from ..data.partners import shuffle_partners
from ..evaluation.coco_results import GroundTruth, read_detections, read_ground_truth
from ..evaluation.records import by_image
from ..utils.files import write_json
from .candidates import MAX_CANDIDATES, ViewDetections, collect_candidates
from .explanation import Explanation, explain
from .explanation_file import write_explanations
from .relation import CandidateRelation
from .relation_file import write_relation
from .rescoring import rescore
from .training import fit_relation, make_targets

logger = logging.getLogger(__name__)

# Beside the results of the examined views (TEST.CONTEXT_DETECTIONS), with file names as image ids.
CONTEXT_RESULTS = "coco_context_results.json"


class DatasetDetections:
    """A detector's results on a registered data set, with the cases that they belong to.

    Args:
        dataset: registered name; its images need landmarks.
        predictions: COCO results file. Where ``CONTEXT_RESULTS`` lies beside it, context views
            serve the others too.
        patients: take their cases alone; None: all.
        shuffled: let every image read the views of another patient (``shuffle_partners``).

    Raises:
        ValueError: the file does not fit the data set, a score is not in 0 .. 1, or an image has no
            landmarks.
    """

    def __init__(
        self,
        dataset: str,
        predictions: str | Path,
        *,
        patients: Collection[str] | None = None,
        shuffled: bool = False,
    ) -> None:
        self.dataset = dataset
        self.cases: list[Case] = [
            case
            for case in load_cases([dataset])
            if patients is None or case.images[0]["patient_id"] in patients
        ]
        check_landmarks(self.cases, "the relation of candidates", "do without it")
        if shuffled:
            self.cases = shuffle_partners(self.cases)
        metadata = MetadataCatalog.get(dataset)
        truth = read_ground_truth(metadata.json_file)
        self.by_image = _by_image(predictions, truth)
        self._entries: dict[Any, list[dict[str, Any]]] = {name: [] for name in truth.image_ids}
        for entry in read_json(predictions):
            self._entries[entry["image_id"]].append(entry)
        context = Path(predictions).with_name(CONTEXT_RESULTS)
        if truth.context_images and context.is_file():
            names = tuple(image.file_name for image in truth.context_images)
            of_context = replace(truth, image_ids=names, images=truth.context_images)
            found = _by_image(context, of_context)
            root = Path(metadata.image_root)
            self.by_image |= {os.path.join(root, name): views for name, views in found.items()}

    @property
    def image_ids(self) -> Collection[Any]:
        """Of the examined images, as the results file names them."""
        return self._entries.keys()

    @property
    def patients(self) -> set[str]:
        """Whose cases are taken."""
        return {case.images[0]["patient_id"] for case in self.cases}

    def rescored(self, relation: CandidateRelation) -> list[dict[str, Any]]:
        """The entries of the results file, image by image, with the scores of a relation."""
        return self._as_coco(rescore(relation, self.cases, self.by_image))

    def unchanged(self) -> list[dict[str, Any]]:
        """The entries of the results file, image by image, as the detector gave them."""
        return self._as_coco({key: found.scores for key, found in self.by_image.items()})

    def _as_coco(self, scores: Mapping[Any, np.ndarray]) -> list[dict[str, Any]]:
        return [
            entry | {"score": float(score)}
            for image_id, entries in self._entries.items()
            for entry, score in zip(entries, scores[image_id], strict=True)
        ]


def _by_image(predictions: str | Path, truth: GroundTruth) -> dict[Any, ViewDetections]:
    """The detections of every image of the truth, empty where nothing was found."""
    found = read_detections(predictions, truth)
    odd = (found.scores < 0) | (found.scores > 1)
    if odd.any():
        first = int(odd.argmax())
        raise ValueError(
            f"{predictions}: entry {first} (from 0): the relation needs scores from 0 to 1, as "
            f"probabilities have, got {found.scores[first]:g}"
        )
    return {
        image_id: ViewDetections(found.boxes[of_image], found.scores[of_image])
        for image_id, of_image in zip(
            truth.image_ids, by_image(found.images, len(truth.image_ids)), strict=True
        )
    }


def check_poolable(parts: Sequence[DatasetDetections]) -> None:
    """One results file must be able to hold the detections of all data sets.

    Raises:
        ValueError: two data sets share an image id; names both.
    """
    _check_distinct(
        [(part.dataset, part.image_ids) for part in parts],
        "image id",
        "so their results cannot stand in one file; take them one by one",
    )


def _check_distinct(
    owned: Sequence[tuple[str, Collection[Any]]], what: str, consequence: str
) -> None:
    owner: dict[Any, str] = {}
    for dataset, values in owned:
        shared = sorted(owner.keys() & set(values), key=str)
        if shared:
            raise ValueError(
                f"{owner[shared[0]]} and {dataset} share the {what} {shared[0]!r} "
                f"({len(shared)} in all), {consequence}"
            )
        owner |= dict.fromkeys(values, dataset)


def explained(
    parts: Sequence[DatasetDetections], relations: Iterable[CandidateRelation]
) -> dict[Any, tuple[Explanation, ...]]:
    """How the pooled scores of ``rescored`` came about, each data set by its relation.

    Raises:
        ValueError: two data sets share an image id.
    """
    check_poolable(parts)
    pooled: dict[Any, tuple[Explanation, ...]] = {}
    for part, relation in zip(parts, relations, strict=True):
        pooled |= explain(relation, part.cases, part.by_image)
    return pooled


def fit_on(
    parts: Iterable[DatasetDetections], relation: CandidateRelation, **options: float
) -> CandidateRelation:
    """Fit a relation on results of detectors that have not seen the images, see ``fit_relation``.

    Raises:
        NothingToLearnError: no candidate lies on a lesion.
    """
    data = []
    for part in parts:
        candidates = collect_candidates(part.cases, part.by_image, MAX_CANDIDATES)
        data.append((candidates, make_targets(candidates, part.by_image)))
    fit_relation(relation, data, **options)
    return relation.eval()


def cross_validate(
    parts: Sequence[DatasetDetections], **options: float
) -> tuple[list[dict[str, Any]], list[CandidateRelation]]:
    """Re-score each data set by a relation that was fitted on the others.

    Args:
        parts: results of the folds, each of the detector that has not seen the fold.
        options: options of ``fit_relation``.

    Returns:
        the pooled results, and the relation of each part.

    Raises:
        ValueError: fewer than two parts, or two that share a patient or an image id.
    """
    if len(parts) < 2:
        raise ValueError("a cross-validation needs the results of at least two folds")
    _check_distinct(
        [(part.dataset, part.patients) for part in parts],
        "patient",
        "so a relation would be tested on patients that it was fitted on; take folds by patient "
        "(tools/make_folds.py)",
    )
    check_poolable(parts)
    pooled, relations = [], []
    for part in parts:
        others = [other for other in parts if other is not part]
        relations.append(fit_on(others, CandidateRelation(), **options))
        pooled += part.rescored(relations[-1])
        logger.info("%s: re-scored by a relation of the other %d", part.dataset, len(others))
    return pooled, relations


def validate_relation(
    results: Mapping[str, str | Path],
    output: Path,
    *,
    explanations: Path | None = None,
    **options: float,
) -> dict[str, Path]:
    """Cross-validate over the results of folds, with its control, and write pooled results.

    Args:
        results: registered data set -> results of a detector that has not been trained on it.
        output: folder for ``detector.json``, ``rescored.json`` and ``shuffled.json``, and the
            relations ``relation_<data set>.json`` that were *not* fitted on the data set.
        explanations: file for what each detection read from the other views; None: none.
        options: options of ``fit_relation``.

    Returns:
        the first part of the name of the three results files -> file.

    Raises:
        ValueError: see ``cross_validate`` and ``DatasetDetections``.
    """
    files = {name: output / f"{name}.json" for name in ("detector", "rescored", "shuffled")}
    for shuffled in (False, True):
        parts = [DatasetDetections(name, path, shuffled=shuffled) for name, path in results.items()]
        pooled, relations = cross_validate(parts, **options)
        if not shuffled:
            write_json(files["detector"], [d for part in parts for d in part.unchanged()])
            for part, relation in zip(parts, relations, strict=True):
                facts = {"left_out": part.dataset}
                write_relation(output / f"relation_{part.dataset}.json", relation, facts)
            if explanations is not None:
                write_explanations(explanations, explained(parts, relations))
        write_json(files["shuffled" if shuffled else "rescored"], pooled)
    return files
