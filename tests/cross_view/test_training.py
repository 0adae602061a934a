"""Targets by hand, and that a fit finds what tells masses from false marks."""

import itertools

import numpy as np
import pytest
import torch

from agn_d2.cross_view import CandidateRelation, training
from agn_d2.cross_view.candidates import ViewDetections, collect_candidates
from agn_d2.cross_view.rescoring import rescore
from agn_d2.cross_view.training import fit_relation, make_targets, smooth_log_fppi
from agn_d2.data.cases import group_cases
from agn_d2.data.partners import shuffle_partners
from agn_d2.utils.view_names import VIEWS

from .views import box_at, detections, record


def test_targets_by_hand(breast):
    cases, found = breast
    data = collect_candidates(cases, found)
    assert [r["image_id"] for r in data.records] == ["cc", "mlo"]
    assert data.auxiliary.tolist() == [1, 0] and data.contralateral.tolist() == [-1, -1]
    # By falling score: the false mark of CC (0.7) comes first.
    assert [chosen.tolist() for chosen in data.chosen] == [[1, 0], [0, 1]]
    targets = make_targets(data, found)
    assert targets.lesion.tolist() == [[-1, 0], [-1, -1]]
    # The mass of CC lies on candidate 1; no candidate of MLO reaches its mass (20 px too high).
    assert targets.counterpart[0].tolist() == [[False] * 3, [False, False, True]]
    assert not targets.counterpart[1].any()
    found["mlo"] = detections((box_at(41), 0.5), (box_at(10, -40), 0.4))
    targets = make_targets(collect_candidates(cases, found), found)
    assert targets.counterpart[0, 1].tolist() == [True, False, False]
    assert targets.counterpart[1, 0].tolist() == [False, True, False]
    # Lesions are numbered over all views; that of both views has one number in the breast.
    assert targets.lesion.tolist() == [[-1, 0], [1, -1]]
    assert targets.breast_lesion.tolist() == [[-1, 0], [0, -1]]


def test_a_lesion_of_two_boxes_in_a_film_has_one_counterpart(breast):
    cases, found = breast
    cc, mlo = cases[0].images
    for image, boxes in ((cc, [box_at(40), box_at(60)]), (mlo, [box_at(41), box_at(20)])):
        image["annotations"] = [
            image["annotations"][0] | {"bbox": box, "lesion_id": "a"} for box in boxes
        ]
    # In each view the second box of the lesion alone is found.
    found["cc"] = detections((box_at(60), 0.6))
    found["mlo"] = detections((box_at(20), 0.5))
    targets = make_targets(collect_candidates(cases, found), found)
    assert targets.counterpart[:, 0].tolist() == [[True, False], [True, False]]
    assert targets.breast_lesion.tolist() == [[0], [0]]
    # Films are scored by the box, as the evaluation does.
    assert targets.lesion.tolist() == [[1], [3]]


def test_lesions_of_other_patients_are_none_of_the_breast():
    cases, found = many_cases(3)
    data = collect_candidates(cases, found)
    targets = make_targets(data, found)
    assert sorted(set(targets.breast_lesion.flatten().tolist())) == [-1, 0, 2, 4]
    shuffled = shuffle_partners(cases)
    data = collect_candidates(shuffled, found)
    control = make_targets(data, found)
    # Two own views of each case, whose mass is one, and two borrowed ones, whose masses are not.
    assert data.context.tolist() == [False, False, True, True] * 3
    assert control.lesion.amax(dim=1).tolist() == list(range(12))
    in_breast = [0, 0, 2, 3, 4, 4, 6, 7, 8, 8, 10, 11]
    assert control.breast_lesion.amax(dim=1).tolist() == in_breast
    # Where the own MLO was not looked at, the borrowed one does not take its place in the breast.
    looked_at = {key: one for key, one in found.items() if key != cases[0].images[1]["image_id"]}
    data = collect_candidates(shuffled[:1], looked_at)
    assert data.context.tolist() == [False, True, True]
    control = make_targets(data, looked_at)
    assert control.breast_lesion.amax(dim=1).tolist() == [0, 1, 2]
    del cases[0].images[1]["annotations"]
    targets = make_targets(collect_candidates(cases, found), found)
    assert sorted(set(targets.breast_lesion.flatten().tolist())) == [-1, 0, 1, 3]


