"""COCO AP on checked ground truth."""

import json
import logging

import numpy as np
import pytest
import torch
from detectron2.data import MetadataCatalog
from detectron2.structures import Boxes, Instances

from agn_d2.evaluation.coco_evaluator import CheckedCOCOEvaluator


@pytest.fixture
def content():
    return {
        "images": [{"id": "a", "file_name": "a.png", "height": 60, "width": 60}],
        "annotations": [
            {
                "id": 0, "image_id": "a", "category_id": 3, "bbox": [10, 10, 20, 20], "area": 400,
                "iscrowd": "0", "segmentation": [[10, 10, 30, 10, 30, 30, 10, 30]],
            }
        ],
        "categories": [{"id": 3, "name": "mass"}],
    }  # fmt: skip


@pytest.fixture
def evaluate(tmp_path):
    """AP of one detection that is the lesion itself."""

    def run(content, tasks=("bbox",)):
        path = tmp_path / "test.json"
        path.write_bytes(b"\xef\xbb\xbf" + json.dumps(content).encode())
        name = f"coco_{tmp_path.name}"
        metadata = MetadataCatalog.get(name)
        metadata.set(json_file=str(path), thing_dataset_id_to_contiguous_id={3: 0})
        metadata.set(thing_classes=["mass"])
        evaluator = CheckedCOCOEvaluator(name, tasks, distributed=False)
        MetadataCatalog.remove(name)
        evaluator.reset()
        mask = np.zeros((60, 60), dtype=bool)
        mask[10:30, 10:30] = True
        instances = Instances(
            (60, 60),
            pred_boxes=Boxes(torch.tensor([[10.0, 10, 30, 30]])),
            scores=torch.tensor([0.9]),
            pred_classes=torch.tensor([0]),
            pred_masks=torch.from_numpy(mask[None]),
        )
        evaluator.process([{"image_id": "a"}], [{"instances": instances}])
        return {task: figures["AP"] for task, figures in evaluator.evaluate().items()}

    return run


def test_an_annotation_whose_id_is_0_can_be_found(content, evaluate):
    # pycocotools by itself gives 0 here; it also cannot read the byte order mark.
    assert evaluate(content) == {"bbox": pytest.approx(100)}


def test_masks_are_measured_where_all_lesions_have_one(content, evaluate, caplog):
    both = {"bbox": pytest.approx(100), "segm": pytest.approx(100)}
    assert evaluate(content, ("bbox", "segm")) == both
    content["annotations"][0]["segmentation"] = None
    with caplog.at_level(logging.WARNING):
        assert evaluate(content, ("bbox", "segm")) == {"bbox": pytest.approx(100)}
    assert "1 of 1 lesions have no mask" in caplog.text


def test_wrong_ground_truth_is_refused(content, evaluate):
    content["annotations"][0]["bbox"] = [0, 0, 0, 0]
    with pytest.raises(ValueError, match=r"test\.json: annotations, entry 0"):
        evaluate(content)
