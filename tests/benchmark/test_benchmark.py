"""The benchmark compares equal work, and counts it right."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from detectron2.modeling import GeneralizedRCNN, RetinaNet

from agn_d2.benchmark.measure import interleaved_times, peak_memory
from agn_d2.benchmark.report import Row, markdown_table, time_ratio
from agn_d2.benchmark.subjects import STOCK, build_subjects, stock_cfg

from ..modeling.tiny_model import (
    RETINA,
    assert_same_detections,
    counted_images,
    detect,
    losses,
    make_cfg,
)

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def subjects():
    return build_subjects(make_cfg("MODEL.MASK_ON", True), 64, channels_last=True)


def test_stock_is_detectron2_itself(subjects):
    stock, case, alone = subjects
    assert type(stock.model) is GeneralizedRCNN
    assert type(stock.model.backbone).__module__.startswith("detectron2.")
    assert case.model is alone.model and case.model is not stock.model
    retina = stock_cfg(make_cfg(kind=RETINA))
    assert RetinaNet.__name__ == retina.MODEL.META_ARCHITECTURE


def test_all_do_equal_work_on_the_heads(subjects):
    """Same detections and same losses: what differs in cost is the graph and its views."""
    expected = detect(subjects[0].model, subjects[0].batches[0])
    for subject in subjects[1:]:
        found = [one for batch in subject.batches for one in detect(subject.model, batch)]
        assert_same_detections(found, expected)
    stock, ours = (losses(s.model, s.batches[0]) for s in subjects[:2])
    assert set(stock) == set(ours) and "loss_mask" in stock
    for name in stock:
        torch.testing.assert_close(stock[name], ours[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("architecture", ["MultiViewRetinaNet", "MultiViewFCOS"])
def test_dense_detectors_do_equal_work_too(architecture):
    kind = RETINA.replace("MultiViewRetinaNet", architecture)
    stock, case, _ = build_subjects(make_cfg(kind=kind), 64, channels_last=True)
    assert not getattr(stock.model.backbone, "reads_context", False)
    assert_same_detections(
        detect(case.model, case.batches[0]), detect(stock.model, stock.batches[0])
    )
    ours, theirs = (losses(s.model, s.batches[0]) for s in (case, stock))
    assert ours.keys() == theirs.keys()
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-4, atol=1e-5)


def test_views_that_pass_the_backbone(subjects):
    passes = []
    for subject in subjects:
        with counted_images(subject.model) as counts:
            subject.infer(None)
        passes.append((sum(counts), subject.images))
    # Stock and a case of four: one pass an image. One at a time: three views for each image.
    assert passes == [(4, 4), (4, 4), (12, 4)]


def test_a_training_step_has_gradients_and_leaves_the_weights(subjects):
    for subject in subjects[:2]:
        subject.model.train()
        before = {name: p.clone() for name, p in subject.model.named_parameters()}
        subject.trainer(torch.bfloat16)()
        used = [p.grad is not None and bool(p.grad.any()) for p in subject.model.parameters()]
        assert sum(used) > len(used) / 2
        for name, parameter in subject.model.named_parameters():
            torch.testing.assert_close(parameter, before[name], rtol=0, atol=1e-6)


def test_a_config_without_a_graph_is_refused():
    with pytest.raises(
        ValueError, match=r"with MODEL\.AGN\.ENABLED True .* it has False and MultiViewRCNN"
    ):
        build_subjects(make_cfg("MODEL.AGN.ENABLED", False), 64, channels_last=False)


def test_runs_take_turns_and_the_warm_up_is_not_counted():
    order, ticks = [], itertools.count(step=2.0)
    runs = {name: lambda n=name: order.append(n) for name in ("a", "b")}
    times = interleaved_times(runs, warmup=1, repeats=2, device="cpu", clock=lambda: next(ticks))
    assert order == ["a", "b"] * 3
    assert times == {"a": [2.0, 2.0], "b": [2.0, 2.0]}


def test_no_round_at_all_is_refused():
    with pytest.raises(ValueError, match="at least one round must be counted, got 0"):
        interleaved_times({"a": lambda: None}, warmup=1, repeats=0, device="cpu")


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux' /proc")
def test_peak_memory_sees_what_is_freed_before_the_end():
    def run():
        block = np.ones(64 * 2**20, dtype=np.uint8)
        assert block[-1]

    small = peak_memory(lambda: None, "cpu")
    assert 60 < peak_memory(run, "cpu") - small < 80


def test_the_gpu_that_runs_is_the_one_that_is_waited_for_and_measured(monkeypatch):
    asked = []
    for name, value in {
        "synchronize": None,
        "reset_peak_memory_stats": None,
        "memory_allocated": 2**20,
        "max_memory_allocated": 3 * 2**20,
    }.items():

        def answer(device=None, name=name, value=value):
            asked.append((name, device))
            return value

        monkeypatch.setattr(torch.cuda, name, answer)
    interleaved_times({"a": lambda: None}, warmup=0, repeats=1, device="cuda:1")
    assert peak_memory(lambda: None, "cuda:1") == 2
    assert {name for name, _ in asked} >= {"synchronize", "max_memory_allocated"}
    assert {device for _, device in asked} == {"cuda:1"}


def test_ratio_is_taken_within_a_round():
    # A round that was slow for both says nothing: ratios 2, 1, 1.5, 1, 4.
    ratio, (low, high) = time_ratio([2, 10, 3, 2, 8], [1, 10, 2, 2, 2])
    assert (ratio, low, high) == (1.5, 1.0, 2.0)


def test_table():
    row = Row("c", 512, "float32", "inference", STOCK, 0.25, [0.25], 1.0, (1.0, 1.0), None, None)
    header, rule, line = markdown_table([row]).splitlines()
    assert header.count("|") == rule.count("|") == line.count("|") == 11
    assert line.split(" | ")[5:] == ["0.250", "1.00", "1.00–1.00", "–", "– |"]


def test_the_tool_writes_its_figures(tmp_path):
    path = tmp_path / "figures.json"
    command = [sys.executable, "-W", "ignore", str(ROOT / "tools/benchmark.py")]
    command += ["--config-file", str(ROOT / "configs/agrcnn_phantom_demo.yaml")]
    command += ["--sizes", "64", "--device", "cpu", "--repeats", "1", "--warmup", "0"]
    command += ["--json", str(path), "--modes", "inference", "--threads", "1"]
    env = os.environ | {"PYTHONPATH": str(ROOT), "DETECTRON2_DATASETS": str(tmp_path / "none")}
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    figures = json.loads(path.read_text())
    assert [row["ratio"] for row in figures["rows"]][0] == 1.0
    assert len(figures["rows"]) == 3 and figures["machine"]["threads"] == 1
    assert "| agrcnn_phantom_demo | 64 | float32 | inference |" in done.stdout
