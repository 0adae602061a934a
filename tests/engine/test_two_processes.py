"""Two processes (torchrun, gloo) train and evaluate as one process does on the same cases."""

import argparse
import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from traceback import format_exc

import pytest
import torch
from torch.multiprocessing import ProcessRaisedException

from agn_d2.engine import AGNTrainer, setup_cfg
from agn_d2.engine.launch import TORCHRUN, launch_processes

ROOT = Path(__file__).resolve().parents[2]
CONFIG = str(ROOT / "configs/agrcnn_R50_FPN.yaml")
STEPS = 5


def options(output, weights):
    """A small detector in which nothing but the sharing of the work could differ.

    No sampling of anchors and proposals, whose random draws belong to the process: all anchors,
    20 proposals and the mass of each image are taken. No batch statistics. Two images a step,
    of two draws of the stream.
    """
    keys = {
        "MODEL.DEVICE": "cpu",
        "MODEL.WEIGHTS": weights,
        "MODEL.MASK_ON": False,
        "MODEL.AGN.BGN.PRIOR": "",
        "MODEL.RESNETS.DEPTH": 18,
        "MODEL.RESNETS.RES2_OUT_CHANNELS": 64,
        "MODEL.FPN.OUT_CHANNELS": 16,
        "MODEL.ROI_BOX_HEAD.FC_DIM": 32,
        "MODEL.ANCHOR_GENERATOR.SIZES": "[[12], [16], [24], [32], [48]]",
        "MODEL.RPN.BATCH_SIZE_PER_IMAGE": 100_000,
        "MODEL.RPN.POSITIVE_FRACTION": 1.0,
        "MODEL.RPN.NMS_THRESH": 1.0,
        "MODEL.RPN.POST_NMS_TOPK_TRAIN": 20,
        "MODEL.RPN.POST_NMS_TOPK_TEST": 20,
        "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE": 1000,
        "MODEL.ROI_HEADS.POSITIVE_FRACTION": 1.0,
        "DATASETS.TRAIN": "('phantom_train',)",
        "DATASETS.TEST": "('phantom_test',)",
        "DATALOADER.NUM_WORKERS": 0,
        "DATALOADER.EXAMINED_PER_CASE": 1,
        "INPUT.SIZE": "(96, 64)",
        "SOLVER.AMP.ENABLED": False,
        "SOLVER.IMS_PER_BATCH": 2,
        "SOLVER.MAX_ITER": STEPS,
        "SOLVER.STEPS": "()",
        "SOLVER.BASE_LR": 0.01,
        "SOLVER.WARMUP_ITERS": 0,
        "SOLVER.METRICS_PERIOD": 1,
        "TEST.EVAL_PERIOD": 0,
        "TEST.VALIDATION.EPOCHS": 1.0,
        "TEST.VALIDATION.DATASET": "phantom_val",
        "OUTPUT_DIR": output,
    }
    return [str(part) for item in keys.items() for part in item]


def arguments(opts):
    return argparse.Namespace(config_file=CONFIG, opts=opts, eval_only=False, resume=False)


@pytest.fixture(scope="module")
def outputs(toy_root, tmp_path_factory):
    """Output folders of one process and of two, from the same weights."""
    folder = tmp_path_factory.mktemp("processes")
    patch = pytest.MonkeyPatch()
    patch.setenv("DETECTRON2_DATASETS", str(toy_root))
    weights = folder / "start.pth"
    torch.manual_seed(0)
    start = AGNTrainer.build_model(setup_cfg(arguments(options(folder / "start", ""))))
    for name, parameter in start.named_parameters():
        if "bipartite" in name or "fusion" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    torch.save({"model": start.state_dict()}, weights)
    trainer = AGNTrainer(setup_cfg(arguments(options(folder / "one", weights))))
    trainer.resume_or_load(resume=False)
    trainer.train()
    env = os.environ | {"DETECTRON2_DATASETS": str(toy_root), "OMP_NUM_THREADS": "1"}
    env["PYTHONPATH"] = f"{ROOT}{os.pathsep}{env.get('PYTHONPATH', '')}"
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command = [*torchrun, "--nproc-per-node", "2", str(ROOT / "tools/train_net.py")]
    command += ["--config-file", CONFIG, *options(folder / "two", weights)]
    run = subprocess.run(command, env=env, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-4000:]
    patch.undo()
    return folder / "one", folder / "two"


