"""The area under the ROC curve, by hand and pair by pair."""

import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest

from agn_d2.evaluation.coco_results import read_detections, read_ground_truth
from agn_d2.evaluation.records import Detections, Lesions
from agn_d2.evaluation.separation import ScoreRanking, candidate_report, separation


def test_separation_counts_pairs():
    # Pairs: 0.9 > 0.5, 0.9 > 0.2, 0.5 = 0.5 (half), 0.5 > 0.2: 3.5 of 4.
    assert separation(np.array([0.9, 0.5]), np.array([0.5, 0.2])) == 3.5 / 4
    assert separation(np.zeros(0), np.ones(1)) is None
    assert separation(np.zeros(0), np.zeros(0)) is None


def test_weights_are_repetitions():
    rng = np.random.default_rng(0)
    scores, is_mass = rng.integers(0, 6, 40) / 6, rng.random(40) < 0.4
    times = rng.integers(0, 4, 40)
    repeated = np.repeat(scores, times), np.repeat(is_mass, times)
    pairs = [
        (mass > other) + 0.5 * (mass == other)
        for mass in repeated[0][repeated[1]]
        for other in repeated[0][~repeated[1]]
    ]
    assert ScoreRanking(scores, is_mass, np.arange(40))(times) == pytest.approx(np.mean(pairs))


@pytest.fixture
def truth(coco_gt, write):
    return read_ground_truth(write("gt.json", coco_gt))


def report(models, truth, weights=None, **options):
    weights = np.ones(len(truth.images)) if weights is None else weights
    usual = {"iou": 0.2, "hit": "iou", "baseline": None, "draws": 0, "seed": 0}
    return candidate_report(models, truth, weights, **usual | options)


def box(image_id, place, score):
    return {"image_id": image_id, "bbox": [place, place, 10, 10], "score": score}


def test_duplicates_count_and_the_mean_is_over_the_runs(coco_gt, truth, write):
    lesion = coco_gt["annotations"][0]
    image_id = lesion["image_id"]
    on = {"image_id": image_id, "bbox": lesion["bbox"]}
    # Both detections on the lesion count. Masses 0.9 and 0.3, others 0.5 and 0.1: 3 of 4 pairs.
    first = [on | {"score": 0.9}, on | {"score": 0.3}, box(image_id, 700, 0.5)]
    first.append(box(image_id, 800, 0.1))
    # One mass below the one other: 0 of 1.
    second = [on | {"score": 0.3}, box(image_id, 700, 0.5)]
    runs = [
        read_detections(write(name, content), truth)
        for name, content in (("1.json", first), ("2.json", second))
    ]
    found = report({"a": runs, "b": runs[:1]}, truth, baseline="b", draws=20)
    assert found["a"]["auc"] == pytest.approx((0.75 + 0) / 2)
    assert found["a"]["masses"] == [2, 1] and found["a"]["others"] == [2, 1]
    assert found["a"]["difference"]["value"] == pytest.approx(-0.375)
    # All detections are of one patient: the draws that have it say the same.
    assert found["a"]["low"] == found["a"]["high"] == pytest.approx(0.375)
    assert found["a"]["difference"]["high"] == pytest.approx(-0.375)
    assert "difference" not in found["b"]
    without = np.array([i != image_id for i in truth.image_ids], dtype=float)
    assert report({"b": runs[:1]}, truth, without)["b"] == {
        "auc": None,
        "masses": [0],
        "others": [0],
    }


def test_draws_are_not_held_all_at_once():
    size, draws = 20_000, 200
    boxes = np.tile([0.0, 0.0, 10.0, 10.0], (size, 1))
    truth = SimpleNamespace(
        lesions=Lesions(boxes[:100], np.arange(100), size),
        patients=[f"P{n // 4}" for n in range(size)],
    )
    found = Detections(boxes, np.linspace(1, 0, size), np.arange(size))
    tracemalloc.start()
    one = report({"a": [found]}, truth, np.ones(size), draws=draws)["a"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert one["auc"] == one["low"] == 1.0
    # The weights of all draws are 32 MB; those of one and the arrays of the matching some.
    assert peak < 16e6