@pytest.mark.parametrize("order", list(itertools.permutations(("cc", "again", "mlo"))))
def test_a_lesion_is_one_in_all_views_of_the_breast_whatever_their_order(breast, order):
    # CC was taken twice: MLO pairs with the first of them, and both of them with MLO.
    cases, found = breast
    mass = box_at(39)
    views = {r["image_id"]: r for r in (*cases[0].images, record("again", "L", "CC", boxes=[mass]))}
    found |= {"again": detections((mass, 0.3)), "mlo": detections((box_at(41), 0.5))}
    cases = group_cases([views[name] for name in order])
    targets = make_targets(collect_candidates(cases, found), found)
    assert set(targets.breast_lesion.flatten().tolist()) == {-1, 0}


def test_the_control_differs_by_the_views_that_it_reads_alone():
    # An unfitted relation reads nothing: the control starts from the same loss.
    cases, found = many_cases()
    assert loss_of(shuffle_partners(cases), found) == pytest.approx(loss_of(cases, found), rel=1e-5)


def test_an_ignored_region_is_no_lesion_and_excuses_what_lies_on_it(breast):
    cases, found = breast
    cc = cases[0].images[0]
    mass = cc["annotations"][0]
    region = mass | {"bbox": box_at(70, side=40), "iscrowd": 1}
    cc["annotations"] = [region, mass]
    # The false mark, one wholly in the region, and the mass.
    found["cc"] = detections((box_at(70), 0.9), (box_at(10, 60), 0.7), (mass["bbox"], 0.5))
    found["mlo"] = detections((box_at(41), 0.5))
    targets = make_targets(collect_candidates(cases, found), found)
    assert targets.false[0].tolist() == [False, True, False]
    assert targets.lesion.tolist() == [[-1, -1, 0], [1, -1, -1]]
    assert targets.counterpart[0, 2].tolist() == [True, False, False, False]


def test_a_fit_does_not_mind_what_lies_on_an_ignored_region(breast):
    cases, found = breast
    cc = cases[0].images[0]
    cc["annotations"].append(cc["annotations"][0] | {"bbox": box_at(70, side=40), "iscrowd": 1})
    mass = (cc["annotations"][0]["bbox"], 0.5)

    def loss(score, place=70):
        found["cc"] = detections((box_at(place), score), mass)
        data = collect_candidates(cases, found)
        part = [(data, make_targets(data, found))]
        return fit_relation(CandidateRelation(), part, link_weight=0, steps=0)

    assert loss(0.9) == loss(0.1)
    assert loss(0.9, place=0) > loss(0.1, place=0)


def test_a_box_that_just_reaches_a_mass_lies_on_it(breast):
    # A fifth of the mass at any place, though most of these decimals have no exact binary form.
    cases, found = breast
    (mass,) = cases[0].images[0]["annotations"]
    for x in np.arange(1, 60) / 10:
        mass["bbox"] = [x, 0.1, x + 1, 1.1]
        found["cc"] = detections(([x, 0.1, x + 0.2, 1.1], 0.5))
        targets = make_targets(collect_candidates(cases, found), found)
        assert targets.lesion[0, 0] == 0, x


def test_a_context_view_has_no_known_counterpart(breast):
    cases, found = breast
    del cases[0].images[1]["annotations"]
    targets = make_targets(collect_candidates(cases, found), found)
    assert not targets.counterpart.any()


