"""Training, evaluation and prediction by the project's program, as a user runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import agn_d2

from .configs import load

PROJECT = Path(__file__).parents[1]
ROOT = PROJECT.parents[1]
TINY = [
    "MODEL.DEVICE", "cpu", "MODEL.DETR.HIDDEN_DIM", "16", "MODEL.DETR.FFN_DIM", "16",
    "MODEL.DETR.NUM_QUERIES", "5", "MODEL.DETR.NUM_HEADS", "2", "DATALOADER.NUM_WORKERS", "0",
    "INPUT.SIZE", "(96, 64)",
]  # fmt: skip


def run(root, *arguments):
    command = [sys.executable, "-W", "ignore", str(PROJECT / "train_net.py"), *arguments]
    env = {**os.environ, "DETECTRON2_DATASETS": str(root), "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)


def test_train_evaluate_predict(toy_root, tmp_path):
    pytest.importorskip("transformers", reason="the extra detr is not installed")
    config = str(PROJECT / "configs" / "detr_phantom_demo.yaml")
    options = [*TINY, "OUTPUT_DIR", str(tmp_path), "SOLVER.MAX_ITER", "2"]
    done = run(toy_root, "--config-file", config, *options)
    assert done.returncode == 0, done.stderr
    weights = str(tmp_path / "model_final.pth")
    results = tmp_path / "inference" / "phantom_test" / "coco_instances_results.json"
    assert json.loads(results.read_text())
    results.unlink()
    # What trained weights started from is not asked for any more.
    asked = ["MODEL.WEIGHTS", weights, "MODEL.DETR.PRETRAINED", str(tmp_path / "none")]
    done = run(toy_root, "--config-file", config, "--eval-only", *options, *asked)
    assert done.returncode == 0, done.stderr
    assert json.loads(results.read_text())

    cfg = load("detr_phantom_demo", *options, *asked)
    image = np.zeros((96, 64), np.uint8)
    cv2.circle(image, (0, 48), 30, 150, -1)
    ((key, found),) = agn_d2.Predictor(cfg)({"L-CC": image}).items()
    assert key == "L-CC" and found.image_size == (96, 64)


def test_a_bad_key_ends_it_in_one_line(toy_root):
    config = str(PROJECT / "configs" / "detr_phantom_demo.yaml")
    done = run(toy_root, "--config-file", config, "MODEL.DETR.QUERIES", "3")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("train_net: config: ")
