"""Anchors from boxes, and their best IoU against a search over all anchors of an image."""

import numpy as np
import pytest
import torch
from detectron2.modeling.anchor_generator import DefaultAnchorGenerator
from detectron2.structures import Boxes, pairwise_iou

from agn_d2.evaluation.anchors import Anchors, FitStatistics, best_ious, suggest_anchors


def test_sizes_are_the_percentiles_by_hand():
    # Sides 0, 1, ..., 200: the p-th percentile is 2 p.
    side = np.arange(1.0, 202.0)
    ratio = np.tile([0.5, 1.0, 2.0], 67)
    wh = np.stack([side / np.sqrt(ratio), side * np.sqrt(ratio)], axis=1)
    found = suggest_anchors(wh, 5)
    assert found.sizes == ((21.0,), (66.0,), (111.0,), (156.0,), (181.0,))
    assert found.ratios == ((0.5, 1.0, 2.0),)
    assert suggest_anchors(wh, 3).sizes == ((21.0,), (101.0,), (181.0,))


def test_ratios_are_the_centers_of_clusters_in_the_logarithm():
    # Pairs about 0.5, 1 and 3 whose geometric means are just these.
    ratios = np.array([0.4, 0.625, 0.8, 1.25, 2.5, 3.6])
    wh = np.stack([np.ones(6), ratios], axis=1)
    assert suggest_anchors(np.repeat(wh, 5, axis=0), 1).ratios == ((0.5, 1.0, 3.0),)
    assert suggest_anchors(wh, 1, ratios=1).ratios == ((round(np.prod(ratios) ** (1 / 6), 2),),)


def test_too_few_ratios_are_refused():
    with pytest.raises(ValueError, match="4 boxes have fewer than 3 different aspect ratios"):
        suggest_anchors(np.array([[1.0, 2.0]] * 4), 5)


def test_a_gap_between_few_ratios_is_told():
    # K-means starts at 0.05, 0.55 and 1.05: no box is nearest to the second.
    ratios = np.exp([0.0, 0.1, 1.0, 1.1])
    wh = 20 * np.stack([np.ones(4), ratios], axis=1)
    with pytest.raises(ValueError, match="ratios of 4 boxes do not fall into 3 groups"):
        suggest_anchors(wh, 5)
    assert suggest_anchors(wh, 5, ratios=2).ratios == ((1.05, 2.86),)


def brute_force(boxes, image_size, sizes, ratios, strides, offset):
    """Best IoU with every anchor of Detectron2's generator."""
    generator = DefaultAnchorGenerator(
        sizes=sizes, aspect_ratios=ratios, strides=strides, offset=offset
    )
    padded = [int(np.ceil(length / 32) * 32) for length in image_size]
    features = [torch.zeros(1, 1, *(int(np.ceil(p / s)) for p in padded)) for s in strides]
    anchors = Boxes.cat(generator(features))
    return pairwise_iou(Boxes(torch.tensor(boxes)), anchors).max(dim=1).values.numpy()


@pytest.mark.parametrize("offset", [0.0, 0.5])
@pytest.mark.parametrize(
    ("sizes", "ratios"),
    [
        ([[10.0], [20.0, 28.0], [60.0]], [[0.5, 1.0, 2.0]]),
        ([[10.0, 30.0]], [[1.0], [0.7, 1.4], [1.0, 3.0]]),
    ],
)
def test_the_nearest_cell_is_the_best_place(offset, sizes, ratios):
    rng = np.random.default_rng(0)
    low = rng.uniform(0, [90, 70], (150, 2))
    # Some reach into the corner and some are thinner than the cells.
    high = np.minimum(low + rng.uniform(2, 60, (150, 2)), [100, 77])
    boxes = np.concatenate([low, high], axis=1).astype(np.float32)
    strides, image_size = [4, 8, 16], (77, 100)
    expected = brute_force(boxes, image_size, sizes, ratios, strides, offset)
    anchors = Anchors(tuple(map(tuple, sizes)), tuple(map(tuple, ratios)))
    found = best_ious(boxes, np.tile(image_size, (150, 1)), anchors, strides, offset)
    assert np.allclose(found, expected, atol=1e-5)


def test_statistics_by_hand():
    found = FitStatistics.of(np.array([0.2, 0.5, 0.6, 0.7, 1.0]))
    assert (found.mean, found.above_half, found.above_positive) == pytest.approx((0.6, 0.8, 0.4))
    # Between the first two of five, four tenths of the way.
    assert found.tenth == pytest.approx(0.32)