def many_cases(count=60, seed=0):
    """Masses show in both views at one depth, false marks in one view only."""
    rng = np.random.default_rng(seed)
    images, found = [], {}
    for n in range(count):
        depth = rng.uniform(15, 75)
        for view in ("CC", "MLO"):
            key = f"{n}{view}"
            mass = box_at(depth + rng.normal(0, 1), rng.uniform(-40, 40))
            images.append(record(key, "L", view, patient=f"P{n}", boxes=[mass]))
            false = box_at((depth + rng.uniform(20, 60)) % 80, rng.uniform(-40, 40))
            scores = rng.uniform(0.2, 0.8, 2)
            found[key] = detections((mass, scores[0]), (false, scores[1]))
    return group_cases(images), found


def ordered_rightly(cases, found, relation):
    """Share of the views whose mass scores above the false mark."""
    scores = rescore(relation, cases, found)
    return np.mean([s[0] > s[1] for s in scores.values()])


def fitted(cases, found):
    data = collect_candidates(cases, found)
    # Masses lie within some pixels of 200 of one depth.
    relation = CandidateRelation(sigma_depth=0.02)
    fit_relation(relation, [(data, make_targets(data, found))])
    return relation


def test_a_fit_tells_masses_from_false_marks_and_the_control_does_not():
    cases, found = many_cases()
    tested, tested_found = many_cases(seed=1)
    relation = fitted(cases, found)
    assert 0.4 < ordered_rightly(tested, tested_found, CandidateRelation()) < 0.6
    assert ordered_rightly(tested, tested_found, relation) > 0.8
    assert ordered_rightly(shuffle_partners(tested), tested_found, relation) < 0.75
    control = fitted(shuffle_partners(cases), found)
    assert ordered_rightly(shuffle_partners(tested), tested_found, control) < 0.65


def test_widths_stay_unless_they_are_to_be_fitted():
    cases, found = many_cases(20)
    data = collect_candidates(cases, found)
    part = [(data, make_targets(data, found))]
    relation, start = CandidateRelation(), CandidateRelation()
    fit_relation(relation, part)
    assert torch.equal(relation.auxiliary.log_sigma_depth, start.auxiliary.log_sigma_depth)
    fit_relation(relation, part, fit_widths=True)
    assert not torch.equal(relation.auxiliary.log_sigma_depth, start.auxiliary.log_sigma_depth)


def loss_of(cases, found):
    """The loss before any step."""
    data = collect_candidates(cases, found)
    relation = CandidateRelation()
    part = [(data, make_targets(data, found))]
    return fit_relation(relation, part, steps=0, link_weight=0, weight_decay=0.0)


def test_the_lesions_of_context_views_are_unknown_and_those_of_normals_known_to_be_none():
    examined = record("cc", "L", "CC", boxes=[box_at(40)])
    found = {"cc": detections((box_at(40), 0.6))}
    alone = loss_of(group_cases([examined]), found)
    context = record("mlo", "L", "MLO")
    del context["image_id"], context["annotations"]
    looked_at = found | {"mlo.png": detections((box_at(40), 0.9))}
    cases = group_cases([examined | {"context_views": [context]}])
    assert loss_of(cases, looked_at) == pytest.approx(alone)
    # A normal: its candidate is a false mark, half a one in each view.
    normal = group_cases([examined, record("mlo", "L", "MLO")])
    known = found | {"mlo": detections((box_at(40), 0.9))}
    assert alone == pytest.approx(slow_loss([0.6], [], 1))
    assert loss_of(normal, known) == pytest.approx(slow_loss([0.6], [0.9], 2))


def slow_loss(masses, false, views):
    """The equations of the module's docstring, of scores, one pair at a time."""
    total = 0.0
    for mass in masses:
        fppi = 0.0
        for mark in false:
            apart = np.log(mark / (1 - mark)) - np.log(mass / (1 - mass))
            fppi += 1 / (1 + np.exp(-apart / 0.25)) / views
        fppi += 1 / 16
        total += np.log(fppi) - np.log(1 + fppi / 8)
    return total / len(masses)


