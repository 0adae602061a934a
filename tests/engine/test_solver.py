"""Optimizers and clipping."""

import pytest
import torch
from torch import nn

from agn_d2.engine.setup import load_cfg
from agn_d2.engine.solver import build_optimizer, check_solver


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
        cfg("SOLVER.BACKBONE_LR_FACTOR", "0.1", "SOLVER.AGN_LR_FACTOR", "3.0"), model
    )
    assert rate_of(optimizer, model.backbone.bottom_up.weight) == pytest.approx(0.1)
    assert rate_of(optimizer, model.backbone.agn.bias) == pytest.approx(3.0)
    assert rate_of(optimizer, model.head.weight) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("kind", "expected"), [("SGD", torch.optim.SGD), ("ADAMW", torch.optim.AdamW)]
)
def test_kinds(kind, expected):
    assert isinstance(build_optimizer(cfg("SOLVER.OPTIMIZER", kind), Toy()), expected)


def test_unknown_kind():
    with pytest.raises(ValueError, match="SOLVER.OPTIMIZER must be SGD or ADAMW, got 'LION'"):
        build_optimizer(cfg("SOLVER.OPTIMIZER", "LION"), Toy())


def test_clipping_is_global():
    """Two parameters of gradient norms 3 and 4: together 5, so each is divided by 5."""
    model = nn.ParameterDict({name: nn.Parameter(torch.zeros(1)) for name in "ab"})
    optimizer = build_optimizer(
        cfg("SOLVER.MOMENTUM", "0.0", "SOLVER.MAX_GRADIENT_NORM", "1.0"), model
    )
    model["a"].grad, model["b"].grad = torch.tensor([3.0]), torch.tensor([4.0])
    optimizer.step()
    assert model["a"].item() == pytest.approx(-0.6, abs=1e-5)
    assert model["b"].item() == pytest.approx(-0.8, abs=1e-5)


def test_two_kinds_of_clipping_are_refused():
    with pytest.raises(ValueError, match="not both"):
        build_optimizer(
            cfg("SOLVER.MAX_GRADIENT_NORM", "1.0", "SOLVER.CLIP_GRADIENTS.ENABLED", "True"), Toy()
        )


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


def test_stages_have_lengths_and_rates_of_their_own():
    cfg = load_cfg(None)
    cfg.SOLVER.STAGES = [{"NAME": "a", "EPOCHS": 1, "LR": 0.1, "TRAIN": ["all"]}]
    cfg.SOLVER.MAX_ITER, cfg.SOLVER.BASE_LR = 0, 0.0
    check_solver(cfg)
