"""Candidates of cases as tensors, and their new scores."""

import numpy as np
import pytest
import torch
from detectron2.structures import Boxes, Instances

from agn_d2.cross_view import CandidateRelation
from agn_d2.cross_view.candidates import collect_candidates, score_logits
from agn_d2.cross_view.rescoring import rescore, rescore_case
from agn_d2.data.cases import group_cases

from .views import box_at, detections, record


def shifted_relation(amount):
    """Adds the same to every logit of a view that has a partner view."""
    relation = CandidateRelation()
    with torch.no_grad():
        relation.auxiliary.change.bias.fill_(amount)
    return relation


def test_places_and_sizes_in_breast_heights(breast):
    cases, found = breast
    data = collect_candidates(cases, found)
    views = data.candidates
    # No pixel size is stated: a pixel is 1 / 200 of the breast's height.
    assert views.breast_height.tolist() == pytest.approx([1, 1])
    assert views.depth[0].tolist() == pytest.approx([70 / 200, 40 / 200])
    assert views.height[0].tolist() == pytest.approx([30 / 200, 0], abs=1e-6)
    assert views.size[0].tolist() == pytest.approx([10 / 200] * 2)
    assert views.logits[0].tolist() == pytest.approx([np.log(0.7 / 0.3), np.log(0.6 / 0.4)])


def test_stated_pixel_sizes_are_the_unit():
    cases = group_cases(
        [record("cc", "L", "CC", pixel_size=0.5), record("mlo", "L", "MLO", pixel_size=0.25)]
    )
    found = {"cc": detections((box_at(20), 0.5)), "mlo": detections((box_at(40), 0.5))}
    views = collect_candidates(cases, found).candidates
    assert views.depth[:, 0].tolist() == [10, 10]
    assert views.breast_height.tolist() == [100, 50]


def test_only_the_best_candidates_and_views_with_detections(breast):
    cases, found = breast
    data = collect_candidates(cases, found, limit=1)
    assert data.candidates.logits.shape == (2, 1)
    del found["mlo"]
    data = collect_candidates(cases, found)
    assert len(data.records) == 1 and data.auxiliary.tolist() == [-1]


def test_a_view_where_nothing_was_found_is_a_partner_and_no_missing_view(breast):
    cases, found = breast
    found["mlo"] = detections()
    data = collect_candidates(cases, found)
    assert data.auxiliary.tolist() == [1, 0] and not data.candidates.valid[1].any()
    relation = CandidateRelation()
    with torch.no_grad():
        relation.auxiliary.change.weight[0, 0] = 0.5
        relation.auxiliary.null.fill_(-3.0)
        relation.no_auxiliary.fill_(7.0)
    # The evidence p is that of "no counterpart" alone: -3, and the change half of it.
    odds = np.exp(-1.5) * np.array([0.6 / 0.4, 0.7 / 0.3])
    scores = rescore(relation, cases, found)
    assert scores["cc"] == pytest.approx(odds / (1 + odds))
    assert scores["mlo"].tolist() == []
    del found["mlo"]
    assert rescore(relation, cases, found)["cc"].tolist() == [0.6, 0.7]
    # Nothing in either view.
    nothing = rescore(relation, cases, {"cc": detections(), "mlo": detections()})
    assert [scores.tolist() for scores in nothing.values()] == [[], []]


def context_case(found):
    """CC is examined, MLO only serves it; what was found in MLO is known by its file."""
    mlo = record("mlo", "L", "MLO")
    del mlo["image_id"], mlo["annotations"]
    cases = group_cases([record("cc", "L", "CC", boxes=[box_at(40)], context_views=[mlo])])
    return cases, {"cc": found["cc"], "mlo.png": found["mlo"]}


def test_a_context_view_serves_if_it_was_looked_at(breast):
    _, found = breast
    cases, known = context_case(found)
    data = collect_candidates(cases, known)
    assert data.auxiliary.tolist() == [1, 0] and data.context.tolist() == [False, True]
    odds = np.exp(1.0) * np.array([0.6 / 0.4, 0.7 / 0.3])
    assert rescore(shifted_relation(1.0), cases, known)["cc"] == pytest.approx(odds / (1 + odds))
    del known["mlo.png"]
    assert collect_candidates(cases, known).auxiliary.tolist() == [-1]


def test_scores_of_0_and_1_have_finite_logits():
    assert np.isfinite(score_logits(np.array([0.0, 1.0]))).all()


def test_sure_scores_keep_their_order():
    """Of detectors whose scores crowd at 1."""
    logits = score_logits(np.array([0.99999, 0.9999, 0.99998], dtype=np.float32))
    assert logits.argsort().tolist() == [1, 2, 0]


def test_a_view_without_landmarks_is_named(breast):
    cases, found = breast
    cases[0].images[1]["landmarks"] = None
    with pytest.raises(ValueError, match=r"mlo\.png has no landmarks"):
        collect_candidates(cases, found)


def test_new_scores_are_sigmoids_of_the_new_logits(breast):
    cases, found = breast
    scores = rescore(shifted_relation(1.0), cases, found)
    odds = np.exp(1.0) * np.array([0.6 / 0.4, 0.7 / 0.3])
    assert scores["cc"] == pytest.approx(odds / (1 + odds))


def test_without_a_partner_view_scores_stay_to_the_bit():
    cases = group_cases([record("cc", "L", "CC"), record("other", "R", "MLO")])
    found = {"cc": detections((box_at(20), 0.123456789)), "other": detections()}
    scores = rescore(shifted_relation(1.0), cases, found)
    assert scores["cc"].tolist() == [0.123456789] and scores["other"].tolist() == []


def test_instances_come_sorted_with_their_fields(breast):
    (case,), found = breast
    instances = []
    for name in ("cc", "mlo"):
        one = Instances((200, 100))
        one.pred_boxes = Boxes(torch.tensor(found[name].boxes, dtype=torch.float32))
        one.scores = torch.tensor(found[name].scores, dtype=torch.float32)
        one.number = torch.tensor([0, 1])
        instances.append(one)
    rescored = rescore_case(CandidateRelation(), case, instances)
    assert rescored[0].number.tolist() == [1, 0]
    assert rescored[0].scores.tolist() == pytest.approx([0.7, 0.6])
    torch.testing.assert_close(
        rescored[0].pred_boxes.tensor, instances[0].pred_boxes.tensor[[1, 0]]
    )
