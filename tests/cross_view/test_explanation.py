"""What detections read from the other views, by hand; the file of it; and the tool's option."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from agn_d2.cross_view import CandidateRelation
from agn_d2.cross_view.explanation import explain
from agn_d2.cross_view.explanation_file import read_explanations, write_explanations
from agn_d2.cross_view.relation_file import write_relation
from agn_d2.cross_view.rescoring import rescore
from agn_d2.data.cases import group_cases
from agn_d2.data.partners import shuffle_partners

from .views import box_at, detections, record

ROOT = Path(__file__).parents[2]


def plain_relation(sigma_depth=1e6):
    """delta = p in auxiliary views, -p in contralateral ones; "no counterpart" weighs 1."""
    relation = CandidateRelation(sigma_depth, sigma_size=1e6, sigma_height=1e6)
    with torch.no_grad():
        for attention, weight in ((relation.auxiliary, 1.0), (relation.contralateral, -1.0)):
            attention.null.fill_(0)
            attention.change.weight[0, 0] = weight
        relation.no_contralateral.fill_(0.25)
    return relation.eval()


def test_attention_by_hand(breast):
    """Where place and size do not count, a candidate weighs its odds: 1, 2/3, and none 1."""
    cases, found = breast
    mass, false = explain(plain_relation(), cases, found)["cc"]
    assert mass.bbox == (45, 95, 10, 10) and false.bbox == (15, 65, 10, 10)
    assert (mass.before, false.before) == (0.6, 0.7)
    read = mass.auxiliary
    assert read.image_id == "mlo"
    assert read.change == pytest.approx(np.log(8 / 3))
    assert [c.bbox for c in read.candidates] == [(44, 75, 10, 10), (75, 135, 10, 10)]
    assert [c.score for c in read.candidates] == [0.5, 0.4]
    assert [c.weight for c in read.candidates] == pytest.approx([3 / 8, 2 / 8])
    assert (read.others, read.no_counterpart) == pytest.approx((0, 3 / 8))
    assert read.share == pytest.approx(1)
    assert mass.contralateral is None and mass.missing == 0.25
    odds = 0.6 / 0.4 * 8 / 3 * np.exp(0.25)
    assert mass.after == pytest.approx(odds / (1 + odds))


def test_depth_tells_counterparts_and_only_the_first_are_named(breast):
    cases, found = breast
    # 20 of 200 pixels are one width away: e = -1/2. Odds 1, 1/4 and 1/9.
    found["mlo"] = detections((box_at(20), 0.1), (box_at(60), 0.5), (box_at(40), 0.2))
    mass, _ = explain(plain_relation(0.1), cases, found, most=1)["cc"]
    terms = np.array([np.exp(-0.5), 1 / 4, np.exp(-0.5) / 9, 1])
    weights = terms / terms.sum()
    (first,) = mass.auxiliary.candidates
    assert (first.score, first.weight) == (0.5, pytest.approx(weights[0]))
    assert mass.auxiliary.others == pytest.approx(weights[1] + weights[2])
    assert mass.auxiliary.no_counterpart == pytest.approx(weights[3])
    assert mass.auxiliary.share == pytest.approx(terms.sum() / (1 + 1 / 4 + 1 / 9 + 1))


def four_views():
    images = [record(f"{s}{v}", s, v) for s in "LR" for v in ("CC", "MLO")]
    rng = np.random.default_rng(0)
    found = {
        image["image_id"]: detections(
            *((box_at(*rng.uniform(10, 60, 2)), rng.uniform(0.1, 0.9)) for _ in range(4))
        )
        for image in images
    }
    return group_cases([*images, record("alone", "L", "CC", patient="Q")]), {
        **found,
        "alone": detections((box_at(20), 0.123456789)),
    }


def test_the_changes_add_up_to_the_new_scores():
    cases, found = four_views()
    relation = plain_relation(0.1)
    explained, scores = explain(relation, cases, found), rescore(relation, cases, found)
    assert explained.keys() == found.keys()
    for key in ("LCC", "RMLO"):
        for one, new in zip(explained[key], scores[key], strict=True):
            assert one.after == new
            assert one.auxiliary.change > 0 > one.contralateral.change and one.missing == 0
            logit = np.log(one.before / (1 - one.before))
            logit += one.auxiliary.change + one.contralateral.change
            assert np.log(new / (1 - new)) == pytest.approx(logit, abs=1e-5)
    assert explained["LCC"][0].contralateral.image_id == "RCC"


def test_without_a_partner_or_beyond_the_limit_nothing_is_read(breast):
    cases, found = four_views()
    (alone,) = explain(plain_relation(), cases, found)["alone"]
    assert (alone.auxiliary, alone.contralateral, alone.missing) == (None, None, 0)
    assert alone.before == alone.after == 0.123456789
    cases, found = breast
    # By falling score the false mark is the one candidate.
    mass, false = explain(plain_relation(), cases, found, limit=1)["cc"]
    assert mass.auxiliary is None and mass.missing == 0 and mass.before == mass.after
    assert false.auxiliary.candidates[0].score == 0.5


def test_views_of_another_patient_are_named():
    images = [record(f"{p}{v}", "L", v, patient=p) for p in "PQ" for v in ("CC", "MLO")]
    found = {image["image_id"]: detections((box_at(20), 0.5)) for image in images}
    explained = explain(plain_relation(), shuffle_partners(group_cases(images)), found)
    assert explained.keys() == found.keys()
    assert explained["PCC"][0].auxiliary.image_id == "QMLO"


def test_what_was_written_is_read(tmp_path):
    cases, found = four_views()
    explained = explain(plain_relation(0.1), cases, found)
    write_explanations(tmp_path / "e.json", explained)
    assert read_explanations(tmp_path / "e.json") == explained


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(kind="other"), "is no explanation; tools/cross_view.py apply"),
        (lambda c: c.update(images=None), "images must be a list"),
        (lambda c: c["images"][0].pop("image_id"), "image 0 .*'image_id' is missing"),
        (lambda c: c["images"].append(c["images"][0]), "image 2 .*occurs once, got 'cc'"),
        (lambda c: c["images"][1]["detections"][0].update(after=None), "image 1 .*after must be"),
        (lambda c: c["images"][1]["detections"][0]["auxiliary"].pop("change"), "'change' is mis"),
        (lambda c: c["images"][0]["detections"][0].update(bbox=[1]), "bbox must be 4 finite"),
    ],
)
def test_other_files_are_refused_by_name(breast, tmp_path, change, message):
    path = tmp_path / "explained.json"
    write_explanations(path, explain(plain_relation(), *breast))
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=rf"explained\.json.*{message}"):
        read_explanations(path)


def test_the_tool_explains_what_it_writes(toy_datasets, tmp_path, capsys):
    spec = importlib.util.spec_from_file_location("cross_view", ROOT / "tools" / "cross_view.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    # One detection in each image; images 5 and 6 are the two views of P2's left breast.
    results = [
        {"image_id": n, "category_id": 1, "bbox": [10, 40, 16, 12], "score": n / 10}
        for n in range(1, 10)
    ]
    (tmp_path / "results.json").write_text(json.dumps(results))
    write_relation(tmp_path / "relation.json", plain_relation())
    arguments = ["apply", f"--relation={tmp_path / 'relation.json'}"]
    arguments += [f"--output={tmp_path / 'new.json'}", f"--explain={tmp_path / 'why.json'}"]
    given = f"={tmp_path / 'results.json'}"
    tool.main([*arguments, "--results", f"phantom_test{given}"])
    explained = read_explanations(tmp_path / "why.json")
    rescored = json.loads((tmp_path / "new.json").read_text())
    assert [one.after for (one,) in explained.values()] == [entry["score"] for entry in rescored]
    (one,) = explained[5]
    assert one.auxiliary.image_id == 6
    # Odds of 0.6 against 1 for none.
    assert one.auxiliary.candidates[0].weight == pytest.approx(1.5 / 2.5)
    zoo = "--relation=zoo://cross_view_EffLite2_FPN_cbis_ddsm/relation.json"
    assert tool.main([*arguments, zoo, "--results", f"phantom_test{given}"]) == 0
    assert json.loads((tmp_path / "new.json").read_text()) != rescored
    both = [f"phantom_{split}{given}" for split in ("test", "val")]
    assert tool.main([*arguments, "--results", *both]) == 2
    assert "phantom_test and phantom_val share the image id 1" in capsys.readouterr().err
