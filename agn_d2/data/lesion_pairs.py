"""Which mass of a CC view is which mass of the MLO view, and the prior counted from that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from detectron2.structures import BoxMode
from scipy.optimize import linear_sum_assignment

from ..graph.prior import CorrespondencePrior
from ..landmarks.nodes import NodeLayout, place_nodes
from ..landmarks.record import Landmarks
from .cases import Case


def lesion_centers(image: dict[str, Any]) -> np.ndarray:
    """(M, 2) centers of the boxes of a dataset dict, (x, y) in pixels of the stored image."""
    boxes = [BoxMode.convert(a["bbox"], a["bbox_mode"], BoxMode.XYXY_ABS) for a in _lesions(image)]
    boxes = np.asarray(boxes, dtype=float).reshape(-1, 4)
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def nipple_distances(points: np.ndarray, landmarks: Landmarks) -> np.ndarray:
    """Distances of points from the nipple in breast heights.

    Args:
        points: (M, 2), (x, y) in pixels of the stored image.
        landmarks: landmarks of that image.

    Returns:
        (M,) float64.
    """
    return np.linalg.norm(points - landmarks.nipple, axis=1) / _breast_height(landmarks)


def pair_lesions(cc: dict[str, Any], mlo: dict[str, Any]) -> list[tuple[int, int]]:
    """Pair the lesions of the two views of a breast.

    - Where all lesions of both views have a ``lesion_id``, equal ids are pairs; of several boxes
      with one id in a view the first stands for the lesion.
    - Otherwise those with the most similar distance to the nipple: compression moves a mass
      along an arc around the nipple, so this distance, in breast heights, is what both views
      share. Each lesion is taken once; one lesion in each view is always a pair.

    Args:
        cc, mlo: dataset dicts with ``landmarks``.

    Returns:
        pairs of positions among the lesions (annotations that are not crowds) of cc and mlo.
    """
    ids_cc, ids_mlo = ([a.get("lesion_id") for a in _lesions(i)] for i in (cc, mlo))
    if None not in ids_cc and None not in ids_mlo:
        both = (i for i in dict.fromkeys(ids_cc) if i in ids_mlo)
        return [(ids_cc.index(i), ids_mlo.index(i)) for i in both]
    depth_cc, depth_mlo = (
        nipple_distances(lesion_centers(image), image["landmarks"]) for image in (cc, mlo)
    )
    cost = np.abs(depth_cc[:, None] - depth_mlo[None])
    return [(int(i), int(j)) for i, j in zip(*linear_sum_assignment(cost), strict=True)]


def count_prior(cases: Sequence[Case], layout: NodeLayout, dataset: str) -> CorrespondencePrior:
    """Count at which nodes the masses of a training set lie in both views ([S], epsilon_ij).

    A mass lies at the node nearest to the center of its box.

    Args:
        cases: cases whose images have ``landmarks``.
        layout: the node layout.
        dataset: name to be written into the prior.

    Raises:
        ValueError: an image has no landmarks, the views CC or MLO are missing altogether, or no
            mass is seen in both.
    """
    counts = np.zeros((layout.cc, layout.mlo))
    templates: dict[str, list[np.ndarray]] = {"CC": [], "MLO": []}
    for case in cases:
        nodes = []
        for image in case.images:
            if image.get("landmarks") is None:
                raise ValueError(
                    f"{image['file_name']} has no landmarks; the prior needs them. Run "
                    "tools/extract_landmarks.py on the images"
                )
            nodes.append(place_nodes(image["landmarks"], layout))
            templates[image["view"]].append(_relative(nodes[-1], image["landmarks"]))
        for position, auxiliary in enumerate(case.auxiliary):
            if case.images[position]["view"] != "CC" or auxiliary is None:
                continue
            cc, mlo = case.images[position], case.images[auxiliary]
            at_cc = _nearest(lesion_centers(cc), nodes[position])
            at_mlo = _nearest(lesion_centers(mlo), nodes[auxiliary])
            for i, j in pair_lesions(cc, mlo):
                counts[at_cc[i], at_mlo[j]] += 1
    missing = [view for view, relative in templates.items() if not relative]
    if missing:
        raise ValueError(f"{dataset} has no {' and no '.join(missing)} views; BGN needs both")
    if not counts.any():
        raise ValueError(
            f"{dataset}: no mass is seen in both views of a breast, so there is nothing to count; "
            "use BGN with an empty MODEL.AGN.BGN.PRIOR (every pair of nodes alike)"
        )
    means = {view: np.mean(relative, axis=0) for view, relative in templates.items()}
    return CorrespondencePrior(counts, means["CC"], means["MLO"], dataset)


def _lesions(image: dict[str, Any]) -> list[dict[str, Any]]:
    return [a for a in image.get("annotations", []) if not a.get("iscrowd", 0)]


def _breast_height(landmarks: Landmarks) -> float:
    return max(float(np.ptp(landmarks.contour[:, 1])), 1.0)


def _relative(nodes: np.ndarray, landmarks: Landmarks) -> np.ndarray:
    relative = (nodes - landmarks.nipple) / _breast_height(landmarks)
    if landmarks.chest_wall == "right":
        relative = relative * [-1, 1]
    return relative


def _nearest(points: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points[:, None] - nodes[None], axis=2).argmin(axis=1)
