"""The curve and its reading: by hand, and against a second implementation on random data."""

import math
import random

import numpy as np
import pytest

from agn_d2.evaluation.froc import (
    Detections,
    FrocCurve,
    Lesions,
    froc_curve,
    match_detections,
    mean_curve,
    recall_at_fppi,
)

from .slow_froc import as_arrays, random_images, slow_recall

LESIONS = Lesions(
    np.array([[10, 10, 20, 20], [10, 10, 20, 20], [50, 50, 70, 70], [30, 30, 40, 40]]),
    np.array([0, 1, 1, 3]),
    4,
)
DETECTIONS = Detections(
    np.array(
        [
            [70, 70, 80, 80],
            [80, 10, 90, 20],
            [10, 10, 20, 20],
            [80, 10, 90, 20],
            [11, 10, 21, 20],
            [10, 10, 19, 19],
        ]
    ),
    np.array([0.8, 0.5, 0.7, 0.6, 0.8, 0.9]),
    np.array([0, 1, 2, 1, 1, 0]),
)
NOTHING = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, int))


def test_curve_by_hand():
    curve = froc_curve(match_detections(DETECTIONS, LESIONS))
    assert curve.fppi.tolist() == [0, 0, 0.25, 0.5, 0.75, 1]
    assert curve.recall.tolist() == [0, 0.25, 0.5, 0.5, 0.5, 0.5]
    assert curve.thresholds.tolist() == [math.inf, 0.9, 0.8, 0.7, 0.6, 0.5]
    assert (curve.images, curve.lesions, curve.max_fppi) == (4, 4, 1.0)


def test_curve_of_lesion_images_by_hand():
    events = match_detections(DETECTIONS, LESIONS)
    curve = froc_curve(events, (events.lesions_per_image > 0).astype(float))
    # Image 2 is out, and its false positive of score 0.7 with it.
    np.testing.assert_array_equal(curve.fppi, np.array([0, 0, 1, 1, 2, 3]) / 3)
    assert curve.recall.tolist() == [0, 0.25, 0.5, 0.5, 0.5, 0.5]
    assert (curve.images, curve.lesions) == (3, 4)


def test_reading_takes_the_largest_recall_at_or_left_of_the_value():
    curve = froc_curve(match_detections(DETECTIONS, LESIONS))
    read = recall_at_fppi(curve, (0, 0.24, 0.25, 0.26, 4))
    assert read.tolist() == [0.25, 0.25, 0.5, 0.5, 0.5]
    assert recall_at_fppi(curve, (4, 0)).tolist() == [0.5, 0.25]


def test_a_false_positive_first_leaves_recall_0_until_its_fppi():
    # One image: false positive 0.9, hit 0.8. At 0.5 FPPI not even the first may count.
    lesions = Lesions(np.array([[0, 0, 10, 10]]), np.array([0]), 1)
    boxes = np.array([[50, 50, 60, 60], [0, 0, 10, 10]])
    curve = froc_curve(match_detections(Detections(boxes, [0.9, 0.8], [0, 0]), lesions))
    assert recall_at_fppi(curve, (0.5, 1)).tolist() == [0, 1]


def test_lowest_score_counts():
    lesions = Lesions(np.array([[0, 0, 10, 10], [20, 0, 30, 10]]), np.array([0, 0]), 1)
    curve = froc_curve(match_detections(Detections(lesions.boxes, [0.9, 0.1], [0, 0]), lesions))
    assert curve.recall.tolist() == [0, 0.5, 1]


def test_no_detection_is_recall_0_and_no_lesion_is_nan():
    curve = froc_curve(match_detections(NOTHING, LESIONS))
    assert recall_at_fppi(curve).tolist() == [0] * 5
    assert curve.max_fppi == 0
    free = Lesions(np.zeros((0, 4)), np.zeros(0, int), 2)
    curve = froc_curve(match_detections(Detections([[0, 0, 1, 1]], [0.5], [1]), free))
    assert curve.max_fppi == 0.5
    assert np.isnan(recall_at_fppi(curve)).all()
    curve = froc_curve(match_detections(NOTHING, Lesions(np.zeros((0, 4)), np.zeros(0, int), 0)))
    assert curve.images == 0
    assert np.isnan(recall_at_fppi(curve)).all()


@pytest.mark.parametrize("fppi", [(-1,), (math.nan,), (math.inf,), ()])
def test_reading_refuses_what_is_no_fppi(fppi):
    curve = froc_curve(match_detections(NOTHING, LESIONS))
    with pytest.raises(ValueError, match="FPPI values must be finite and at least 0"):
        recall_at_fppi(curve, fppi)


@pytest.mark.parametrize("weights", [[1, 1, 1], [1, 1, 1, -1], [1, 1, 1, math.nan]])
def test_curve_refuses_weights_that_do_not_fit(weights):
    with pytest.raises(ValueError, match=r"image_weights must be \(4,\)"):
        froc_curve(match_detections(DETECTIONS, LESIONS), np.array(weights))


def test_corners_by_hand():
    fppi = np.array([0, 0, 1, 2, 3, 4, 5, 6.0])
    recall = np.array([0, 0.2, 0.2, 0.2, 0.5, 0.5, 0.5, 0.5])
    corners = FrocCurve(fppi, recall, -np.arange(8.0), 1, 10).corners()
    assert corners.thresholds.tolist() == [0, -1, -3, -4, -7]


