"""The tool that finds anchors, on boxes whose size at the network's input is known."""

import json
from pathlib import Path

import pytest
import yaml

from agn_d2.engine.setup import load_cfg

from ..programs import load_program

ROOT = Path(__file__).resolve().parents[2]
CONFIG = str(ROOT / "configs/agrcnn_phantom_demo.yaml")


@pytest.fixture(scope="module")
def tool():
    return load_program("tools/optimize_anchors.py")


@pytest.fixture
def boxes(toy_root, tmp_path, monkeypatch):
    """The toy data set with boxes of 16 x 8, 16 x 16 and 16 x 32 pixels, three of each."""
    content = json.loads((toy_root / "phantom/annotations/train.json").read_text())
    for number, annotation in enumerate(content["annotations"]):
        annotation["bbox"] = [10, 20, 16, (8, 16, 32)[number % 3]]
        del annotation["segmentation"]  # of another box
    folder = tmp_path / "boxes/annotations"
    folder.mkdir(parents=True)
    for split in ("train", "val"):
        (folder / f"{split}.json").write_text(json.dumps(content))
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    return ["DATASETS.TRAIN", "('boxes_train',)", "DATASETS.TEST", "('boxes_val',)"]


def test_the_lines_it_prints_are_anchors_at_the_size_of_the_input(tool, boxes, capsys):
    # 96 x 64 stretched to 192 x 64: twice as high.
    assert tool.main(["--config-file", CONFIG, "INPUT.SIZE", "(192, 64)", *boxes]) == 0
    output = capsys.readouterr().out
    assert output.startswith("9 boxes of boxes_train at 192 × 64 px (stretch)")
    found = yaml.safe_load(output[output.index("MODEL:") :])["MODEL"]["ANCHOR_GENERATOR"]
    # By hand: 16 x 16, 16 x 32 and 16 x 64, three of each: sides 16, 22.63 and 32. Of nine values
    # the 32.5th percentile lies at place 2.6, counted from 0: 16 + 0.6 * 6.63.
    assert found["ASPECT_RATIOS"] == [[1.0, 2.0, 4.0]]
    sides = [size for (size,) in found["SIZES"]]
    assert sides == [16.0, 20.0, 22.6, 32.0, 32.0]
    # They go into a config as they are.
    key = "MODEL.ANCHOR_GENERATOR"
    cfg = load_cfg(CONFIG, [f"{key}.SIZES", str(found["SIZES"])])
    assert found["SIZES"] == cfg.MODEL.ANCHOR_GENERATOR.SIZES


def test_fit_keeps_the_aspect_ratio(tool, boxes, capsys):
    options = ["INPUT.SIZE", "(192, 64)", "INPUT.RESIZE", "fit"]
    assert tool.main(["--config-file", CONFIG, *options, *boxes]) == 0
    assert "ASPECT_RATIOS: [[0.5, 1.0, 2.0]]" in capsys.readouterr().out


def test_a_figure_with_predictions(tool, boxes, tmp_path, capsys):
    found = [
        {"image_id": 1, "bbox": [1, 2, 9, 9], "score": s, "category_id": 1} for s in (0.9, 0.1)
    ]
    # One without an area has no place on a logarithmic axis.
    found.append(found[0] | {"bbox": [1, 2, 0, 9]})
    (tmp_path / "found.json").write_text(json.dumps(found))
    options = ["--figure", str(tmp_path / "sizes.png"), "--predictions"]
    assert tool.main(["--config-file", CONFIG, *options, str(tmp_path / "found.json"), *boxes]) == 0
    assert (tmp_path / "sizes.png").stat().st_size > 10_000
    text = (tmp_path / "sizes.svg").read_text()
    assert "training boxes (n = 9)" in text
    assert "detections, score ≥ 0.3 (n = 1)" in text


def test_what_cannot_be_done_is_one_line(tool, boxes, capsys):
    options = ["--config-file", CONFIG, *boxes]
    assert tool.main([*options, "DATASETS.TRAIN", "('nowhere_train',)"]) == 2
    assert "optimize_anchors: unknown data set 'nowhere_train'" in capsys.readouterr().err
    assert tool.main([*options, "DATASETS.TRAIN", "('phantom_train',)"]) == 2
    assert "phantom_train: no file" in (error := capsys.readouterr().err)
    assert "datasets/README.md" in error
    assert tool.main([*options, "MODEL.META_ARCHITECTURE", "MultiViewFCOS"]) == 2
    assert "MultiViewFCOS is no R-CNN" in capsys.readouterr().err


@pytest.mark.parametrize("key", ["DATASETS.TRAIN", "DATASETS.TEST"])
def test_no_data_set_at_all_is_told_by_its_key(tool, boxes, tmp_path, capsys, key):
    (tmp_path / "found.json").write_text("[]")
    options = ["--figure", tmp_path / "sizes.svg", "--predictions", tmp_path / "found.json"]
    assert tool.main(["--config-file", CONFIG, *map(str, options), *boxes, key, "()"]) == 2
    assert f"optimize_anchors: {key} is empty: " in capsys.readouterr().err
