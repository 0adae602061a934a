"""Optimizers and clipping."""

import pytest
import torch
from detectron2.solver import build_lr_scheduler
from torch import nn

from agn_d2.engine.setup import load_cfg
from agn_d2.engine.solver import build_optimizer, check_solver, with_room_after_warmup

FULL_MODEL = (
    *("SOLVER.CLIP_GRADIENTS.ENABLED", "True"),
    *("SOLVER.CLIP_GRADIENTS.CLIP_TYPE", "full_model"),
    *("SOLVER.CLIP_GRADIENTS.CLIP_VALUE", "1.0"),
)


class Toy(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Module()
        self.backbone.bottom_up = nn.Linear(2, 2)
        self.backbone.agn = nn.Linear(2, 2)
        self.head = nn.Linear(2, 2)


def cfg(*opts):
    return load_cfg(None, ["SOLVER.BASE_LR", "1.0", "SOLVER.WEIGHT_DECAY", "0.0", *opts])


def rate_of(optimizer, parameter):
    return next(g["lr"] for g in optimizer.param_groups if any(p is parameter for p in g["params"]))


def test_learning_rate_factors():
    model = Toy()
    optimizer = build_optimizer(
        cfg("SOLVER.BACKBONE_MULTIPLIER", "0.1", "SOLVER.AGN_MULTIPLIER", "3.0"), model
    )
    assert rate_of(optimizer, model.backbone.bottom_up.weight) == pytest.approx(0.1)
    assert rate_of(optimizer, model.backbone.agn.bias) == pytest.approx(3.0)
    assert rate_of(optimizer, model.head.weight) == pytest.approx(1.0)


def test_factors_of_biases_and_of_parts_multiply():
    model = Toy()
    options = ("SOLVER.BACKBONE_MULTIPLIER", "0.1", "SOLVER.BIAS_LR_FACTOR", "2.0")
    optimizer = build_optimizer(cfg(*options), model)
    assert rate_of(optimizer, model.backbone.bottom_up.weight) == pytest.approx(0.1)
    assert rate_of(optimizer, model.backbone.bottom_up.bias) == pytest.approx(0.2)
    assert rate_of(optimizer, model.head.weight) == pytest.approx(1.0)
    assert rate_of(optimizer, model.head.bias) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("kind", "expected"), [("SGD", torch.optim.SGD), ("ADAMW", torch.optim.AdamW)]
)
def test_kinds(kind, expected):
    assert isinstance(build_optimizer(cfg("SOLVER.OPTIMIZER", kind), Toy()), expected)


def test_adamw_of_the_cpu_is_fused_where_pytorch_has_it(monkeypatch):
    options = ("SOLVER.OPTIMIZER", "ADAMW", "MODEL.DEVICE")
    monkeypatch.setattr(torch, "__version__", "2.3.1+cpu")
    assert not build_optimizer(cfg(*options, "cpu"), Toy()).defaults["fused"]
    monkeypatch.setattr(torch, "__version__", "2.10.0+cpu")
    assert build_optimizer(cfg(*options, "cpu"), Toy()).defaults["fused"]
    assert not build_optimizer(cfg(*options, "cuda"), Toy()).defaults["fused"]


def test_unknown_kind():
    with pytest.raises(ValueError, match="SOLVER.OPTIMIZER must be SGD or ADAMW, got 'LION'"):
        build_optimizer(cfg("SOLVER.OPTIMIZER", "LION"), Toy())


def test_clipping_is_global():
    """Two parameters of gradient norms 3 and 4: together 5, so each is divided by 5."""
    model = nn.ParameterDict({name: nn.Parameter(torch.zeros(1)) for name in "ab"})
    optimizer = build_optimizer(cfg("SOLVER.MOMENTUM", "0.0", *FULL_MODEL), model)
    model["a"].grad, model["b"].grad = torch.tensor([3.0]), torch.tensor([4.0])
    optimizer.step()
    assert model["a"].item() == pytest.approx(-0.6, abs=1e-5)
    assert model["b"].item() == pytest.approx(-0.8, abs=1e-5)


