"""A training in stages: what trains when, and for how many iterations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from detectron2.config import CfgNode
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

_BOTTOM_UP = "backbone.bottom_up."
# Words of TRAIN -> beginnings of parameter names. Anything else is a beginning itself.
GROUPS: dict[str, tuple[str, ...]] = {
    "all": ("",),
    # Detectron2's R-CNN and RetinaNet.
    "heads": ("proposal_generator.", "roi_heads.", "head."),
    "fpn": ("backbone.fpn_", "backbone.top_block."),
    "agn": ("backbone.agn.",),
    "bottom_up": (_BOTTOM_UP,),
    # Detectron2's ResNet, and most networks of timm.
    "stem": tuple(
        _BOTTOM_UP + name for name in ("stem.", "net.conv_stem.", "net.conv1.", "net.bn1.")
    ),
    # The same blocks of Detectron2's and of timm's ResNet.
} | {f"res{n}": (f"{_BOTTOM_UP}res{n}.", f"{_BOTTOM_UP}net.layer{n - 1}.") for n in range(2, 6)}
KEYS = ("NAME", "EPOCHS", "LR", "TRAIN")


@dataclass(frozen=True)
class Stage:
    """One stage of ``SOLVER.STAGES``.

    Attributes:
        name: for log, metrics and the checkpoint ``stage_<name>.pth`` at its end.
        start, end: iterations, ``start`` included, ``end`` not.
        epochs: its length.
        lr: learning rate after the warm-up.
        train: words of ``GROUPS`` or beginnings of parameter names.
    """

    name: str
    start: int
    end: int
    epochs: float
    lr: float
    train: tuple[str, ...]


def plan_stages(cfg: CfgNode, images: int) -> tuple[Stage, ...]:
    """The stages of ``SOLVER.STAGES`` in iterations; none if the list is empty.

    Ends are rounded from the sum of the epochs so far, so that roundings do not add up.

    Args:
        cfg: the config.
        images: examined images of an epoch, over all processes.

    Raises:
        ValueError: unknown or missing keys, a name twice, or values out of range.
    """
    stages: list[Stage] = []
    epochs = 0.0
    for number, entry in enumerate(cfg.SOLVER.STAGES):
        where = f"SOLVER.STAGES[{number}]"
        _check_entry(where, entry)
        if entry["NAME"] in {stage.name for stage in stages}:
            raise ValueError(f"{where}: a second stage with the name {entry['NAME']!r}")
        epochs += entry["EPOCHS"]
        start = stages[-1].end if stages else 0
        end = max(start + 1, math.ceil(epochs * images / cfg.SOLVER.IMS_PER_BATCH - 1e-9))
        train = tuple(entry["TRAIN"])
        stages.append(Stage(entry["NAME"], start, end, entry["EPOCHS"], entry["LR"], train))
    return tuple(stages)


def scale_rates(entries: Sequence[object], factor: float) -> list[dict[str, object]]:
    """The list of ``SOLVER.STAGES`` with all learning rates multiplied.

    Raises:
        ValueError: unknown or missing keys, or values out of range.
    """
    for number, entry in enumerate(entries):
        _check_entry(f"SOLVER.STAGES[{number}]", entry)
    return [entry | {"LR": entry["LR"] * factor} for entry in entries]


def stage_at(stages: Sequence[Stage], iteration: int) -> Stage:
    """The stage of an iteration; the last one after the end."""
    return next((stage for stage in stages if iteration < stage.end), stages[-1])


def stage_cfg(cfg: CfgNode, stage: Stage) -> CfgNode:
    """The config that optimizer and schedule of one stage are built from.

    ``SOLVER.STEPS`` counts iterations of a whole training and is left out; the warm-up is that
    of the config, half of the stage at most.
    """
    cfg = cfg.clone()
    cfg.defrost()
    cfg.SOLVER.BASE_LR = stage.lr
    cfg.SOLVER.MAX_ITER = stage.end - stage.start
    cfg.SOLVER.STEPS = ()
    cfg.SOLVER.WARMUP_ITERS = min(cfg.SOLVER.WARMUP_ITERS, (stage.end - stage.start) // 2)
    cfg.freeze()
    return cfg


def trained_parameters(model: nn.Module, stage: Stage, fixed: frozenset[str]) -> list[str]:
    """Names of the parameters that a stage trains.

    Args:
        model: the detector.
        stage: the stage.
        fixed: parameters that the model's own config froze (``BACKBONE.FREEZE_AT``).

    Raises:
        ValueError: a word of TRAIN fits no parameter, or nothing is left to train.
    """
    names = [name for name, _ in model.named_parameters()]
    for word in stage.train:
        if not any(name.startswith(GROUPS.get(word, (word,))) for name in names):
            agn = "; MODEL.AGN.ENABLED is False" if word == "agn" else ""
            raise ValueError(
                f"SOLVER.STAGES: stage {stage.name!r} trains {word!r}, but the model has no such "
                f"parameters{agn}. Known: {sorted(GROUPS)}, or the beginning of a parameter's name"
            )
    prefixes = tuple(prefix for word in stage.train for prefix in GROUPS.get(word, (word,)))
    trained = [n for n in names if n not in fixed and prefixes and n.startswith(prefixes)]
    if not trained:
        raise ValueError(
            f"SOLVER.STAGES: stage {stage.name!r} trains nothing: TRAIN is {list(stage.train)}"
            + (", and MODEL.BACKBONE.FREEZE_AT freezes all of it" if stage.train else "")
        )
    return trained


def freeze_all_but(model: nn.Module, trained: Sequence[str]) -> None:
    """Let gradients be computed for the named parameters only."""
    wanted = set(trained)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in wanted)
        if name not in wanted:
            parameter.grad = None


def hold_frozen_statistics(model: nn.Module) -> None:
    """Put frozen parts into eval mode: their statistics stay, and nothing is dropped.

    Batch normalization whose parameters are all frozen, and the bottom-up network if it is
    frozen as a whole. To be called whenever something may have called ``model.train()``. Heads
    stay in training mode: it is what makes them compute losses.
    """
    bottom_up = getattr(getattr(model, "backbone", None), "bottom_up", None)
    if bottom_up is not None and _is_frozen(bottom_up):
        bottom_up.eval()
    for module in model.modules():
        if isinstance(module, _BatchNorm) and _is_frozen(module):
            module.eval()


def frozen_groups(model: nn.Module) -> tuple[list[str], list[str]]:
    """Words of ``GROUPS`` (but "all") with something that trains, and those without."""
    trained, frozen = [], []
    for word, prefixes in GROUPS.items():
        flags = [p.requires_grad for n, p in model.named_parameters() if n.startswith(prefixes)]
        if flags and word != "all":
            (trained if any(flags) else frozen).append(word)
    return trained, frozen


def _is_frozen(module: nn.Module) -> bool:
    flags = [parameter.requires_grad for parameter in module.parameters()]
    return bool(flags) and not any(flags)


def _check_entry(where: str, entry: object) -> None:
    if not isinstance(entry, Mapping):
        raise ValueError(f"{where} must have the keys {list(KEYS)}, got {entry!r}")
    unknown, missing = sorted(set(entry) - set(KEYS)), sorted(set(KEYS) - set(entry))
    if unknown or missing:
        raise ValueError(f"{where}: unknown keys {unknown}, missing keys {missing}")
    name, train = entry["NAME"], entry["TRAIN"]
    if not isinstance(name, str) or not name.replace("-", "_").isidentifier():
        raise ValueError(f"{where}: NAME must be a word (it names a file), got {name!r}")
    for key in ("EPOCHS", "LR"):
        value = entry[key]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
            raise ValueError(f"{where} ({name}): {key} must be a positive number, got {value!r}")
    if not isinstance(train, (list, tuple)) or not all(isinstance(w, str) and w for w in train):
        raise ValueError(f"{where} ({name}): TRAIN must be a list of words, got {train!r}")
