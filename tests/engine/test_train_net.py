"""The main job on a toy data set: train, resume, evaluate, draw; and what goes wrong clearly."""

import argparse
import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from detectron2.data import DatasetCatalog

from agn_d2.data.build import build_train_loader
from agn_d2.engine.setup import setup_cfg

ROOT = Path(__file__).resolve().parents[2]
CONFIG = str(ROOT / "configs" / "agrcnn_phantom_demo.yaml")
SMALL = ["INPUT.SIZE", "(96, 64)", "DATALOADER.NUM_WORKERS", "0", "MODEL.DEVICE", "cpu"]
SMALL += ["MODEL.TIMM.WEIGHTS", "", "MODEL.AGN.BGN.PRIOR", ""]


def run(tool, *args, root):
    env = os.environ | {"DETECTRON2_DATASETS": str(root), "OMP_NUM_THREADS": "1"}
    env["PYTHONPATH"] = f"{ROOT}{os.pathsep}{env.get('PYTHONPATH', '')}"
    return subprocess.run(
        [sys.executable, str(ROOT / "tools" / tool), *map(str, args)],
        env=env,
        capture_output=True,
        text=True,
    )


def test_train_resume_evaluate_and_draw(toy_root, tmp_path):
    common = ["--config-file", CONFIG]
    options = [*SMALL, "OUTPUT_DIR", tmp_path / "out"]
    looks = ["MODEL.AGN.VIS_PERIOD", 2]
    first = run("train_net.py", *common, *options, *looks, "SOLVER.MAX_ITER", 2, root=toy_root)
    assert first.returncode == 0, first.stderr
    (events,) = (tmp_path / "out").glob("events.out.tfevents.*")
    assert b"agn/features" in events.read_bytes()
    assert b"agn/nodes" in events.read_bytes()
    froc = tmp_path / "out/inference/phantom_test/froc_phantom_test.json"
    report = json.loads(froc.read_text())
    assert report["images"] == 9
    assert report["lesions"] == 9
    assert (tmp_path / "out/inference/phantom_test/coco_instances_results.json").is_file()

    resumed = run(
        "train_net.py", *common, "--resume", *options, "SOLVER.MAX_ITER", 3, root=toy_root
    )
    assert resumed.returncode == 0, resumed.stderr
    assert "Starting training from iteration 2" in resumed.stdout

    weights = ["MODEL.WEIGHTS", tmp_path / "out/model_final.pth"]
    froc.unlink()
    only = run("train_net.py", *common, "--eval-only", *options, *weights, root=toy_root)
    assert only.returncode == 0, only.stderr
    assert json.loads(froc.read_text())["images"] == 9

    drawn = run(
        "demo.py",
        *common,
        *("--dataset", "phantom_test", "--case", "P1", "P3", "--output", tmp_path / "pictures"),
        *("--features", "p3"),
        *options,
        *weights,
        root=toy_root,
    )
    assert drawn.returncode == 0, drawn.stderr
    for name in ("P1", "P1_features", "P1_nodes", "P3", "P3_features"):
        assert (tmp_path / f"pictures/{name}.png").stat().st_size > 10_000

    # A trained model needs neither its training data nor the file of its prior.
    shutil.copytree(toy_root / "phantom", tmp_path / "elsewhere/phantom")
    for split in ("train", "val"):
        (tmp_path / f"elsewhere/phantom/annotations/{split}.json").unlink()
    gone = ["MODEL.AGN.BGN.PRIOR", "phantom/annotations/gone.json", "MODEL.TIMM.WEIGHTS", "package"]
    froc.unlink()
    only = run(
        "train_net.py",
        *(*common, "--eval-only", *options, *weights, *gone),
        root=tmp_path / "elsewhere",
    )
    assert only.returncode == 0, only.stderr
    assert json.loads(froc.read_text())["images"] == 9
    images = [*options[:4], *weights, *gone]
    drawn = run(
        "demo.py",
        *common,
        *("--images", films(tmp_path / "films"), "--output", tmp_path / "films", *images),
        root=tmp_path / "nowhere",
    )
    assert drawn.returncode == 0, drawn.stderr
    assert (tmp_path / "films/a.png").stat().st_size > 10_000


def films(folder):
    """A folder of two films with half an ellipse each."""
    ys, xs = np.mgrid[:120, :80]
    breast = ((xs / 60) ** 2 + ((ys - 60) / 50) ** 2 < 1).astype(np.uint8) * 150
    folder.mkdir()
    for name in ("a_L_CC", "a_L_MLO"):
        assert cv2.imwrite(str(folder / f"{name}.jpg"), breast)
    return folder


