"""A resumed training: as if undisturbed, with the rates of its config, and of the same model."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from detectron2.config import CfgNode
from detectron2.engine import HookBase
from detectron2.utils.events import EventStorage
from torch import nn

from agn_d2.engine import AGNTrainer
from agn_d2.engine.checkpoint import read_state
from agn_d2.engine.predictor import load_trained
from agn_d2.engine.resume import check_optimizer, check_place, rates_of_config
from agn_d2.engine.stages import Stage
from agn_d2.engine.validation import ValidationHook, save_weights

from .kill_training import make_cfg

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("kill_training.py")


def environment(root):
    env = os.environ | {"DETECTRON2_DATASETS": str(root), "OMP_NUM_THREADS": "1"}
    env["PYTHONPATH"] = f"{ROOT}{os.pathsep}{env.get('PYTHONPATH', '')}"
    return env


def test_killed_at_random_moments_it_ends_like_an_undisturbed_training(toy_root, tmp_path):
    """Three kills; ``--kills 30`` of the script is the long form."""
    command = [sys.executable, "-W", "ignore", str(SCRIPT), "--datasets", str(toy_root)]
    command += ["--output", str(tmp_path), "--kills", "3", "--steps", "8"]
    result = subprocess.run(command, env=environment(toy_root), capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    report = json.loads(result.stdout)
    assert len(report["kills"]) == 3
    for equal in report["equal"]:
        assert equal["final weights"] and equal["best weights"] and equal["metrics"]
    # The comparison says something: there were measurements, no two of them alike.
    assert len(set(report["val_loss"])) == 2


class Stop(Exception):
    """In the place of a kill: nothing more is written."""


class StopAt(HookBase):
    """Ends a training at one moment, as a kill would."""

    def __init__(self, step):
        self.step = step

    def before_step(self):
        if self.trainer.iter == self.step:
            # Not even what after_train writes.
            self.trainer._hooks.clear()
            raise Stop


def train(output, *options, stop_before=None, resume=False, steps=8):
    cfg = make_cfg(output, *options, steps=steps)
    torch.manual_seed(3)
    trainer = AGNTrainer(cfg)
    if stop_before is not None:
        trainer.register_hooks([StopAt(stop_before)])
    trainer.resume_or_load(resume)
    if stop_before is None:
        trainer.train()
    else:
        with pytest.raises(Stop):
            trainer.train()
    return trainer


def lines(output):
    return [json.loads(line) for line in (output / "metrics.json").open()]


NO_VALIDATION = ("TEST.VALIDATION.EPOCHS", 0.0, "DATASETS.TEST", "()", "SOLVER.METRICS_PERIOD", 1)


def test_all_but_a_resume_take_the_average_of_the_weights(toy_datasets, tmp_path, caplog):
    options = (*NO_VALIDATION, "SOLVER.EMA.ENABLED", True, "SOLVER.EMA.DECAY", 0.5)
    trainer = train(tmp_path, *options, stop_before=4)
    file = tmp_path / "model_0000003.pth"
    raw = {name: tensor.clone() for name, tensor in trainer.net.state_dict().items()}
    read = read_state(str(file))
    assert read.keys() == raw.keys()
    changed = {name for name in raw if not torch.equal(read[name], raw[name])}
    assert "proposal_generator.rpn_head.conv.weight" in changed
    for name in changed:
        torch.testing.assert_close(read[name], trainer.ema.average[name])
    # What --eval-only and Predictor load with.
    cfg = make_cfg(tmp_path, *options, "MODEL.WEIGHTS", str(file), steps=8)
    evaluated = load_trained(cfg, AGNTrainer.build_model(cfg)).state_dict()
    assert all(torch.equal(evaluated[name], read[name]) for name in changed)
    # The training goes on with its raw weights, whose end is the average.
    resumed = AGNTrainer(make_cfg(tmp_path, *options, steps=8))
    caplog.clear()
    resumed.resume_or_load(resume=True)
    assert "the average of the weights" not in caplog.text
    assert all(torch.equal(value, raw[name]) for name, value in resumed.net.state_dict().items())
    resumed.train()
    final = read_state(str(tmp_path / "model_final.pth"))
    assert all(torch.equal(final[name], value) for name, value in resumed.net.state_dict().items())


def test_every_line_once_and_a_new_rate_is_taken(toy_datasets, tmp_path, caplog):
    # Killed before the first checkpoint: line 0 stood twice.
    schedule = ("SOLVER.LR_SCHEDULER_NAME", "WarmupMultiStepLR", "SOLVER.WARMUP_ITERS", 0)
    options = (*NO_VALIDATION, *schedule, "SOLVER.BASE_LR", 0.01)
    train(tmp_path, *options, stop_before=1)
    assert [line["iteration"] for line in lines(tmp_path)] == [0]
    # A checkpoint after every second step; that of step 3 comes before its line.
    train(tmp_path, *options, stop_before=4, resume=True)
    assert [line["iteration"] for line in lines(tmp_path)] == [0, 1, 2, 3]
    path = tmp_path / "metrics.json"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:3]) + '{"itera')
    changed = (*options, "SOLVER.BASE_LR", 0.004, "SOLVER.WEIGHT_DECAY", 0.5)
    trainer = train(tmp_path, *changed, resume=True)
    rows = lines(tmp_path)
    assert [row["iteration"] for row in rows] == list(range(8))
    assert [row["lr"] for row in rows] == [0.01] * 4 + [0.004] * 4
    assert {group["weight_decay"] for group in trainer.optimizer.param_groups} == {0.0, 0.5}
    assert "SOLVER.BASE_LR was 0.01 and is 0.004 from here on" in caplog.text
    # Started anew without --resume: the figures are those of the new training alone.
    train(tmp_path, *options, stop_before=2)
    assert [line["iteration"] for line in lines(tmp_path)] == [0, 1]
    assert len((tmp_path / "metrics.json.1").read_text().splitlines()) == 8
    assert (tmp_path / "last_checkpoint").read_text() == "model_0000001.pth"


RETINANET = (
    *("MODEL.META_ARCHITECTURE", "MultiViewRetinaNet", "MODEL.RETINANET.NUM_CLASSES", 1),
    *("MODEL.RETINANET.IN_FEATURES", ["p2", "p3", "p4", "p5", "p6"]),
)


def test_the_running_number_of_positives_of_retinanet_goes_on(toy_datasets, tmp_path):
    options = (*NO_VALIDATION, *RETINANET)
    train(tmp_path / "whole", *options, steps=4)
    train(tmp_path / "killed", *options, steps=4, stop_before=2)
    train(tmp_path / "killed", *options, steps=4, resume=True)
    whole, resumed = (
        [line["total_loss"] for line in lines(tmp_path / name)] for name in ("whole", "killed")
    )
    assert resumed == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("MODEL.AGN.FUSION", "paper"), "MODEL.AGN.FUSION was 'residual' in the checkpoint and is"),
        (("MODEL.AGN.ENABLED", False), "MODEL.AGN.ENABLED was True"),
        (("MODEL.ROI_BOX_HEAD.FC_DIM", 48), "another model.*MODEL.ROI_BOX_HEAD.FC_DIM was 32"),
        (("SOLVER.OPTIMIZER", "ADAMW"), "SOLVER.OPTIMIZER was 'SGD'"),
        (("SOLVER.BACKBONE_MULTIPLIER", 0.1), "SOLVER.BACKBONE_MULTIPLIER was 1.0"),
        (("SOLVER.MAX_ITER", 1), "has done 2 steps, but the training ends after 1"),
    ],
)
def test_what_does_not_fit_is_one_line_that_names_the_key(
    toy_datasets, tmp_path_factory, options, message
):
    output = tmp_path_factory.getbasetemp() / "refused"
    if not output.exists():
        train(output, *NO_VALIDATION, steps=2)
    trainer = AGNTrainer(make_cfg(output, *NO_VALIDATION, *options, steps=4))
    with pytest.raises(ValueError, match=f"--resume: .*{message}") as caught:
        trainer.resume_or_load(resume=True)
    assert "\n" not in str(caught.value)


def test_a_seed_stays_and_it_is_said(toy_datasets, tmp_path, caplog):
    train(tmp_path, *NO_VALIDATION, steps=2)
    trainer = AGNTrainer(make_cfg(tmp_path, *NO_VALIDATION, "SEED", 77, steps=4))
    trainer.resume_or_load(resume=True)
    assert trainer.sampler.seed == 5
    assert "SEED stays 5, not 77" in caplog.text


def test_the_best_so_far_is_read_from_a_checkpoint_of_a_former_version(toy_datasets, tmp_path):
    """Its hook was called Watch, and the keys of its config had other names."""
    train(tmp_path, steps=4)
    path = tmp_path / "model_0000003.pth"
    content = torch.load(path, weights_only=False)
    content["trainer"]["hooks"]["Watch"] = content["trainer"]["hooks"].pop("ValidationHook") | {
        "best": 0.125,
        "stalled": 3,
    }
    content["config"] = content["config"].replace("BACKBONE_MULTIPLIER", "BACKBONE_LR_FACTOR")
    torch.save(content, path)
    (tmp_path / "last_checkpoint").write_text(path.name)
    trainer = AGNTrainer(make_cfg(tmp_path, "SOLVER.BACKBONE_MULTIPLIER", 1.0, steps=6))
    trainer.resume_or_load(resume=True)
    (hook,) = (hook for hook in trainer._hooks if isinstance(hook, ValidationHook))
    assert (hook.best, hook.stalled) == (0.125, 3)


def test_rates_are_the_configs_and_momentum_is_the_checkpoints():
    def build(rate):
        weight = nn.Parameter(torch.ones(1))
        optimizer = torch.optim.SGD([weight], lr=rate, momentum=0.9)
        return weight, optimizer, torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)

    weight, optimizer, scheduler = build(1.0)
    for _ in range(2):
        weight.grad = torch.ones(1)
        optimizer.step()
        scheduler.step()
    states = optimizer.state_dict(), scheduler.state_dict()
    _, optimizer, scheduler = build(0.1)
    with rates_of_config(optimizer, scheduler):
        optimizer.load_state_dict(states[0])
        scheduler.load_state_dict(states[1])
    assert scheduler.base_lrs == [0.1]
    (buffer,) = (state["momentum_buffer"] for state in optimizer.state.values())
    # By hand: 1, then 0.9 * 1 + 1.
    assert float(buffer) == pytest.approx(1.9)


def test_other_groups_or_another_stage_are_refused():
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))] * 1, lr=0.1)
    saved = {"param_groups": [{"params": [0]}, {"params": [1, 2]}]}
    with pytest.raises(ValueError, match=r"groups of \[1, 2\] .* \[1\] now. SOLVER.A was 1"):
        check_optimizer(optimizer, saved, {"SOLVER.A": (1, 2), "MODEL.B": (1, 2)})
    stage = Stage("heads", 0, 9, 1.0, 0.1, ("heads",))
    check_place(5, 9, ["heads", 0], stage)
    check_place(5, 9, None, stage)
    with pytest.raises(ValueError, match="stage 'heads', which began at iteration 2.*from 0"):
        check_place(5, 9, ["heads", 2], stage)


def measured(tmp_path, first, values, state=None, patience=0):
    """Judge the values of some steps; returns the hook."""
    hook = ValidationHook(1, dict, "val_loss", patience)
    stopped = []
    hook.trainer = SimpleNamespace(
        net=nn.Linear(1, 1),
        cfg=CfgNode({"OUTPUT_DIR": str(tmp_path)}),
        stages=(),
        start_iter=first,
        stop_early=lambda: stopped.append(hook.state_dict()),
    )
    if state is not None:
        hook.load_state_dict(state)
    hook.before_train()
    with EventStorage():
        for hook.trainer.iter, value in enumerate(values, first):
            hook._judge({"val_loss": value})
    return hook, stopped


def kept(tmp_path):
    content = torch.load(tmp_path / "model_best.pth")
    return content["iteration"], content["val_loss"]


def test_a_worse_model_never_takes_the_place_of_the_best(tmp_path):
    # Checkpoint after step 1, kill after step 3.
    hook, _ = measured(tmp_path, 0, [0.9, 0.8])
    state = hook.state_dict()
    measured(tmp_path, 2, [0.7, 0.653], state)
    assert kept(tmp_path) == (3, 0.653)
    # The resumed training finds its way back; its first best is worse than what is kept.
    hook, _ = measured(tmp_path, 2, [0.668], state)
    assert hook.best == 0.668
    assert kept(tmp_path) == (3, 0.653)
    hook, _ = measured(tmp_path, 2, [0.7, 0.653, 0.7, 0.6], state)
    assert hook.stalled == 0
    assert kept(tmp_path) == (5, 0.6)


def test_the_best_of_a_training_that_is_not_resumed_is_no_measure(toy_datasets, tmp_path):
    trainer = SimpleNamespace(
        net=nn.Linear(1, 1), cfg=CfgNode({"OUTPUT_DIR": str(tmp_path)}), iter=7
    )
    # Better than any, and no checkpoint to go on from.
    save_weights(trainer, "model_best.pth", {"val_loss": -1.0})
    train(tmp_path, stop_before=4, resume=True)
    assert kept(tmp_path)[0] == 3


def test_a_damaged_best_model_is_replaced(tmp_path, caplog):
    measured(tmp_path, 0, [0.5])
    (tmp_path / "model_best.pth").write_bytes(b"half")
    measured(tmp_path, 1, [0.9])
    assert kept(tmp_path) == (1, 0.9)
    assert "model_best.pth is no whole checkpoint" in caplog.text


def test_the_best_of_another_metric_is_no_measure(tmp_path):
    trainer = SimpleNamespace(
        net=nn.Linear(1, 1), cfg=CfgNode({"OUTPUT_DIR": str(tmp_path)}), iter=7
    )
    save_weights(trainer, "model_best.pth", {"froc/recall@1": 0.01})
    state = {"metric": "froc/recall@1", "best": 0.01, "stalled": 2}
    hook, _ = measured(tmp_path, 8, [0.9], state)
    assert (hook.best, hook.stalled) == (0.9, 0)
    assert kept(tmp_path) == (8, 0.9)


def test_a_training_that_stopped_early_stops_again_with_the_same_count(tmp_path):
    hook, stopped = measured(tmp_path, 0, [0.5, 0.6, 0.7], patience=2)
    # What the last checkpoint holds is the state before the measurement that ended it.
    assert [state["stalled"] for state in stopped] == [1]
    hook, stopped = measured(tmp_path, 2, [0.7], stopped[0], patience=2)
    assert len(stopped) == 1
    assert hook.stalled == 2


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads /proc")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_a_training(toy_root, tmp_path, how):
    cfg = make_cfg(tmp_path, *NO_VALIDATION, steps=10_000)
    (tmp_path / "config.yaml").write_text(cfg.dump())
    command = [sys.executable, "-W", "ignore", str(ROOT / "tools/train_net.py")]
    command += ["--config-file", str(tmp_path / "config.yaml"), "DATALOADER.NUM_WORKERS", "2"]
    command += ["SOLVER.CHECKPOINT_PERIOD", "1"]
    process = subprocess.Popen(
        command,
        env=environment(toy_root),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + 120
        while not (tmp_path / "last_checkpoint").exists():
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.1)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert len(children) >= 2
        process.send_signal(how)
        assert process.wait(timeout=60) != 0
        # A loader's process looks for its parent every five seconds.
        end = time.monotonic() + 30
        while any(map(alive, children)) and time.monotonic() < end:
            time.sleep(0.1)
        assert not any(map(alive, children))
    finally:
        process.kill()
        process.wait()
    if how == signal.SIGINT:
        assert not list(tmp_path.glob(".*.part"))
