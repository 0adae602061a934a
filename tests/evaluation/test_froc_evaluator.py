"""The Detectron2 evaluator on the data set worked out by hand (conftest.py)."""

import json
import logging
import math

import pytest
import torch
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets import register_coco_instances
from detectron2.evaluation import DatasetEvaluators, inference_on_dataset
from detectron2.structures import Boxes, Instances

from agn_d2.engine import AGNTrainer
from agn_d2.engine.setup import load_cfg
from agn_d2.evaluation import FROCEvaluator, froc_evaluator

NAME = "froc_evaluator_test"


@pytest.fixture
def dataset(coco_gt, write):
    register_coco_instances(NAME, {}, str(write("gt.json", coco_gt)), "")
    yield NAME
    DatasetCatalog.remove(NAME)
    MetadataCatalog.remove(NAME)


@pytest.fixture
def batches(coco_gt, coco_dt):
    """(inputs, outputs) of each image."""
    batches = []
    for image in coco_gt["images"]:
        entries = [entry for entry in coco_dt if entry["image_id"] == image["id"]]
        boxes = torch.tensor([entry["bbox"] for entry in entries], dtype=torch.float32)
        boxes = boxes.reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        instances = Instances((image["height"], image["width"]))
        instances.pred_boxes = Boxes(boxes)
        instances.scores = torch.tensor([entry["score"] for entry in entries])
        instances.pred_classes = torch.zeros(len(entries), dtype=torch.long)
        batches.append(([{"image_id": image["id"]}], [{"instances": instances}]))
    return batches


def evaluate(evaluator, batches):
    evaluator.reset()
    for inputs, outputs in batches:
        evaluator.process(inputs, outputs)
    return evaluator.evaluate()


def test_percent_and_file(dataset, batches, tmp_path):
    evaluator = FROCEvaluator(dataset, output_dir=str(tmp_path / "new"), fppi=(0.2, 1, 4))
    results = evaluate(evaluator, batches)
    # The mean: 1/4 of the lesions at 1/8 FPPI, 1/2 at 1/4 to 8.
    mean = 100 * 3.25 / 7
    assert results["froc"] == pytest.approx(
        {"recall@0.2": 25, "recall@1": 50, "recall@4": 50, "mean_recall": mean}
    )
    content = json.loads((tmp_path / "new" / f"froc_{dataset}.json").read_text())
    assert content["dataset"] == dataset
    assert content["recall"] == [0.25, 0.5, 0.5]
    assert content["mean_recall"] == pytest.approx(3.25 / 7)
    assert content["truncated"] == [4]
    assert content["curve"]["recall"] == [0, 0.25, 0.5, 0.5]


def test_batches_of_any_size_and_a_second_round(dataset, batches):
    evaluator = FROCEvaluator(dataset, fppi=(0.2, 1))
    whole = [sum((list(part) for part in parts), []) for parts in zip(*batches, strict=True)]
    first = evaluate(evaluator, [whole])
    assert first == evaluate(evaluator, batches[::-1])
    assert first["froc"]["recall@1"] == 50


def test_options_reach_the_metric(dataset, batches):
    result = evaluate(FROCEvaluator(dataset, iou=0.815, fppi=(1,)), batches)
    # 90/110 = 0.818 is still a hit, 81/100 is none: nothing at 1/8 and 1/4 FPPI.
    assert result["froc"] == pytest.approx({"recall@1": 25, "mean_recall": 25 * 5 / 7})
    # Of three images with a lesion a third is one false positive.
    options = {"fppi": (0.3, 0.34), "lesion_images_only": True}
    result = evaluate(FROCEvaluator(dataset, **options), batches)
    mean = (2 * 25 + 5 * 50) / 7
    expected = {"recall@0.3": 25, "recall@0.34": 50, "mean_recall": mean}
    assert result["froc"] == pytest.approx(expected)


def test_duplicates_option(dataset, batches):
    inputs, outputs = batches[0]
    doubled = Instances.cat([outputs[0]["instances"]] * 2)
    batches[0] = (inputs, [{"instances": doubled}])
    # Now 0.9 is a hit and a duplicate, and 0.8 two false positives beside the hit in image 11:
    # two false positives in four images, or three, where two lesions are found.
    options = {"fppi": (0.5, 0.75)}
    result = evaluate(FROCEvaluator(dataset, duplicates="ignore", **options), batches)
    expected = {"recall@0.5": 50, "recall@0.75": 50, "mean_recall": (2 * 25 + 5 * 50) / 7}
    assert result["froc"] == pytest.approx(expected)
    result = evaluate(FROCEvaluator(dataset, duplicates="fp", **options), batches)
    # The duplicate comes with the first hit: nothing at 1/8 FPPI.
    expected = {"recall@0.5": 25, "recall@0.75": 50, "mean_recall": (2 * 25 + 4 * 50) / 7}
    assert result["froc"] == pytest.approx(expected)


def test_images_never_processed_count(dataset, batches, caplog):
    evaluator = FROCEvaluator(dataset, fppi=(0.25,))
    with caplog.at_level(logging.WARNING):
        assert evaluate(evaluator, batches)["froc"]["recall@0.25"] == 50
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        # Without image 12 FPPI still divides by four.
        result = evaluate(evaluator, [batches[0], batches[1], batches[3]])
    assert result["froc"]["recall@0.25"] == 50
    assert "1 of 4 images were never processed" in caplog.text