def test_the_kind_of_norm_is_that_of_the_key():
    """The 1-norm of 3 and 4 is 7, so each is divided by 7."""
    model = nn.ParameterDict({name: nn.Parameter(torch.zeros(1)) for name in "ab"})
    options = ("SOLVER.MOMENTUM", "0.0", *FULL_MODEL, "SOLVER.CLIP_GRADIENTS.NORM_TYPE", "1.0")
    optimizer = build_optimizer(cfg(*options), model)
    model["a"].grad, model["b"].grad = torch.tensor([3.0]), torch.tensor([4.0])
    optimizer.step()
    assert model["a"].item() == pytest.approx(-3 / 7, abs=1e-5)


def test_detectron2_clips_each_parameter_by_itself():
    model = nn.ParameterDict({name: nn.Parameter(torch.zeros(1)) for name in "ab"})
    options = ("SOLVER.MOMENTUM", "0.0", *FULL_MODEL, "SOLVER.CLIP_GRADIENTS.CLIP_TYPE", "norm")
    optimizer = build_optimizer(cfg(*options), model)
    model["a"].grad, model["b"].grad = torch.tensor([3.0]), torch.tensor([0.5])
    optimizer.step()
    assert model["a"].item() == pytest.approx(-1.0, abs=1e-5)
    assert model["b"].item() == pytest.approx(-0.5, abs=1e-5)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("CLIP_TYPE", "all", "CLIP_TYPE must be one of value, norm, full_model, got 'all'"),
        (
            "CLIP_VALUE",
            0.0,
            "CLIP_VALUE must be above 0, got 0.0; for no clipping: ",
        ),
    ],
)
def test_clipping_that_would_not_do_is_refused(key, value, message):
    clipped = cfg(*FULL_MODEL)
    check_solver(clipped)
    clipped.SOLVER.CLIP_GRADIENTS[key] = value
    with pytest.raises(ValueError, match=message):
        check_solver(clipped)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("MAX_ITER", 0),
        ("BASE_LR", 0.0),
        ("BASE_LR", float("nan")),
        ("BASE_LR", -1.0),
        ("IMS_PER_BATCH", 0),
        ("CHECKPOINT_PERIOD", 0),
    ],
)
def test_a_training_that_could_not_learn_is_refused_by_the_key(key, value):
    cfg = load_cfg(None)
    check_solver(cfg)
    cfg.SOLVER[key] = value
    with pytest.raises(ValueError, match=rf"SOLVER\.{key} must be .*, got {value}"):
        check_solver(cfg)


@pytest.mark.parametrize(("warmup", "steps", "used"), [(200, 140, 70), (70, 140, 70), (5, 1, 0)])
def test_a_warmup_leaves_half_of_the_training(warmup, steps, used, caplog):
    cfg = load_cfg(None)
    cfg.SOLVER.LR_SCHEDULER_NAME = "WarmupCosineLR"
    cfg.SOLVER.WARMUP_ITERS, cfg.SOLVER.MAX_ITER, cfg.SOLVER.STEPS = warmup, steps, ()
    found = with_room_after_warmup(cfg)
    assert used == found.SOLVER.WARMUP_ITERS and warmup == cfg.SOLVER.WARMUP_ITERS
    said = f"WARMUP_ITERS {warmup} is more than half of the {steps} steps of SOLVER.MAX_ITER"
    assert (said in caplog.text) == (used != warmup)
    # What it is for: the rate is reached.
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=cfg.SOLVER.BASE_LR)
    scheduler = build_lr_scheduler(found, optimizer)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert max(rates) >= cfg.SOLVER.BASE_LR / 2


def test_stages_have_lengths_and_rates_of_their_own():
    cfg = load_cfg(None)
    cfg.SOLVER.STAGES = [{"NAME": "a", "EPOCHS": 1, "LR": 0.1, "TRAIN": ["all"]}]
    cfg.SOLVER.MAX_ITER, cfg.SOLVER.BASE_LR = 0, 0.0
    check_solver(cfg)