def test_the_loss_by_its_equations(monkeypatch):
    rng = np.random.default_rng(4)
    images = [record(f"{n}", "L", "CC", patient=f"P{n}", boxes=[box_at(40)]) for n in range(3)]
    # Two candidates on each mass, of which the better one counts; false marks; one below 5 %.
    masses, false = rng.uniform(0.3, 0.9, 3), rng.uniform(0.1, 0.9, (3, 4))
    found = {}
    for n in range(3):
        marks = [(box_at(5 + 3 * k, 40), score) for k, score in enumerate(false[n])]
        second = (box_at(41), masses[n] - 0.2)
        found[f"{n}"] = detections((box_at(40), masses[n]), second, *marks, (box_at(70), 0.04))
    expected = slow_loss(masses, false.ravel(), 3)
    assert loss_of(group_cases(images), found) == pytest.approx(expected, rel=1e-5)
    monkeypatch.setattr(training, "PAIRS", 13)
    assert loss_of(group_cases(images), found) == pytest.approx(expected, rel=1e-5)


def test_half_of_the_loss_is_of_the_lesions_of_breasts():
    # Two breasts; the mass of the second shows in CC alone, where MLO has a false mark.
    images = [record(f"{n}{v}", "L", v, patient=n, boxes=[box_at(40)]) for n in "ab" for v in VIEWS]
    images[3]["annotations"] = []
    scores = {"aCC": 0.8, "aMLO": 0.3, "bCC": 0.5, "bMLO": 0.6}
    found = {key: detections((box_at(40), score)) for key, score in scores.items()}
    films = slow_loss([0.8, 0.3, 0.5], [0.6], 4)
    breasts = slow_loss([0.8, 0.5], [0.6], 4)
    expected = (films + breasts) / 2
    assert loss_of(group_cases(images), found) == pytest.approx(expected, rel=1e-5)


def level_of(relation, cases, found, **options):
    """What the level adds to the loss of a relation."""
    data = collect_candidates(cases, found)
    part = [(data, make_targets(data, found))]
    both = [fit_relation(relation, part, steps=0, level_weight=w, **options) for w in (0.0, 2.0)]
    return both[1] - both[0]


def test_the_level_by_its_equation():
    # A breast with a context view, whose own candidate does not count; one view; both breasts' CC.
    names = ("aCC", "bCC", "cCC", "dCC")
    pair, single, left, right = (
        record(n, "R" if n == "dCC" else "L", "CC", patient=p, boxes=[box_at(40)])
        for n, p in zip(names, "abcc", strict=True)
    )
    context = record("aMLO", "L", "MLO", patient="a")
    del context["image_id"], context["annotations"]
    cases = group_cases([pair | {"context_views": [context]}, single, left, right])
    # Three of the first count, one lies below the floor of -3; one of the others, which are padded.
    own = [(box_at(40), 0.6), (box_at(10), 0.3), (box_at(20), 0.2), (box_at(60), 0.04)]
    found = {"aCC": detections(*own)}
    found |= {name: detections((box_at(40), 0.7)) for name in names[1:]}
    found["aMLO.png"] = detections((box_at(40), 0.9), (box_at(10), 0.9))
    relation = CandidateRelation()
    with torch.no_grad():
        relation.auxiliary.change.bias.fill_(2.0)
        relation.no_contralateral.fill_(-0.5)
        relation.contralateral.change.bias.fill_(-1.0)
        relation.no_auxiliary.fill_(0.25)
    # 1.5 with an auxiliary view, 0 with none, -0.75 with a contralateral one.
    squares = (3 * 1.5**2 + 1 * 0 + 2 * 0.75**2) / 6
    assert level_of(relation, cases, found) == pytest.approx(2 * squares, rel=1e-4)
    # From a lower floor on the fourth counts too.
    squares = (4 * 1.5**2 + 1 * 0 + 2 * 0.75**2) / 7
    assert level_of(relation, cases, found, floor=-5.0) == pytest.approx(2 * squares, rel=1e-4)
    # Nothing from the floor on: no level, and no loss of nan.
    assert level_of(relation, cases, found, floor=5.0) == 0