@pytest.mark.parametrize("source", ["--images", "--dataset"])
def test_an_untrained_model_is_not_drawn(toy_root, tmp_path, source):
    where = films(tmp_path / "films") if source == "--images" else "phantom_test"
    common = ["--config-file", CONFIG, source, where, "--output", tmp_path / "out"]
    result = run("demo.py", *common, *SMALL, root=toy_root)
    assert result.returncode == 2
    assert "demo: MODEL.WEIGHTS is empty" in result.stderr.splitlines()[-1]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["MODEL.AGN.BGN.PRIOR", "nowhere.json"], "No such file: nowhere.json"),
        (["DATASETS.TRAIN", "('phantom_trian',)"], "unknown data set 'phantom_trian'"),
        (["MODEL.WEIGHTS", "nowhere.pth"], "MODEL.WEIGHTS: cannot load nowhere.pth"),
    ],
)
def test_errors_are_one_line(toy_root, tmp_path, options, message):
    result = run(
        "train_net.py",
        *("--config-file", CONFIG),
        *SMALL,
        *("OUTPUT_DIR", tmp_path),
        *options,
        root=toy_root,
    )
    assert result.returncode == 2
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("train_net: ")
    assert message in last
    assert "Traceback" not in result.stderr


def setup(*options):
    return setup_cfg(argparse.Namespace(config_file=CONFIG, opts=list(options)))


def test_without_a_gpu_it_says_so_and_takes_the_cpu(toy_datasets, monkeypatch, caplog):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with caplog.at_level(logging.WARNING):
        assert setup("MODEL.DEVICE", "cuda").MODEL.DEVICE == "cpu"
    assert "No CUDA device" in caplog.text


def test_a_device_that_pytorch_does_not_know_is_refused(toy_datasets):
    with pytest.raises(ValueError, match="MODEL.DEVICE must be cpu, cuda or cuda:N, got 'gpu'"):
        setup("MODEL.DEVICE", "gpu")


def test_num_gpus_0_is_the_cpu_also_beside_a_gpu(toy_datasets, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    devices = [
        setup_cfg(argparse.Namespace(config_file=CONFIG, opts=[], num_gpus=number)).MODEL.DEVICE
        for number in (0, 1)
    ]
    assert devices == ["cpu", "cuda"]


def test_without_masks_it_says_so_and_trains_boxes(toy_root, tmp_path, monkeypatch, caplog):
    assert setup_masks(toy_root, monkeypatch) is True
    folder = tmp_path / "phantom/annotations"
    folder.mkdir(parents=True)
    content = json.loads((toy_root / "phantom/annotations/train.json").read_text())
    landmarks = (toy_root / "phantom/annotations/landmarks.json").read_text()
    (folder / "landmarks.json").write_text(landmarks)
    # A region that is no lesion needs no mask.
    content["annotations"][0] |= {"iscrowd": 1, "segmentation": []}
    (folder / "train.json").write_text(json.dumps(content))
    assert setup_masks(tmp_path, monkeypatch) is True
    for annotation in content["annotations"]:
        annotation["segmentation"] = []
    (folder / "train.json").write_text(json.dumps(content))
    with caplog.at_level(logging.WARNING):
        assert setup_masks(tmp_path, monkeypatch) is False
    assert "no masks for 8 of 8 masses" in caplog.text


def setup_masks(root, monkeypatch):
    monkeypatch.setenv("DETECTRON2_DATASETS", str(root))
    return setup("MODEL.DEVICE", "cpu").MODEL.MASK_ON


def test_a_data_set_without_landmarks_is_refused_before_any_worker_starts(toy_datasets):
    cfg = setup("MODEL.DEVICE", "cpu", "DATALOADER.NUM_WORKERS", "2")
    for image in (dicts := DatasetCatalog.get("phantom_train")):
        image["landmarks"] = None
    DatasetCatalog.remove("phantom_train")
    DatasetCatalog.register("phantom_train", lambda: dicts)
    with pytest.raises(ValueError, match="9 images have no landmarks.*AGN.ENABLED False"):
        build_train_loader(cfg)


def test_an_unknown_test_set_is_refused_before_training(toy_datasets):
    with pytest.raises(ValueError, match="unknown data set 'phantom_tset'"):
        setup("DATASETS.TEST", "('phantom_tset',)")


def test_every_tool_can_be_started():
    for path in [*ROOT.glob("tools/*.py"), *ROOT.glob("datasets/*.py")]:
        if path.read_text().startswith("#!"):
            assert os.access(path, os.X_OK), path