def metrics(output, key):
    rows = map(json.loads, (output / "metrics.json").open())
    return {row["iteration"]: row[key] for row in rows if key in row}


def test_losses_of_every_step_and_of_the_validation_are_equal(outputs):
    one, two = (metrics(output, "total_loss") for output in outputs)
    assert sorted(one) == sorted(two) == list(range(STEPS))
    assert two == pytest.approx(one, rel=1e-4)
    # They say something: no two steps are alike.
    assert len({round(loss, 5) for loss in one.values()}) == STEPS
    one, two = (metrics(output, "val_loss") for output in outputs)
    assert two == pytest.approx(one, rel=1e-4)
    # After every epoch of 4.5 steps, and at the end.
    assert sorted(one) == [3, 4]


def test_weights_are_equal(outputs):
    one, two = (torch.load(output / "model_final.pth")["model"] for output in outputs)
    start = torch.load(outputs[0].parent / "start.pth")["model"]
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=1e-3, atol=1e-5, msg=name)
    moved = [n for n, t in one.items() if not torch.allclose(t, start[n], atol=1e-5)]
    assert any("agn" in name for name in moved)


def detections(output):
    path = output / "inference/phantom_test/coco_instances_results.json"
    found = json.loads(path.read_text())
    return sorted(found, key=lambda d: (d["image_id"], -d["score"]))


def test_evaluation_gathers_every_case_once(outputs):
    one, two = map(detections, outputs)
    assert len(one) == len(two) > 9
    assert {d["image_id"] for d in two} == set(range(1, 10))
    for first, second in zip(one, two, strict=True):
        assert first["image_id"] == second["image_id"]
        assert second["score"] == pytest.approx(first["score"], abs=1e-4)
        assert second["bbox"] == pytest.approx(first["bbox"], abs=0.05)
    reports = [
        json.loads((output / "inference/phantom_test/froc_phantom_test.json").read_text())
        for output in outputs
    ]
    assert reports[0]["images"] == reports[1]["images"] == 9
    assert reports[0]["recall"] == reports[1]["recall"]


def test_torchrun_and_num_gpus_together_are_refused(monkeypatch):
    for name in TORCHRUN:
        monkeypatch.setenv(name, "1")
    args = argparse.Namespace(num_gpus=2, num_machines=1)
    with pytest.raises(ValueError, match="torchrun starts the processes"):
        launch_processes(lambda _: None, args)


def test_more_gpus_than_there_are_is_said_before_a_process_is_started(monkeypatch):
    """Detectron2 asserts it in each of them."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    started = []
    monkeypatch.setattr("agn_d2.engine.launch.launch", lambda *a, **k: started.append(a[1]))
    numbers = {"num_machines": 1, "machine_rank": 0, "dist_url": "auto"}
    launch_processes(lambda _: None, argparse.Namespace(num_gpus=2, **numbers))
    with pytest.raises(ValueError, match="--num-gpus is 3, but this machine has 2 CUDA devices"):
        launch_processes(lambda _: None, argparse.Namespace(num_gpus=3, **numbers))
    assert started == [2]


def unreadable(args):
    raise FileNotFoundError(errno.ENOENT, "No such file", args.file)


def faulty(args):
    raise RuntimeError("a fault of the program")


@pytest.mark.parametrize(
    ("main", "kind", "message"),
    [
        (unreadable, ValueError, "^a.json: no such file or folder$"),
        (faulty, ProcessRaisedException, "Traceback(.|\n)*RuntimeError: a fault of the program"),
    ],
)
def test_bad_input_of_a_started_process_is_told_without_its_traceback(
    monkeypatch, main, kind, message
):
    """As ``torch.multiprocessing.spawn`` hands it over, whose processes take seconds to start."""

    def spawned(main, *numbers, args, **options):
        try:
            main(*args)
        except Exception:
            text = f"\n\n-- Process 1 terminated with the following error:\n{format_exc()}"
            raise ProcessRaisedException(text, 1, 17) from None

    monkeypatch.setattr("agn_d2.engine.launch.launch", spawned)
    numbers = {"num_gpus": 2, "num_machines": 1, "machine_rank": 0, "dist_url": "auto"}
    with pytest.raises(kind, match=message):
        launch_processes(main, argparse.Namespace(file="a.json", **numbers))