def test_image_processed_twice_counts_once(dataset, batches, caplog):
    evaluator = FROCEvaluator(dataset, fppi=(0.25,))
    result = evaluate(evaluator, [*batches, batches[0]])
    assert result["froc"]["recall@0.25"] == 50
    assert "1 images came more than once" in caplog.text


def test_nothing_processed(dataset, caplog):
    assert evaluate(FROCEvaluator(dataset), []) == {}
    assert "no image was processed" in caplog.text


def test_no_detection_at_all(dataset, batches):
    empty = [(i, [{"instances": o[0]["instances"][:0]}]) for i, o in batches]
    assert set(evaluate(FROCEvaluator(dataset), empty)["froc"].values()) == {0}


def test_no_lesion_is_nan(coco_gt, batches, write, tmp_path):
    coco_gt["annotations"] = []
    name = "froc_evaluator_test_without_lesion"
    MetadataCatalog.get(name).json_file = str(write("free.json", coco_gt))
    result = evaluate(FROCEvaluator(name, output_dir=str(tmp_path), fppi=(1,)), batches)
    MetadataCatalog.remove(name)
    assert math.isnan(result["froc"]["recall@1"]) and math.isnan(result["froc"]["mean_recall"])
    content = json.loads((tmp_path / f"froc_{name}.json").read_text())
    assert (content["recall"], content["mean_recall"]) == ([None], None)


def test_ranks_are_gathered(dataset, batches, monkeypatch):
    rank_1 = FROCEvaluator(dataset)
    for inputs, outputs in batches[:2]:
        rank_1.process(inputs, outputs)
    monkeypatch.setattr(
        froc_evaluator.comm, "gather", lambda data, dst: [data, rank_1._predictions]
    )
    evaluator = FROCEvaluator(dataset, fppi=(0.2, 1))
    result = evaluate(evaluator, batches[2:])["froc"]
    assert (result["recall@0.2"], result["recall@1"]) == (25, 50)
    alone = FROCEvaluator(dataset, fppi=(0.2, 1), distributed=False)
    assert set(evaluate(alone, batches[2:])["froc"].values()) == {0}
    monkeypatch.setattr(froc_evaluator.comm, "is_main_process", lambda: False)
    assert evaluate(evaluator, batches[2:]) == {}


def test_in_the_loop_of_detectron2(dataset, batches):
    outputs = {inputs[0]["image_id"]: output for inputs, output in batches}

    class Model(torch.nn.Module):
        def forward(self, inputs):
            return outputs[inputs[0]["image_id"]]

    loader = [inputs for inputs, _ in batches]
    evaluators = DatasetEvaluators([FROCEvaluator(dataset, fppi=(1,))])
    assert inference_on_dataset(Model(), loader, evaluators)["froc"]["recall@1"] == 50


def test_bad_input(dataset, batches):
    evaluator = FROCEvaluator(dataset)
    inputs, outputs = batches[0]
    with pytest.raises(ValueError, match=f"image_id 99 is not in '{dataset}'"):
        evaluator.process([{"image_id": 99}], outputs)
    with pytest.raises(ValueError, match="image 10: FROC needs 'instances'"):
        evaluator.process(inputs, [{"proposals": None}])
    outputs[0]["instances"].scores[0] = math.nan
    with pytest.raises(ValueError, match="image 10: a detection score is not a finite number"):
        evaluator.process(inputs, outputs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"iou": 0}, "iou must be"),
        ({"fppi": ()}, "FPPI values"),
        ({"duplicates": "no"}, "duplicates must be"),
        ({"hit": "no"}, "hit must be"),
    ],
)
def test_bad_options_are_refused_at_once(dataset, options, message):
    with pytest.raises(ValueError, match=message):
        FROCEvaluator(dataset, **options)


def test_data_set_without_json():
    with pytest.raises(ValueError, match="'froc_evaluator_nameless' has no json_file"):
        FROCEvaluator("froc_evaluator_nameless")
    MetadataCatalog.get("froc_evaluator_nameless").json_file = "absent.json"
    with pytest.raises(ValueError, match="absent.json: cannot be read"):
        FROCEvaluator("froc_evaluator_nameless")
    MetadataCatalog.remove("froc_evaluator_nameless")


def test_the_trainers_evaluation_takes_all_options_from_the_config(toy_datasets):
    cfg = load_cfg(
        None,
        ["TEST.FROC.IOU", "0.3", "TEST.FROC.FPPI", "(1.0,)", "TEST.FROC.DUPLICATES", "fp",
         "TEST.FROC.HIT", "center", "TEST.FROC.LESION_IMAGES_ONLY", "True"],
    )  # fmt: skip
    _, froc = AGNTrainer.build_evaluator(cfg, "phantom_test")._evaluators
    assert froc._options == {
        "iou": 0.3, "fppi": (1.0,), "duplicates": "fp", "hit": "center", "lesion_images_only": True,
    }  # fmt: skip
