"""Scores of masses and distractors, by hand."""

import json
from pathlib import Path

import pytest

from agn_d2.evaluation.distractors import scores_by_kind

from ..programs import load_program

TOOL = Path(__file__).resolve().parents[2] / "tools/evaluate_distractors.py"

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


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        ({}, (), None),
        (
            {"image_id": "1"},
            (),
            "results.json: entry 0 (from 0): image_id '1' is not in the ground",
        ),
        ({"score": None}, (), "results.json: entry 0 (from 0): score must be a finite number"),
        ({}, ("--iou", "0"), "iou must be above 0 and at most 1, got 0.0"),
    ],
)
def test_the_tool_refuses_what_the_other_evaluations_refuse(
    tmp_path, capsys, change, arguments, message
):
    truth = {"images": [{"id": 1}, {"id": 2}], **OBJECTS}
    (tmp_path / "gt.json").write_text(json.dumps(truth))
    (tmp_path / "results.json").write_text(json.dumps([detection(1, 0, 0, 0.3) | change]))
    files = ["--gt", str(tmp_path / "gt.json"), "--predictions", str(tmp_path / "results.json")]
    status = load_program(TOOL).main([*files, *arguments])
    told = capsys.readouterr()
    if message is None:
        assert status == 0
        assert ["mass", "2", "50.0", "%"] in [line.split() for line in told.out.splitlines()]
    else:
        assert status == 2
        assert message in told.err
