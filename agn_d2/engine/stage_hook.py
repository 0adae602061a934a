"""Going from stage to stage in one training, one log and one file of metrics."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from detectron2.engine import HookBase
from torch import nn

from .stages import Stage, frozen_groups, hold_frozen_statistics, stage_at

logger = logging.getLogger(__name__)


class StageHook(HookBase):
    """Begins the stages of an ``AGNTrainer`` and keeps what is frozen still.

    To stand before the other hooks.
    """

    def before_step(self) -> None:
        trainer = self.trainer
        stage = stage_at(trainer.stages, trainer.iter)
        if stage != trainer.stage:
            trainer.begin_stage(stage)
        if trainer.iter in (stage.start, trainer.start_iter):
            logger.info(
                "%s", describe_stage(trainer.net, trainer.stages, stage, trainer.epoch_length)
            )
        # An evaluation puts the whole model back into training mode.
        hold_frozen_statistics(trainer.net)

    def after_step(self) -> None:
        trainer = self.trainer
        number = trainer.stages.index(trainer.stage)
        trainer.storage.put_scalar("stage", number, smoothing_hint=False)
        trainer.storage.put_scalar(
            "epoch", (trainer.iter + 1) / trainer.epoch_length, smoothing_hint=False
        )


class StageCheckpointer(HookBase):
    """Saves the end of each stage.

    To stand beside Detectron2's ``PeriodicCheckpointer``. ``stage_<name>.pth`` is a whole
    checkpoint: ``--resume`` takes it as well as ``MODEL.WEIGHTS`` of another run does.
    """

    def after_step(self) -> None:
        trainer = self.trainer
        # At the end of the training Detectron2 saves model_final.pth.
        if trainer.iter + 1 == trainer.stage.end < trainer.max_iter:
            trainer.checkpointer.save(f"stage_{trainer.stage.name}", iteration=trainer.iter)


def describe_stage(
    model: nn.Module, stages: Sequence[Stage], stage: Stage, epoch_length: float
) -> str:
    """One line: epochs and iterations, learning rate, what trains and what is frozen."""
    parameters = list(model.parameters())
    trained = sum(p.numel() for p in parameters if p.requires_grad)
    total = sum(p.numel() for p in parameters)
    moving, frozen = frozen_groups(model)
    first = sum(s.epochs for s in stages[: stages.index(stage)])
    return (
        f"Stage {stages.index(stage) + 1} of {len(stages)}, {stage.name}: "
        f"epochs {first:g} to {first + stage.epochs:g} = iterations {stage.start} to {stage.end} "
        f"({epoch_length:g} an epoch), learning rate {stage.lr:g}; "
        f"trains {trained / 1e6:.2f} of {total / 1e6:.2f} million parameters "
        f"({', '.join(moving)}); frozen: {', '.join(frozen) or 'nothing'}"
    )
