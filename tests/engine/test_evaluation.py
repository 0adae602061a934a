"""What an evaluation writes: context views, and the results after the candidate relation."""

import json
import logging

import pytest
import torch
from detectron2.data import MetadataCatalog
from detectron2.structures import Boxes, Instances

from agn_d2.cross_view import CandidateRelation
from agn_d2.cross_view.relation_file import write_relation
from agn_d2.cross_view.results import CONTEXT_RESULTS
from agn_d2.data.build import build_context_loader
from agn_d2.engine import train
from agn_d2.engine.dataset_checks import check_datasets
from agn_d2.engine.setup import load_cfg
from agn_d2.engine.trainer import AGNTrainer
from agn_d2.evaluation.runs import RESULTS


class OneMark(torch.nn.Module):
    """Finds the toy data set's mass with score 0.6, and a mark with 0.3, in every image."""

    def forward(self, inputs):
        outputs = []
        for image in inputs:
            found = Instances((image["height"], image["width"]))
            found.pred_boxes = Boxes(torch.tensor([[10.0, 40, 26, 52], [30, 5, 38, 13]]))
            found.scores = torch.tensor([0.6, 0.3])
            found.pred_classes = torch.tensor([0, 0])
            outputs.append({"instances": found})
        return outputs


@pytest.fixture
def evaluate(context_file, tmp_path):
    """Evaluates ``OneMark`` on ``context_test``, whose category has an id of its own."""
    content = json.loads(context_file.read_text())
    content["categories"][0]["id"] = 3
    for annotation in content["annotations"]:
        annotation["category_id"] = 3
    context_file.write_text(json.dumps(content))

    def make_cfg(*options):
        always = ["DATASETS.TEST", "('context_test',)", "DATALOADER.NUM_WORKERS", "0"]
        always += ["OUTPUT_DIR", str(tmp_path / "out"), "INPUT.SIZE", "(96, 64)"]
        return load_cfg(None, [*always, "MODEL.AGN.ENABLED", "False", *options])

    def run(*options):
        return AGNTrainer.test(make_cfg(*options), OneMark())

    run.make_cfg = make_cfg
    run.folder = tmp_path / "out/inference/context_test"
    return run


def test_context_views_are_written_if_asked_for(evaluate):
    file = evaluate.folder / CONTEXT_RESULTS
    results = evaluate("TEST.CONTEXT_DETECTIONS", "True")
    found = json.loads(file.read_text())
    assert [entry["image_id"] for entry in found] == ["P1_RCC.png"] * 2 + ["P1_RMLO.png"] * 2
    assert found[0]["bbox"] == [10, 40, 16, 12] and found[0]["category_id"] == 3
    assert found[0]["score"] == pytest.approx(0.6)
    # The examined views are evaluated as ever: 7 images, a mass in each.
    assert results["froc"]["recall@1"] == 100 and "froc_relation" not in results
    assert len(json.loads((evaluate.folder / RESULTS).read_text())) == 14
    # Detections of an earlier model do not stay beside those of another.
    evaluate()
    assert not file.exists()


def test_context_views_are_examined_with_views_of_their_own(evaluate):
    options = ["DATALOADER.NUM_WORKERS", "0", "INPUT.SIZE", "(96, 64)"]
    loader = build_context_loader(load_cfg(None, options), "context_test")
    ((right_cc, right_mlo),) = loader
    assert right_cc["file_name"].endswith("P1_RCC.png") and "instances" not in right_cc
    assert right_cc["auxiliary_view"] is right_mlo["examined_view"]
    assert right_mlo["auxiliary_view"] is right_cc["examined_view"]
    assert right_cc["contralateral_view"] is not None


def test_without_context_views_there_is_nothing_to_load(toy_datasets):
    cfg = load_cfg(None, ["DATALOADER.NUM_WORKERS", "0"])
    assert build_context_loader(cfg, "phantom_test") is None


def test_results_are_rescored_by_the_relation(evaluate, tmp_path, caplog):
    # Size alone tells which candidates belong together: the two have it and nothing else apart.
    relation = CandidateRelation(sigma_depth=1e6, sigma_size=0.1, sigma_height=1e6)
    with torch.no_grad():
        # The evidence, which is the partner's own logit, turns the order of a view's candidates.
        for partner in (relation.auxiliary, relation.contralateral):
            partner.null.fill_(-20.0)
            partner.change.weight[0, 0] = -2.0
    write_relation(tmp_path / "relation.json", relation)
    options = ["MODEL.CROSS_VIEW.RELATION", str(tmp_path / "relation.json")]
    options += ["TEST.FROC.FPPI", "(0.5, 1.0)"]
    with caplog.at_level(logging.INFO):
        results = evaluate(*options)
    assert "Task: froc_relation" in caplog.text
    assert results["froc"]["recall@0.5"] == 100
    # The marks of six of the seven images come first (0.7), then the mass of P3's only view (0.6),
    # and the other masses (0.4) before its mark.
    assert results["froc_relation"]["recall@0.5"] == 0
    assert results["froc_relation"]["recall@1"] == 100
    report = json.loads((evaluate.folder / "relation/froc_context_test.json").read_text())
    assert report["dataset"] == "context_test" and report["lesions"] == 7
    first = json.loads((evaluate.folder / "relation" / RESULTS).read_text())
    assert sorted(d["score"] for d in first)[-1] == pytest.approx(0.7)
    # An evaluation without it does not leave them beside its own.
    evaluate()
    assert (evaluate.folder / RESULTS).is_file() and not (evaluate.folder / "relation").exists()
    # P1's left views read the right ones too, once those are looked at: logits s - 2 s - 2 s.
    evaluate(*options, "TEST.CONTEXT_DETECTIONS", "True")
    second = json.loads((evaluate.folder / "relation" / RESULTS).read_text())
    assert sorted(d["score"] for d in second)[-1] > 0.9


def test_a_missing_relation_is_told_before_the_evaluation(toy_datasets):
    options = ["DATASETS.TEST", "('phantom_test',)", "MODEL.AGN.ENABLED", "False"]
    options += ["DATASETS.TRAIN", "()", "MODEL.ROI_HEADS.NUM_CLASSES", "1"]
    cfg = load_cfg(None, [*options, "MODEL.CROSS_VIEW.RELATION", "nowhere.json"])
    with pytest.raises(FileNotFoundError, match="No such relation: nowhere.json"):
        check_datasets(cfg, training=False)
    assert MetadataCatalog.get("phantom_test").json_file


def test_expected_results_end_an_evaluation_that_has_others(evaluate, monkeypatch):
    monkeypatch.setattr(train, "load_trained", lambda cfg, model: OneMark())
    monkeypatch.setattr(AGNTrainer, "build_model", lambda cfg: None)

    def expecting(recall):
        options = ("MODEL.ROI_HEADS.NUM_CLASSES", "1", "TEST.EXPECTED_RESULTS")
        return evaluate.make_cfg(*options, f"[['froc', 'recall@1', {recall}, 0.5]]")

    assert train.evaluate(expecting(100.0))["froc"]["recall@1"] == 100
    with pytest.raises(SystemExit):
        train.evaluate(expecting(90.0))
