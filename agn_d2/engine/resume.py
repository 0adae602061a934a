"""What a resumed training takes from its checkpoint, and what from its config."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from detectron2.engine import AMPTrainer
from detectron2.utils import comm
from torch.optim.lr_scheduler import LRScheduler

from .checkpoint_fit import describe
from .stages import Stage
from .validation import ValidationHook
from .writers import MetricsFiles

# Checkpoints name the state of a hook by its class.
_FORMER_HOOKS = {"Watch": ValidationHook.__qualname__}


@contextlib.contextmanager
def rates_of_config(optimizer: torch.optim.Optimizer, scheduler: LRScheduler) -> Iterator[None]:
    """Let optimizer and scheduler take up their states within, but not their old rates.

    Detectron2 takes ``SOLVER.MAX_ITER`` and ``STEPS`` of a resumed training from the config but
    ``BASE_LR``, momentum and weight decay from the checkpoint. Here all of them are the config's;
    where it has not changed they are equal.

    Args:
        optimizer: as it was built from the config.
        scheduler: Detectron2's scheduler; its rates are functions of the iteration alone.
    """
    own = [{k: v for k, v in g.items() if k != "params"} for g in optimizer.param_groups]
    base_rates = list(scheduler.base_lrs)
    yield
    scheduler.base_lrs = base_rates
    for group, values, rate in zip(optimizer.param_groups, own, scheduler.get_lr(), strict=True):
        group.update(values | {"lr": rate})


def resolve_state(trainer: Any, state: dict[str, Any]) -> bool:
    """Check the state of a checkpoint's trainer, and make it one that this trainer can take up.

    Args:
        trainer: an ``AGNTrainer`` in the stage of the checkpoint.
        state: the trainer's state in the checkpoint; changed in place.

    Returns:
        Whether the state holds the figures of its last step, which is then still to be measured
        and written.

    Raises:
        ValueError: the checkpoint is of another plan or another optimizer.
    """
    check_place(state["iteration"] + 1, trainer.max_iter, state.get("stage"), trainer.stage)
    part, own = state["_trainer"], trainer._trainer
    check_optimizer(own.optimizer, part["optimizer"], trainer.checkpointer.changed)
    if isinstance(own, AMPTrainer):
        # Mixed precision may be switched on for the rest of a training.
        part.setdefault("grad_scaler", own.grad_scaler.state_dict())
    hooks = state.setdefault("hooks", {})
    for former, present in _FORMER_HOOKS.items():
        if former in hooks:
            hooks[present] = hooks.pop(former)
    unfinished = MetricsFiles.__qualname__ in hooks
    if not comm.is_main_process():
        # Only the main process writes.
        hooks.pop(MetricsFiles.__qualname__, None)
    return unfinished


def check_optimizer(
    optimizer: torch.optim.Optimizer,
    saved: Mapping[str, Any],
    changed: Mapping[str, tuple[Any, Any]],
) -> None:
    """The optimizer of a checkpoint must have the same parameters in the same groups.

    Args:
        optimizer: as it was built from the config.
        saved: its state in the checkpoint.
        changed: keys that differ from the checkpoint's config.

    Raises:
        ValueError: other groups; names the keys of SOLVER that were changed.
    """
    theirs = [len(group["params"]) for group in saved["param_groups"]]
    own = [len(group["params"]) for group in optimizer.param_groups]
    if theirs == own:
        return
    known = describe({key: pair for key, pair in changed.items() if key.startswith("SOLVER.")})
    raise ValueError(
        f"--resume: the optimizer had groups of {theirs} parameters in the checkpoint and has "
        f"{own} now. {known or 'Factors of the rate, weight decay or what trains were others'}: "
        "set it back, or train anew in another OUTPUT_DIR with MODEL.WEIGHTS"
    )


def check_place(
    done: int, max_iter: int, saved_stage: list[Any] | None, stage: Stage | None
) -> None:
    """A training goes on within its plan.

    Args:
        done: steps of the checkpoint.
        max_iter: steps of the plan.
        saved_stage: name and first iteration of the stage that the checkpoint is of; None:
            no stage, or not known.
        stage: that of the present plan at the same step.

    Raises:
        ValueError: the checkpoint lies beyond the end, or in another stage.
    """
    if done > max_iter:
        raise ValueError(
            f"--resume: the checkpoint has done {done} steps, but the training ends after "
            f"{max_iter}; raise SOLVER.MAX_ITER (or the epochs of SOLVER.STAGES)"
        )
    own = None if stage is None else [stage.name, stage.start]
    if saved_stage is not None and own is not None and list(saved_stage) != own:
        raise ValueError(
            f"--resume: step {done} lay in stage {saved_stage[0]!r}, which began at iteration "
            f"{saved_stage[1]}; now it is {own[0]!r} from {own[1]}. SOLVER.STAGES, IMS_PER_BATCH "
            "and the training data must be those that the training began with"
        )
