"""Relations on disk, in the zoo, and in a predictor."""

import json
from dataclasses import replace

import pytest
import torch

import agn_d2
from agn_d2.cross_view import CandidateRelation
from agn_d2.cross_view.relation_file import read_relation, write_relation
from agn_d2.phantom import PhantomParams, generate_case


def test_what_was_written_is_read(tmp_path):
    relation = CandidateRelation()
    with torch.no_grad():
        for parameter in relation.parameters():
            parameter.normal_()
    path = tmp_path / "relation.json"
    write_relation(path, relation, {"views": 3})
    again = read_relation(path)
    for name, value in relation.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name
    assert json.loads(path.read_text())["fitted_on"] == {"views": 3}


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.pop("kind"),
        lambda content: content.update(kind="other"),
        lambda content: content["parameters"].pop("no_auxiliary"),
        lambda content: content["parameters"].update(no_auxiliary=[1.0, 2.0]),
        lambda content: content["parameters"].update(no_auxiliary=float("nan")),
        lambda content: content["parameters"].update(no_auxiliary="much"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path, change):
    path = tmp_path / "relation.json"
    write_relation(path, CandidateRelation())
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"relation\.json"):
        read_relation(path)


def test_a_missing_or_damaged_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="tools/cross_view.py fit makes one"):
        read_relation(tmp_path / "none.json")
    (tmp_path / "half.json").write_text('{"kind"')
    with pytest.raises(ValueError, match=r"half\.json is not a relation"):
        read_relation(tmp_path / "half.json")


def test_the_shipped_relation_is_fitted():
    relation = read_relation("zoo://cross_view_EffLite2_FPN_cbis_ddsm/relation.json")
    # A larger share of the evidence where the counterpart would be: more likely a mass.
    evidence, share = relation.auxiliary.change.weight[0].tolist()
    assert share > 0.5 > abs(evidence)


def test_the_shipped_model_hears_the_other_view():
    model = agn_d2.Predictor.from_pretrained("cross_view_EffLite2_FPN_cbis_ddsm")
    # The detector as this model reads with it: eight times.
    cfg = agn_d2.model_zoo.get_config("faster_rcnn_EffLite2_FPN_cbis_ddsm")
    cfg.TEST.AUG.ENABLED = True
    cfg.TEST.AUG.SCALES = (0.82, 1.0)
    alone = agn_d2.Predictor(cfg)
    views = generate_case(
        7, 2, replace(PhantomParams(), size=320, mass_count_shares=(0.0, 1.0))
    ).views
    films = {f"L-{v.view}": v.image for v in views if v.laterality == "L"}
    assert list(films) == ["L-CC", "L-MLO"]
    both, single = model(films), alone(films)
    one = model(films, examined=["L-CC"])
    assert list(one) == ["L-CC"]
    assert torch.equal(one["L-CC"].scores, both["L-CC"].scores)
    for key in films:
        # The same boxes, other scores.
        assert len(both[key]) == len(single[key]) > 0
        assert set(both[key].pred_boxes.tensor.flatten().tolist()) == set(
            single[key].pred_boxes.tensor.flatten().tolist()
        )
        assert not torch.equal(both[key].scores, single[key].scores)
    by_itself = {"L-CC": films["L-CC"]}
    assert torch.equal(model(by_itself)["L-CC"].scores, alone(by_itself)["L-CC"].scores)
