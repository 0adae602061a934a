"""Scores of masses and distractors, by hand."""

import pytest

from agn_d2.evaluation.distractors import scores_by_kind

OBJECTS = {
    "annotations": [
        {"image_id": 1, "bbox": [0, 0, 10, 10]},
        {"image_id": 2, "bbox": [0, 0, 10, 10]},
    ],
    "distractors": [
        {"image_id": 1, "bbox": [50, 50, 10, 10], "kind": "symmetric"},
        {"image_id": 2, "bbox": [50, 50, 10, 10], "kind": "superimposition"},
    ],
}


def detection(image, x, y, score, size=10):
    return {"image_id": image, "bbox": [x, y, size, size], "score": score}


def test_each_body_has_the_best_score_on_it():
    detections = [
        detection(1, 0, 0, 0.3),
        detection(1, 2, 0, 0.6),  # IoU 80 / 120
        detection(1, 7, 0, 0.9),  # IoU 30 / 170 = 0.18: misses the mass
        detection(2, 0, 0, 0.4),
        detection(2, 50, 50, 0.5),
        detection(3, 50, 50, 0.8),  # another image
    ]
    scores = scores_by_kind(OBJECTS, detections, iou=0.2)
    assert list(scores) == ["mass", "symmetric", "superimposition"]
    assert scores["mass"].tolist() == [0.6, 0.4]
    assert scores["symmetric"].tolist() == [0.0]
    assert scores["superimposition"].tolist() == [0.5]
    assert scores_by_kind(OBJECTS, detections, iou=0.17)["mass"].tolist() == [0.9, 0.4]


def test_real_data_has_no_distractors():
    with pytest.raises(ValueError, match="no distractors"):
        scores_by_kind({"annotations": []}, [])
