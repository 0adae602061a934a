"""Which explanations are those of a model's detections."""

import pytest

from agn_d2.cross_view.explanation import Explanation
from agn_d2.evaluation.records import Detections
from agn_d2.visualization.score_changes import explained_models, find_explained

IDS = ("a", "b", "c")
BOXES = [[0, 0, 10, 10], [50, 0, 60, 20], [5, 5, 15, 25]]
BEFORE, AFTER = [0.9, 0.4, 0.6], [0.8, 0.7, 0.1]


def explanation(box, before, after):
    x0, y0, x1, y1 = box
    return Explanation((x0, y0, x1 - x0, y1 - y0), before, after, None, None, 0.0)


ALL = [explanation(*values) for values in zip(BOXES, BEFORE, AFTER, strict=True)]
# Detections of image c, a, c; c is explained, b has none.
EXPLAINED = {"c": (ALL[0], ALL[2]), "b": ()}


def detections(scores, boxes=BOXES):
    return Detections(boxes, scores, [2, 0, 2])


@pytest.mark.parametrize(("scores", "side"), [(BEFORE, "before"), (AFTER, "after")])
def test_explanations_are_found_by_boxes_and_scores(scores, side):
    found = find_explained(detections(scores), IDS, EXPLAINED)
    assert (found.numbers.tolist(), found.side) == ([0, -1, 1], side)


@pytest.mark.parametrize(
    ("model", "explained"),
    [
        (detections([0.9, 0.4, 0.1]), EXPLAINED),  # one score before, one after
        (detections(BEFORE, [BOXES[0], BOXES[1], [5, 5, 15, 26]]), EXPLAINED),
        (detections(BEFORE), {"c": (ALL[0],)}),
        (detections(BEFORE), {"other data set": (ALL[0],)}),
        (Detections([], [], []), EXPLAINED),
    ],
)
def test_those_of_other_detections_are_not_taken(model, explained):
    assert find_explained(model, IDS, explained) is None


def test_at_least_one_model_must_be_explained():
    models = {"A": detections(AFTER), "B": detections([0.1, 0.1, 0.1])}
    assert list(explained_models(models, IDS, EXPLAINED)) == ["A"]
    assert explained_models(models, IDS, None) == {}
    with pytest.raises(ValueError, match="other detections than those of B"):
        explained_models({"B": models["B"]}, IDS, EXPLAINED)
