"""Trains a tiny detector with a validation, killed at random moments and resumed, and undisturbed.

python tests/engine/kill_training.py --datasets ROOT --output DIR --kills 30 [--workers 2]

ROOT holds a data set ``phantom`` (datasets/make_phantom.py). Each life is a fork of this process,
which has imported what takes long, and dies of SIGKILL. Prints one JSON: the moments, and whether
the weights of model_final.pth and model_best.pth and the lines of metrics.json (apart from times)
equal those of the undisturbed run. Exit status 1: they do not.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from detectron2.config import CfgNode

from agn_d2.data.builtin import register_builtin_datasets
from agn_d2.engine import AGNTrainer
from agn_d2.engine.setup import load_cfg

CONFIG = Path(__file__).resolve().parents[2] / "configs/agrcnn_R50_FPN.yaml"
TIMES = {"time", "data_time", "rank_data_time", "eta_seconds"}
MEASURED_EVERY = 4
KEYS = {
    "SEED": 5,
    "MODEL.DEVICE": "cpu",
    "MODEL.WEIGHTS": "",
    "MODEL.MASK_ON": False,
    "MODEL.AGN.BGN.PRIOR": "",
    "MODEL.BACKBONE.NAME": "AGNTimmFPN",
    "MODEL.TIMM.NAME": "mobilenetv3_small_050",
    "MODEL.FPN.OUT_CHANNELS": 16,
    "MODEL.ROI_BOX_HEAD.FC_DIM": 32,
    "MODEL.ANCHOR_GENERATOR.SIZES": "[[12], [16], [24], [32], [48]]",
    "MODEL.RPN.POST_NMS_TOPK_TRAIN": 20,
    "MODEL.RPN.POST_NMS_TOPK_TEST": 20,
    "DATASETS.TRAIN": "('phantom_train',)",
    "DATASETS.TEST": "('phantom_test',)",
    "INPUT.SIZE": "(64, 32)",
    "SOLVER.AMP.ENABLED": False,
    "SOLVER.IMS_PER_BATCH": 2,
    "SOLVER.STEPS": "()",
    # High enough that the validation loss goes up and down.
    "SOLVER.BASE_LR": 0.5,
    "SOLVER.WARMUP_ITERS": 4,
    # Checkpoints lie between two lines and between two measurements too.
    "SOLVER.METRICS_PERIOD": 4,
    "SOLVER.CHECKPOINT_PERIOD": 2,
    "TEST.EVAL_PERIOD": 0,
    "TEST.VALIDATION.DATASET": "phantom_val",
}


def make_cfg(output: Path, *options: object, steps: int, images: int = 9) -> CfgNode:
    """The config of a tiny training; ``images`` has the data set's training split."""
    keys = KEYS | {"OUTPUT_DIR": output, "SOLVER.MAX_ITER": steps}
    keys["TEST.VALIDATION.EPOCHS"] = MEASURED_EVERY * KEYS["SOLVER.IMS_PER_BATCH"] / images
    overrides = [*(part for item in keys.items() for part in item), *options]
    return load_cfg(str(CONFIG), map(str, overrides))


def train(cfg: CfgNode) -> None:
    """One life."""
    torch.manual_seed(cfg.SEED)
    trainer = AGNTrainer(cfg)
    trainer.resume_or_load(resume=True)
    trainer.train()


def live(cfg: CfgNode, seconds: float | None = None) -> bool:
    """A life in a fork, killed after some seconds; returns whether it came to its end."""
    log_file = f"{cfg.OUTPUT_DIR}.log"
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        log = os.open(log_file, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        os.dup2(log, 1)
        os.dup2(log, 2)
        code = 1
        try:
            train(cfg)
            code = 0
        finally:
            os._exit(code)
    end = None if seconds is None else time.monotonic() + seconds
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
                return True
            if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
                return False
            raise RuntimeError(f"a life ended with status {status}: {log_file}")
        if end is not None and time.monotonic() >= end:
            os.kill(child, signal.SIGKILL)
            end = None
        time.sleep(0.002)


def lines(output: Path) -> list[dict[str, str]]:
    """metrics.json without its times; values as text, in which NaN equals NaN."""
    rows = map(json.loads, (output / "metrics.json").open())
    return [{key: repr(value) for key, value in row.items() if key not in TIMES} for row in rows]


def weights(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)["model"]


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def kill_and_resume(
    build: Callable[[Path], CfgNode], output: Path, kills: int, seed: int, length: float
) -> tuple[list[Path], list[tuple[float, str]]]:
    """Trainings that are killed so many times in all; one that comes to its end is followed by
    another.

    Returns:
        Their folders, and of each kill the seconds of that life and the last checkpoint then.
    """
    draw = random.Random(seed)
    folders, moments = [output / "killed"], []
    while len(moments) < kills:
        seconds = draw.uniform(0, 0.6 * length)
        if live(build(folders[-1]), seconds):
            folders.append(output / f"killed_{len(folders)}")
            continue
        pointer = folders[-1] / "last_checkpoint"
        last = pointer.read_text() if pointer.is_file() else "none"
        moments.append((round(seconds, 2), last))
    live(build(folders[-1]))
    return folders, moments


def compare(whole: Path, other: Path) -> dict[str, bool]:
    pairs = {
        name: [weights(folder / f"model_{name}.pth") for folder in (whole, other)]
        for name in ("final", "best")
    }
    same = {f"{name} weights": equal(*pair) for name, pair in pairs.items()}
    return same | {"metrics": lines(whole) == lines(other)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    # Threads do not survive a fork.
    torch.set_num_threads(1)
    os.environ["DETECTRON2_DATASETS"] = str(args.datasets)
    register_builtin_datasets()
    annotations = args.datasets / "phantom/annotations/train.json"
    lesions = json.loads(annotations.read_text())["annotations"]
    images = len({lesion["image_id"] for lesion in lesions})
    args.output.mkdir(parents=True, exist_ok=True)

    def build(folder: Path) -> CfgNode:
        workers = ("DATALOADER.NUM_WORKERS", args.workers)
        return make_cfg(folder, *workers, steps=args.steps, images=images)

    whole = args.output / "whole"
    begin = time.monotonic()
    live(build(whole))
    length = time.monotonic() - begin
    folders, moments = kill_and_resume(build, args.output, args.kills, args.seed, length)
    report = {
        "seconds": round(length, 2),
        "kills": moments,
        "val_loss": [row["val_loss"] for row in lines(whole) if "val_loss" in row],
        "best at": torch.load(whole / "model_best.pth", weights_only=True)["iteration"],
        "equal": [compare(whole, folder) for folder in folders],
    }
    print(json.dumps(report, indent=1))
    return int(not all(all(result.values()) for result in report["equal"]))


if __name__ == "__main__":
    sys.exit(main())
