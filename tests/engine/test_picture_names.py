"""The files of tools/demo.py and tools/save_attention.py, whose names come from the data."""

import argparse
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from agn_d2.data.cases import group_cases
from agn_d2.structures import ViewResult

from ..programs import load_program

TOOLS = Path(__file__).resolve().parents[2] / "tools"


def load(name):
    return load_program(TOOLS / f"{name}.py")


def cases_of(*patients):
    return group_cases(
        [
            {"image_id": f"{name}/1", "patient_id": name, "laterality": "L", "view": "CC"}
            for name in patients
        ]
    )


def test_pictures_of_cases_stay_in_the_folder_and_apart(tmp_path):
    args = argparse.Namespace(output=tmp_path, features=None)
    paths = load("demo").picture_paths(args, cases_of("a/b", "a_b", "../a", str(tmp_path / "x")))
    files = [file for (file,) in paths]
    assert [file.name for file in files[:3]] == ["a%2Fb.png", "a_b.png", "%2E.%2Fa.png"]
    assert {file.resolve().parent for file in files} == {tmp_path}
    assert len(set(files)) == 4


def test_pictures_of_two_cases_that_would_share_a_file_are_refused(tmp_path):
    args, cases = argparse.Namespace(output=tmp_path, features=""), cases_of("p1", "p1_nodes")
    with pytest.raises(ValueError, match="'p1' and 'p1_nodes' would share the file .*p1_nodes.png"):
        load("demo").picture_paths(args, cases)
    args.features = None
    assert len(load("demo").picture_paths(args, cases)) == 2


def test_films_that_are_in_no_picture_are_named():
    records = [
        {"image_id": n, "patient_id": "p1", "laterality": "L", "view": view, "file_name": name}
        for n, (view, name) in enumerate(
            [("CC", "a.png"), ("MLO", "b.png"), ("CC", "c.png"), ("CC", "d.png")]
        )
    ]
    demo = load("demo")
    (case,) = group_cases(records)
    assert demo.films_left_out(case) == [
        "case p1: of 3 films of L CC, a.png is drawn, and in no picture are c.png, d.png"
    ]
    (case,) = group_cases(records[:2])
    assert demo.films_left_out(case) == []


@pytest.fixture
def save_attention(monkeypatch, tmp_path):
    """The tool with a model of ours, which has no attention for patients named "blind"."""
    tool = load("save_attention")
    model = SimpleNamespace(backbone=SimpleNamespace(reads_context=True))
    monkeypatch.setattr(tool, "setup_inference_cfg", lambda args: None)
    monkeypatch.setattr(tool, "build_trained", lambda cfg: model)
    monkeypatch.setattr(tool, "CaseMapper", lambda cfg, is_train: None)

    def predict(model, mapper, case):
        attention = np.full((2, 3), 0.4)
        return [
            ViewResult(r, None, None if r["patient_id"] == "blind" else attention)
            for r in case.images
        ]

    monkeypatch.setattr(tool, "predict_case", predict)

    def call(*patients):
        monkeypatch.setattr(tool, "load_cases", lambda names: cases_of(*patients))
        arguments = ["--config-file", "c.yaml", "--dataset", "d", "--run", str(tmp_path / "run")]
        monkeypatch.setattr("sys.argv", ["save_attention.py", *arguments])
        return tool.main()

    call.folder = tmp_path / "run" / "inference" / "d" / "attention"
    return call


def test_attention_stays_in_its_folder_and_is_of_this_run(save_attention, tmp_path):
    victim = tmp_path / "x" / "1.png"
    victim.parent.mkdir()
    victim.write_text("a mammogram")
    assert save_attention(str(tmp_path / "x"), "../../p", "q") == 0
    assert victim.read_text() == "a mammogram"
    assert not list((tmp_path / "run" / "inference").glob("*.png"))
    written = sorted(path.name for path in save_attention.folder.iterdir())
    assert len(written) == 3
    assert written[:1] + written[2:] == ["%2E.%2F..%2Fp%2F1.png", "q%2F1.png"]
    map_ = cv2.imread(str(save_attention.folder / "q%2F1.png"), cv2.IMREAD_UNCHANGED)
    assert (map_ == round(0.4 * 65535)).all()
    # What an earlier run left of images without attention now would be laid over them.
    assert save_attention("q", "blind") == 0
    assert [path.name for path in save_attention.folder.iterdir()] == ["q%2F1.png"]