def mean_change(cases, found, **options):
    """By how much a relation that was fitted on cases changes their logits."""
    data = collect_candidates(cases, found)
    relation = CandidateRelation(sigma_depth=0.02)
    fit_relation(relation, [(data, make_targets(data, found))], **options)
    scores = rescore(relation, cases, found)
    after = np.concatenate([scores[key] for key in found])
    before = np.concatenate([one.scores for one in found.values()])
    return np.mean(np.log(after / (1 - after)) - np.log(before / (1 - before)))


def test_a_fit_stays_at_the_level_of_the_detector_where_all_views_have_partners():
    cases, found = many_cases()
    assert abs(mean_change(cases, found, level_weight=0.0)) > 0.2
    assert abs(mean_change(cases, found)) < 0.05


def test_a_fit_holds_nothing_that_grows_with_the_square_of_the_candidates():
    rng = np.random.default_rng(0)
    cases, found = many_cases(4)
    for key, one in found.items():
        more = [(box_at(*rng.uniform(-40, 40, 2)), s) for s in rng.uniform(0.1, 0.9, 30)]
        both = [(one.boxes, one.scores), *((np.array([b]), np.array([s])) for b, s in more)]
        found[key] = ViewDetections(*map(np.concatenate, zip(*both, strict=True)))
    data = collect_candidates(cases, found)
    held = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda x: held.append(x.numel()) or x, lambda x: x
    ):
        fit_relation(CandidateRelation(), [(data, make_targets(data, found))], steps=1)
    views, width = data.candidates.valid.shape
    assert (views, width) == (8, 32)
    assert 0 < max(held) <= views * width * 2


def test_the_loss_flattens_beyond_the_range_of_the_figure():
    false = torch.zeros(1000)
    # 1,000 false marks above a mass, over fewer and fewer views: 1/10 to 1,000 a view.
    views = (10000, 1000, 100, 10, 1)
    losses = [float(smooth_log_fppi(torch.tensor([-5.0]), false, n)) for n in views]
    steps = np.diff(losses)
    assert steps[0] > steps[3] > 0 and steps[1] > steps[3]
    best = float(smooth_log_fppi(torch.tensor([5.0]), false, 1000))
    assert best == pytest.approx(np.log(1 / 16), rel=0.01)
    worst = float(smooth_log_fppi(torch.tensor([-5.0]), false, 1))
    assert worst == pytest.approx(np.log(8), rel=0.01)


def test_a_fit_on_normals_and_empty_views_too():
    cases, found = many_cases(20)
    normals = [record(f"N{n}", "L", "CC", patient=f"N{n}") for n in range(10)]
    normals += [record(f"M{n}", "L", "MLO", patient=f"N{n}") for n in range(10)]
    # Something in every CC view, nothing in MLO.
    found |= {r["image_id"]: detections() for r in normals[10:]}
    found |= {r["image_id"]: detections((box_at(50), 0.5)) for r in normals[:10]}
    cases += group_cases(normals)
    relation = fitted(cases, found)
    scores = rescore(relation, cases, found)
    assert all(scores[f"N{n}"] < 0.5 for n in range(10))
    assert (
        ordered_rightly(cases[:20], {k: v for k, v in found.items() if k[0] not in "NM"}, relation)
        > 0.8
    )


def test_nothing_to_learn_from_is_said(breast):
    cases, found = breast
    found["cc"] = detections((box_at(5), 0.5))
    data = collect_candidates(cases, found)
    with pytest.raises(training.NothingToLearnError, match="no candidate lies on a lesion"):
        fit_relation(CandidateRelation(), [(data, make_targets(data, found))])
