"""The export for YOLO, the way back, and the tool with a stand-in for the package."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import cv2
import numpy as np
import pytest
import yaml
from detectron2.data import DatasetCatalog
from detectron2.structures import BoxMode

from agn_d2.evaluation.coco_results import read_detections, read_ground_truth
from yolo.export import coco_results, export_split, label_line, write_data_yaml

TOOL = Path(__file__).resolve().parents[1] / "train_yolo.py"


def test_label_line_by_hand():
    annotation = {"bbox": [10, 40, 16, 12], "bbox_mode": BoxMode.XYWH_ABS, "category_id": 0}
    assert label_line(annotation, 96, 64) == "0 0.281250 0.479167 0.250000 0.125000\n"
    annotation["bbox"] = [-10, 40, 26, 12]  # 10 px lie outside
    assert label_line(annotation, 96, 64) == "0 0.125000 0.479167 0.250000 0.125000\n"


def test_export(toy_datasets, tmp_path):
    files = export_split("phantom_test", tmp_path, "test")
    records = DatasetCatalog.get("phantom_test")
    assert len(files) == len(records) == 9
    shown = cv2.imread(str(files[3]), cv2.IMREAD_UNCHANGED)
    source = cv2.imread(records[3]["file_name"], cv2.IMREAD_UNCHANGED)
    assert shown.dtype == np.uint8
    assert np.abs(shown - source / 257).max() <= 0.51
    label = tmp_path / "test" / "labels" / "000003.txt"
    assert label.read_text() == "0 0.281250 0.479167 0.250000 0.125000\n"
    path = write_data_yaml(tmp_path, ["mass: a"], ["train", "test"])
    assert yaml.safe_load(path.read_text()) == {
        "path": str(tmp_path), "train": "train/images", "test": "test/images",
        "names": {0: "mass: a"},
    }  # fmt: skip


def test_a_second_export_takes_the_place_of_the_first(toy_datasets, tmp_path, monkeypatch):
    """Of a data set that has become smaller: YOLO trains on all that lies in the folder."""
    export_split("phantom_test", tmp_path, "train")
    (tmp_path / "train" / "labels.cache").write_text("of YOLO")
    records = DatasetCatalog.get("phantom_test")[:4]
    monkeypatch.setattr(DatasetCatalog, "get", lambda name: records)
    assert len(export_split("phantom_test", tmp_path, "train")) == 4
    for folder, ending in (("images", "png"), ("labels", "txt")):
        names = sorted(path.name for path in (tmp_path / "train" / folder).iterdir())
        assert names == [f"{number:06d}.{ending}" for number in range(4)]
    assert not (tmp_path / "train" / "labels.cache").exists()


def test_files_that_no_export_wrote_are_not_removed(toy_datasets, tmp_path):
    export_split("phantom_test", tmp_path, "val")
    mine = tmp_path / "val" / "images" / "mine.png"
    mine.touch()
    with pytest.raises(ValueError, match=r"val: holds files that no export wrote \(mine.png\)"):
        export_split("phantom_test", tmp_path, "val")
    assert mine.exists()
    assert len(list(mine.parent.iterdir())) == 10


def test_results_have_the_ids_of_the_data_set(toy_datasets, tmp_path):
    DatasetCatalog.get("phantom_test")  # reading it sets the category ids
    nothing = (np.zeros((0, 4)), np.zeros(0), np.zeros(0))
    boxes = [nothing] * 8 + [(np.array([[1, 2, 4, 8.0]]), np.array([0.5]), np.array([0.0]))]
    results = coco_results("phantom_test", boxes)
    assert results == [{"image_id": 9, "category_id": 1, "bbox": [1, 2, 3, 6], "score": 0.5}]
    with pytest.raises(ValueError):
        coco_results("phantom_test", boxes[:-1])


@pytest.fixture
def tool(monkeypatch):
    for name in ("YOLO_CONFIG_DIR", "YOLO_OFFLINE", "YOLO_AUTOINSTALL"):
        monkeypatch.setenv(name, "")  # so that what the tool sets is taken back
    spec = importlib.util.spec_from_file_location("train_yolo_tool", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def arguments(output, **changes):
    values = {"train": "phantom_train", "val": "phantom_val", "test": "phantom_test", **changes}
    pairs = [(f"--{key}", value) for key, value in values.items()]
    return [str(x) for pair in [*pairs, ("--output", output), ("--epochs", 2)] for x in pair]


class StandIn:
    """Does what the tool asks of ultralytics.YOLO, and keeps a record of it."""

    calls: list = []

    def __init__(self, model):
        self.calls.append(("model", model))

    def train(self, **options):
        self.calls.append(("train", options))

    def predict(self, image, **options):
        self.calls.append(("predict", options))
        found = SimpleNamespace(
            xyxy=np.array([[10, 40, 26, 52.0]]), conf=np.array([0.9]), cls=np.array([0.0])
        )
        return [SimpleNamespace(boxes=SimpleNamespace(cpu=lambda: found))]


def test_tool_from_data_set_to_results(tool, toy_datasets, tmp_path, monkeypatch):
    package = ModuleType("ultralytics")
    package.YOLO, package.settings = StandIn, {"sync": True, "wandb": True, "runs_dir": "x"}
    monkeypatch.setitem(sys.modules, "ultralytics", package)
    monkeypatch.setattr(StandIn, "calls", [])
    assert tool.main(arguments(tmp_path / "yolo")) == 0
    assert package.settings == {"sync": False, "wandb": False, "runs_dir": "x"}
    options = dict(StandIn.calls[1][1])
    assert yaml.safe_load(Path(options["data"]).read_text())["val"] == "val/images"
    assert options["epochs"] == 2 and options["plots"] is False
    assert StandIn.calls[2] == ("model", str(tmp_path / "yolo" / "train" / "weights" / "best.pt"))
    path = tmp_path / "yolo" / "inference" / "phantom_test" / "coco_instances_results.json"
    truth = read_ground_truth(toy_datasets / "phantom" / "annotations" / "test.json")
    detections = read_detections(path, truth)
    np.testing.assert_array_equal(detections.boxes, truth.lesions.boxes)
    assert len(json.loads(path.read_text())) == 9


def test_tool_says_what_is_missing(tool, toy_datasets, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ultralytics", None)
    assert tool.main(arguments(tmp_path / "yolo")) == 2
    said = capsys.readouterr().err
    assert "AGPL-3.0" in said and "pip install --no-deps -r requirements/yolo.txt" in said
    assert tool.main(arguments(tmp_path / "yolo", val="x_val")) == 2
    assert "unknown data set 'x_val'" in capsys.readouterr().err