FPPI = (0, 0.2, 0.25, 0.5, 1, 2, 3, 4)


@pytest.mark.parametrize("duplicates", ["ignore", "fp", "any"])
@pytest.mark.parametrize("hit", ["iou", "center"])
def test_against_the_second_implementation(hit, duplicates):
    rng = random.Random(f"{hit} {duplicates}")
    values = set()
    for case in range(400):
        images = random_images(rng)
        iou, lesion_images_only = rng.choice((0.1, 0.2, 0.5, 1)), rng.random() < 0.5
        detections, lesions = as_arrays(images)
        events = match_detections(detections, lesions, iou=iou, hit=hit, duplicates=duplicates)
        weights = (events.lesions_per_image > 0).astype(float) if lesion_images_only else None
        if lesion_images_only and not weights.any():
            continue
        curve = froc_curve(events, weights)
        expected, end = slow_recall(
            images,
            FPPI,
            iou=iou,
            hit=hit,
            duplicates=duplicates,
            lesion_images_only=lesion_images_only,
        )
        np.testing.assert_array_equal(recall_at_fppi(curve, FPPI), expected, err_msg=f"case {case}")
        np.testing.assert_array_equal(
            recall_at_fppi(curve.corners(), FPPI), expected, err_msg=f"corners, case {case}"
        )
        assert curve.max_fppi == end
        values.update(expected)
    assert len(values) > 10  # the cases are not all trivial


def test_order_of_the_entries_is_without_influence():
    rng = random.Random(5)
    for _ in range(100):
        images = random_images(rng)
        curve = froc_curve(match_detections(*as_arrays(images)))
        shuffled = [(rng.sample(d, len(d)), rng.sample(a, len(a))) for d, a in images]
        rng.shuffle(shuffled)
        again = froc_curve(match_detections(*as_arrays(shuffled)))
        np.testing.assert_array_equal(curve.fppi, again.fppi)
        np.testing.assert_array_equal(curve.recall, again.recall)


def test_weights_do_what_repeated_images_do():
    rng = random.Random(6)
    for _ in range(100):
        images = random_images(rng)
        times = [rng.randrange(3) for _ in images]
        if not any(times):
            continue
        curve = froc_curve(match_detections(*as_arrays(images)), np.array(times, float))
        repeated = [image for image, n in zip(images, times, strict=True) for _ in range(n)]
        again = froc_curve(match_detections(*as_arrays(repeated)))
        assert (curve.images, curve.lesions) == (again.images, again.lesions)
        np.testing.assert_array_equal(recall_at_fppi(curve, FPPI), recall_at_fppi(again, FPPI))
        assert curve.max_fppi == again.max_fppi


def test_only_the_order_of_the_scores_matters():
    rng = random.Random(7)
    for _ in range(30):
        detections, lesions = as_arrays(random_images(rng))
        curve = froc_curve(match_detections(detections, lesions))
        logits = Detections(
            detections.boxes, np.log(detections.scores) * 1e3 - 7, detections.images
        )
        again = froc_curve(match_detections(logits, lesions))
        np.testing.assert_array_equal(curve.fppi, again.fppi)
        np.testing.assert_array_equal(curve.recall, again.recall)


def test_mean_of_curves_reads_as_the_mean_of_their_readings():
    rng = random.Random(5)
    lesions = Lesions(np.tile([0.0, 0, 10, 10], (20, 1)), np.arange(20), 20)
    curves = []
    for count in (30, 3, 12):
        corner = np.array([[rng.choice((0, 50)), 0] for _ in range(count)])
        scores = np.array([rng.randrange(8) / 8 for _ in range(count)])
        images = np.array([rng.randrange(20) for _ in range(count)])
        found = Detections(np.hstack([corner, corner + 10]), scores, images)
        curves.append(froc_curve(match_detections(found, lesions)))
    mean = mean_curve(curves)
    everywhere = np.linspace(0, 2, 101)
    readings = [recall_at_fppi(curve, everywhere) for curve in curves]
    np.testing.assert_allclose(recall_at_fppi(mean, everywhere), np.mean(readings, axis=0))
    assert mean.recall[0] == mean.fppi[0] == 0
    assert (np.diff(mean.fppi) >= 0).all() and (np.diff(mean.recall) >= 0).all()
    assert mean.max_fppi == max(curve.max_fppi for curve in curves)
    assert np.isnan(mean.thresholds).all()
    assert mean_curve(curves[:1]) is curves[0]


def test_mean_of_curves_without_a_lesion_is_nan():
    curve = froc_curve(match_detections(DETECTIONS, Lesions(np.zeros((0, 4)), np.zeros(0, int), 4)))
    assert np.isnan(mean_curve([curve, curve]).recall).all()


def test_mean_needs_curves_of_the_same_images_and_lesions():
    curve = froc_curve(match_detections(DETECTIONS, LESIONS))
    fewer = froc_curve(match_detections(DETECTIONS, LESIONS), np.array([1, 1, 1, 0]))
    for curves in ([], [curve, fewer]):
        with pytest.raises(ValueError, match="all of the same images and lesions"):
            mean_curve(curves)
