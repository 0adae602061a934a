"""Counting the priors H^g of a prepared data set."""

from __future__ import annotations

import logging
from pathlib import Path

from ..data.cases import group_cases
from ..data.lesion_pairs import count_prior
from ..data.multi_view_coco import load_multi_view_coco
from ..graph.prior import write_prior
from ..landmarks.nodes import NodeLayout

logger = logging.getLogger(__name__)

LAYOUTS = ("13,17", "22,26", "100,105")


def write_priors(folder: Path, dataset: str) -> dict[str, int]:
    """Write H^g of the three layouts of [S], counted on the training split only.

    Args:
        folder: folder of the data set, with ``images`` and ``annotations``.
        dataset: name to be written into the priors.

    Returns:
        file name -> number of lesions seen in both views.

    Raises:
        ValueError: no lesion is seen in both views.
    """
    annotations = folder / "annotations"
    images = load_multi_view_coco(
        annotations / "train.json", folder / "images", None, annotations / "landmarks.json"
    )
    cases, counted = group_cases(images), {}
    for text in LAYOUTS:
        layout = NodeLayout.parse(text)
        prior = count_prior(cases, layout, dataset)
        path = annotations / f"prior_{layout.cc}_{layout.mlo}.json"
        write_prior(path, prior)
        counted[path.name] = int(prior.counts.sum())
    return counted


def count_priors(out: Path, dataset: str) -> dict[str, int]:
    """Write H^g of BGN; a data set in which no lesion is seen twice has none, which is logged.

    Args:
        out: folder of the data set.
        dataset: name of its training split.

    Returns:
        file name -> number of lesions seen in both views.
    """
    try:
        return write_priors(out, dataset)
    except ValueError as error:
        logger.warning("no priors: %s", error)
        for old in (out / "annotations").glob("prior_*.json"):
            old.unlink()
        return {}
