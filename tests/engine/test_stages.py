"""Stages: the plan, what moves in which stage, and a kill in the middle of one."""

import json

import pytest
import torch
from detectron2.engine import HookBase
from detectron2.modeling import META_ARCH_REGISTRY

from agn_d2.engine import AGNTrainer
from agn_d2.engine.setup import load_cfg
from agn_d2.engine.stages import hold_frozen_statistics, plan_stages, trained_parameters

STAGES = [
    {"NAME": "heads", "EPOCHS": 1, "LR": 0.001, "TRAIN": ["heads", "fpn"]},
    {"NAME": "detector", "EPOCHS": 2, "LR": 0.0005, "TRAIN": ["bottom_up", "heads", "fpn"]},
    {"NAME": "agn", "EPOCHS": 1, "LR": 0.001, "TRAIN": ["agn"]},
]


def small_cfg(output, *options, stages=STAGES):
    return load_cfg(
        "configs/agrcnn_phantom_demo.yaml",
        [
            *("INPUT.SIZE", "(96, 64)", "MODEL.DEVICE", "cpu", "OUTPUT_DIR", str(output)),
            *("MODEL.TIMM.WEIGHTS", "", "MODEL.AGN.BGN.PRIOR", "", "SOLVER.AMP.ENABLED", "False"),
            *("DATALOADER.NUM_WORKERS", "0", "DATASETS.TEST", "()", "SOLVER.IMS_PER_BATCH", "3"),
            *("DATALOADER.EXAMINED_PER_CASE", "1", "MODEL.MASK_ON", "False"),
            *("SOLVER.STAGES", str(stages), "SOLVER.CHECKPOINT_PERIOD", "4"),
            *map(str, options),
        ],
    )


class Watch(HookBase):
    """Losses of each step, the weights at the end of each stage; a kill on request."""

    def __init__(self, kill_at=None):
        self.losses, self.weights, self.kill_at = {}, {}, kill_at

    def before_step(self):
        if self.trainer.iter == self.kill_at:
            raise KeyboardInterrupt

    def after_step(self):
        trainer = self.trainer
        self.losses[trainer.iter] = trainer.storage.latest()["total_loss"][0]
        if trainer.iter + 1 == trainer.stage.end:
            self.weights[trainer.stage.name] = copy_of(trainer.net)
            frozen = [p for p in trainer.net.parameters() if not p.requires_grad]
            assert all(p.grad is None for p in frozen)


