"""Anchors that fit the boxes of a data set, and how well anchors meet them.

Shape legend
    n: boxes      L: levels of the pyramid      R: aspect ratios (height / width)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.cluster.vq import ClusterError, kmeans2

# Of sqrt(width * height), one for each of five levels [S].
PERCENTILES = (10.0, 32.5, 55.0, 77.5, 90.0)


@dataclass(frozen=True)
class Anchors:
    """One size a level and the ratios that all levels share.

    Attributes:
        sizes: L times the sizes of a level, sqrt(width * height) in pixels of the input.
        ratios: for each level, or once for all of them, height / width.
    """

    sizes: tuple[tuple[float, ...], ...]
    ratios: tuple[tuple[float, ...], ...]

    def of_level(self, level: int) -> np.ndarray:
        """(sizes * ratios, 2) width and height of a level's anchors."""
        sizes = self.sizes[level if len(self.sizes) > 1 else 0]
        ratios = self.ratios[level if len(self.ratios) > 1 else 0]
        return np.array([(s / np.sqrt(r), s * np.sqrt(r)) for s in sizes for r in ratios])


@dataclass(frozen=True)
class FitStatistics:
    """How well the best anchor meets each box.

    Attributes:
        mean, tenth: mean and tenth percentile of the best IoU.
        above_half, above_positive: shares of boxes with a best IoU of at least 0.5, and of at
            least 0.7, from which an anchor is positive by itself in Detectron2.
    """

    mean: float
    tenth: float
    above_half: float
    above_positive: float

    @classmethod
    def of(cls, ious: np.ndarray) -> FitStatistics:
        """Of the best IoUs (n,)."""
        return cls(
            float(ious.mean()),
            float(np.percentile(ious, 10)),
            float((ious >= 0.5).mean()),
            float((ious >= 0.7).mean()),
        )


def suggest_anchors(sizes: np.ndarray, levels: int, ratios: int = 3) -> Anchors:
    """Anchors for boxes of these sizes, rounded as one would write them.

    Five levels get [S]'s percentiles of sqrt(width * height), other numbers evenly spaced ones
    from 10 to 90. Ratios are the centers of a k-means on log(height / width), where a half and
    twice are equally far from 1; it starts from quantiles, so that the answer is always the same.

    Args:
        sizes: (n, 2), width and height in pixels of the input.
        levels: pyramid levels that get anchors.
        ratios: k of the k-means.

    Raises:
        ValueError: no level, or fewer ratios or groups of ratios among the boxes than wanted.
    """
    if levels < 1:
        raise ValueError(f"anchors need at least one level, got {levels}")
    sizes = np.asarray(sizes, dtype=float)
    percentiles = PERCENTILES if levels == len(PERCENTILES) else np.linspace(10, 90, levels)
    side = np.percentile(np.sqrt(sizes.prod(axis=1)), percentiles)
    logs = np.log(sizes[:, 1] / sizes[:, 0])
    if len(np.unique(logs)) < ratios:
        raise ValueError(f"{len(sizes)} boxes have fewer than {ratios} different aspect ratios")
    start = np.quantile(np.unique(logs), (np.arange(ratios) + 0.5) / ratios)
    try:
        centers, _ = kmeans2(
            logs[:, None], start[:, None], iter=100, minit="matrix", missing="raise"
        )
    except ClusterError as error:
        # Of a few boxes with a gap between their ratios.
        raise ValueError(
            f"the aspect ratios of {len(sizes)} boxes do not fall into {ratios} groups; "
            "ask for fewer ratios"
        ) from error
    found = tuple(sorted(round(float(ratio), 2) for ratio in np.exp(centers[:, 0])))
    return Anchors(tuple((round(float(size), 1),) for size in side), (found,))


def best_ious(
    boxes: np.ndarray,
    image_sizes: np.ndarray,
    anchors: Anchors,
    strides: Sequence[int],
    offset: float = 0.0,
    divisor: int = 32,
) -> np.ndarray:
    """IoU of each box with the best anchor that stands in its image.

    An anchor's overlap falls with its distance in x and in y, so the best place for one of a
    given size is the cell nearest to the box's center; nothing else has to be tried.

    Args:
        boxes: (n, 4) XYXY in pixels of the input.
        image_sizes: (n, 2) height and width of each box's image, before padding.
        anchors: the anchors.
        strides: L, pixels between neighboring cells of a level.
        offset: distance of the first anchor from the corner, in strides
            (``MODEL.ANCHOR_GENERATOR.OFFSET``).
        divisor: the padded image is a multiple of it.

    Returns:
        (n,) float.
    """
    boxes = np.asarray(boxes, dtype=float)
    sizes, centers = boxes[:, 2:] - boxes[:, :2], (boxes[:, 2:] + boxes[:, :2]) / 2
    padded = np.ceil(np.asarray(image_sizes)[:, ::-1] / divisor) * divisor
    best = np.zeros(len(boxes))
    for level, stride in enumerate(strides):
        cells = np.ceil(padded / stride)
        cell = np.clip(np.rint(centers / stride - offset), 0, cells - 1)
        distance = np.abs((cell + offset) * stride - centers)
        for anchor in anchors.of_level(level):
            overlap = np.minimum((sizes + anchor) / 2 - distance, np.minimum(sizes, anchor))
            shared = np.clip(overlap, 0, None).prod(axis=1)
            best = np.maximum(best, shared / (sizes.prod(axis=1) + anchor.prod() - shared))
    return best