def copy_of(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def train(output, *, kill_at=None, resume=False):
    trainer = AGNTrainer(small_cfg(output))
    trainer.resume_or_load(resume)
    watch = Watch(kill_at)
    trainer.register_hooks([watch])
    watch.weights["begin"] = copy_of(trainer.net)
    if kill_at is None:
        trainer.train()
    else:
        with pytest.raises(KeyboardInterrupt):
            trainer.train()
    return watch


def moved(before, after):
    """Groups of the state, with its statistics, that differ."""
    groups = ("bottom_up", "agn", "fpn", "proposal_generator", "roi_heads")
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    return {group for group in groups if any(group in name for name in changed)}


def test_stages_train_what_they_say_and_a_kill_changes_nothing(toy_datasets, tmp_path):
    torch.manual_seed(7)
    whole = train(tmp_path / "whole")
    heads = {"fpn", "proposal_generator", "roi_heads"}
    weights = whole.weights
    assert moved(weights["begin"], weights["heads"]) == heads
    assert moved(weights["heads"], weights["detector"]) == heads | {"bottom_up"}
    assert moved(weights["detector"], weights["agn"]) == {"agn"}
    mean = "backbone.bottom_up.net.bn1.running_mean"
    assert torch.equal(weights["begin"][mean], weights["heads"][mean])
    assert not torch.equal(weights["heads"][mean], weights["detector"][mean])
    assert sorted(whole.losses) == list(range(12))

    # Stage 2 lasts from 3 to 9; the last checkpoint before the kill is that after step 3.
    torch.manual_seed(7)
    killed = train(tmp_path / "killed", kill_at=6)
    resumed = train(tmp_path / "killed", resume=True)
    assert sorted(killed.losses) == list(range(6))
    # Hooks behind the checkpointer see the checkpoint's own step again.
    assert sorted(resumed.losses) == list(range(3, 12))
    for part in (killed, resumed):
        for iteration, loss in part.losses.items():
            assert loss == pytest.approx(whole.losses[iteration], rel=1e-4), iteration
    # The draws count: no two steps are alike, or the comparison would say nothing.
    assert len({round(loss, 6) for loss in whole.losses.values()}) == 12
    assert (tmp_path / "killed/stage_detector.pth").is_file()
    lines = [json.loads(line) for line in (tmp_path / "whole/metrics.json").open()]
    assert lines[-1]["stage"] == 2
    assert lines[-1]["epoch"] == pytest.approx(4)


@META_ARCH_REGISTRY.register()
class HeadAlone(torch.nn.Module):
    """A detector that has no part by the name of backbone."""

    def __init__(self, cfg):
        super().__init__()
        self.head = torch.nn.Linear(2, 2)
        self.body = torch.nn.Linear(2, 2)


def test_a_training_without_stages_leaves_room_after_its_warmup(toy_datasets, tmp_path, caplog):
    options = ("MODEL.META_ARCHITECTURE", "HeadAlone", "MODEL.AGN.ENABLED", "False")
    steps = ("SOLVER.MAX_ITER", "40", "SOLVER.WARMUP_ITERS", "1000", "SOLVER.STEPS", "(30,)")
    steps += ("SOLVER.LR_SCHEDULER_NAME", "WarmupMultiStepLR")
    trainer = AGNTrainer(small_cfg(tmp_path, *options, *steps, stages=[]))
    rates = []
    for _ in range(40):
        rates.append(trainer.optimizer.param_groups[0]["lr"])
        trainer.optimizer.step()
        trainer.scheduler.step()
    rate = trainer.cfg.SOLVER.BASE_LR
    assert rates[19] < rate and rates[20:30] == [pytest.approx(rate)] * 10
    assert rates[30] == pytest.approx(0.1 * rate)
    assert "SOLVER.WARMUP_ITERS 1000 is more than half of the 40 steps" in caplog.text


def test_a_detector_without_a_backbone_has_stages_too(toy_datasets, tmp_path):
    options = ("MODEL.META_ARCHITECTURE", "HeadAlone", "MODEL.AGN.ENABLED", "False")
    stages = [{"NAME": "heads", "EPOCHS": 1, "LR": 0.001, "TRAIN": ["heads"]}]
    trainer = AGNTrainer(small_cfg(tmp_path, *options, stages=stages))
    assert trainer.net.head.weight.requires_grad and not trainer.net.body.weight.requires_grad


def plan(stages, images=1107, batch=2):
    options = ["SOLVER.STAGES", str(stages), "SOLVER.IMS_PER_BATCH", str(batch)]
    return plan_stages(load_cfg(None, options), images)


def test_detectron2s_scaling_to_the_processes_reaches_the_rates_of_the_stages():
    stages = [
        {"NAME": n, "EPOCHS": 1, "LR": lr, "TRAIN": ["all"]}
        for n, lr in (("a", 0.02), ("b", 0.002))
    ]
    options = ["SOLVER.REFERENCE_WORLD_SIZE", "8", "SOLVER.IMS_PER_BATCH", "16"]
    cfg = load_cfg(None, [*options, "SOLVER.BASE_LR", "0.02", "SOLVER.STAGES", str(stages)])
    cfg.freeze()
    # A quarter of the processes: a quarter of the batch, and of each rate.
    scaled = AGNTrainer.auto_scale_workers(cfg, 2)
    assert scaled.SOLVER.IMS_PER_BATCH == 4
    assert scaled.SOLVER.BASE_LR == 0.005
    assert [stage["LR"] for stage in scaled.SOLVER.STAGES] == [0.005, 0.0005]
    assert scaled.is_frozen()
    assert [stage["LR"] for stage in cfg.SOLVER.STAGES] == [0.02, 0.002]
    assert AGNTrainer.auto_scale_workers(cfg, 8) is cfg
    assert AGNTrainer.auto_scale_workers(load_cfg(None), 2).SOLVER.STAGES == []


def test_epochs_become_iterations_without_adding_up_roundings():
    # By hand: 553.5 iterations an epoch; 1, 2 and 3 epochs end at 553.5, 1107 and 1660.5.
    stages = plan([{"NAME": n, "EPOCHS": 1, "LR": 1.0, "TRAIN": ["all"]} for n in "abc"])
    assert [(s.start, s.end) for s in stages] == [(0, 554), (554, 1107), (1107, 1661)]
    assert plan([]) == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"EPOCH": 3}, r"STAGES\[0\]: unknown keys \['EPOCH'\]"),
        ({"LR": None}, r"LR must be a positive number, got None"),
        ({"EPOCHS": 0}, "EPOCHS must be a positive number, got 0"),
        ({"NAME": "a/b"}, "NAME must be a word"),
        ({"TRAIN": "heads"}, "TRAIN must be a list"),
    ],
)
def test_a_wrong_stage_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        plan([STAGES[0] | change])
    with pytest.raises(ValueError, match="missing keys"):
        plan([{"NAME": "a"}])
    with pytest.raises(ValueError, match="a second stage with the name 'heads'"):
        plan([STAGES[0], STAGES[0]])


class Toy(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = torch.nn.Module()
        self.backbone.bottom_up = torch.nn.Sequential(
            torch.nn.Conv2d(1, 2, 1), torch.nn.BatchNorm2d(2), torch.nn.Dropout(0.5)
        )
        self.roi_heads = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "trains nothing"),
        (["bottom_up"], "trains nothing.*FREEZE_AT"),
        (["agn"], "no such parameters; MODEL.AGN.ENABLED is False"),
        (["haeds"], "'haeds', but the model has no such"),
    ],
)
def test_a_stage_that_trains_nothing_is_refused(words, message):
    model = Toy()
    fixed = frozenset(n for n, _ in model.named_parameters() if "bottom_up" in n)
    (stage,) = plan([STAGES[0] | {"TRAIN": words}])
    with pytest.raises(ValueError, match=message):
        trained_parameters(model, stage, fixed)
    (stage,) = plan([STAGES[0] | {"TRAIN": ["all"]}])
    assert trained_parameters(model, stage, fixed) == [
        f"roi_heads.{name}" for name in ("0.weight", "0.bias", "1.weight", "1.bias")
    ]


def test_frozen_parts_hold_their_statistics_and_drop_nothing():
    model = Toy()
    model.backbone.requires_grad_(False)
    model.roi_heads[1].requires_grad_(False)
    hold_frozen_statistics(model)
    assert not any(module.training for module in model.backbone.bottom_up.modules())
    assert model.roi_heads.training
    assert not model.roi_heads[1].training
