"""Watching a training: validation loss and FROC, the best checkpoint, and when to stop."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.engine import HookBase
from detectron2.utils import comm
from detectron2.utils.events import EventStorage
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.data import DataLoader

from ..utils.checkpoint_file import read_checkpoint_file, write_checkpoint_file
from .last_checkpoint import BEST
from .loss_normalizer import read_normalizer, write_normalizer

logger = logging.getLogger(__name__)


class ValidationHook(HookBase):
    """Measures every so many epochs, keeps the best weights, and stops a training that stalls.

    The metrics go to the event storage, and so to ``metrics.json`` and TensorBoard. The best
    checkpoint is ``model_best.pth``. Patience counts within the last stage only: the stages
    before it have a purpose of their own.

    A resumed training repeats what came after its checkpoint; ``model_best.pth`` may be of that
    time, and is overwritten by a better model only.

    Args:
        period: iterations between two measurements.
        measure: gives the metrics by name; called on all processes.
        metric: name of the metric that decides; higher is better, unless it names a loss.
        patience: measurements without a better one after which training stops; 0: never.
    """

    def __init__(
        self, period: int, measure: Callable[[], Mapping[str, float]], metric: str, patience: int
    ) -> None:
        self.period, self.measure = period, measure
        self.metric, self.patience = metric, patience
        # The best so far, and the one that model_best.pth holds: after a resume it may be better.
        self.best: float | None = None
        self.kept: float | None = None
        self.stalled = 0

    @classmethod
    def from_config(cls, cfg: CfgNode, trainer: Any) -> ValidationHook | None:
        """The hook of ``TEST.VALIDATION``, or None where it is switched off.

        Args:
            cfg: the config.
            trainer: an ``AGNTrainer``, or a proxy of it.
        """
        validation = cfg.TEST.VALIDATION
        if validation.EPOCHS <= 0:
            return None
        period = max(1, round(validation.EPOCHS * trainer.epoch_length))
        return cls(period, trainer.measure, validation.METRIC, validation.PATIENCE)

    def before_train(self) -> None:
        # One that begins has nothing to do with what another has left, with --resume or without.
        if comm.is_main_process() and self.trainer.start_iter:
            self.kept = _value_of(Path(self.trainer.cfg.OUTPUT_DIR) / BEST, self.metric)

    def after_step(self) -> None:
        done = self.trainer.iter + 1
        if done % self.period and done != self.trainer.max_iter:
            return
        with self.trainer.evaluated_weights():
            one = comm.get_world_size() == 1
            metrics = dict(self.measure()) if one else self._measure_together()
            for name, value in metrics.items():
                # The test set's have the names of Detectron2.
                shown = name if name.startswith("val_") else f"val/{name}"
                self.trainer.storage.put_scalar(shown, value, smoothing_hint=False)
            self._judge(metrics)

    def _measure_together(self) -> dict[str, float]:
        """Only the main process knows the figures; all have to stop at the same step."""
        return comm.all_gather(dict(self.measure()))[0]

    def _judge(self, metrics: Mapping[str, float]) -> None:
        if self.metric not in metrics:
            raise ValueError(
                f"TEST.VALIDATION.METRIC must be one of {', '.join(sorted(metrics))}, got "
                f"{self.metric!r}"
            )
        value, trainer = float(metrics[self.metric]), self.trainer
        if self._is_better(value, self.best):
            self.best, self.stalled = value, 0
            logger.info("Best %s so far: %.4f, iteration %d", self.metric, value, trainer.iter)
            # Not the checkpoint that --resume takes.
            if comm.is_main_process() and self._is_better(value, self.kept):
                save_weights(trainer, BEST, {self.metric: value})
                self.kept = value
        elif not trainer.stages or trainer.stage == trainer.stages[-1]:
            if 0 < self.patience <= self.stalled + 1:
                logger.info(
                    "Stopping early: %s has not been better than %.4f for %d measurements",
                    self.metric,
                    math.nan if self.best is None else self.best,
                    self.stalled + 1,
                )
                # Saves the state before this measurement, which a resume repeats.
                trainer.stop_early()
            self.stalled += 1

    def _is_better(self, value: float, than: float | None) -> bool:
        sign = -1 if "loss" in self.metric else 1
        return not math.isnan(value) and (than is None or sign * (value - than) > 0)

    def state_dict(self) -> dict[str, Any]:
        return {"metric": self.metric, "best": self.best, "stalled": self.stalled}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        # The best of another metric is no measure for this one.
        if state_dict.get("metric", self.metric) == self.metric:
            self.best, self.stalled = state_dict["best"], state_dict["stalled"]


def _value_of(path: Path, metric: str) -> float | None:
    """The metric that a ``model_best.pth`` was kept for; None if there is none."""
    if not path.is_file():
        return None
    try:
        value = read_checkpoint_file(path).get(metric)
    except ValueError as error:
        logger.warning("%s; the next measurement replaces it", error)
        return None
    return value if isinstance(value, float) else None


def save_weights(trainer: Any, name: str, extra: Mapping[str, Any]) -> None:
    """Write the weights into ``OUTPUT_DIR``, without optimizer, and not as the last checkpoint."""
    content = {"model": trainer.net.state_dict(), "iteration": trainer.iter, **extra}
    content["config"] = trainer.cfg.dump()
    write_checkpoint_file(Path(trainer.cfg.OUTPUT_DIR) / name, content)


@torch.no_grad()
def validation_losses(model: nn.Module, loader: DataLoader, seed: int = 0) -> dict[str, float]:
    """Mean losses over a data set, by image, without augmentation and without learning.

    Statistics of the batch normalization are those learned so far and stay; no view is hidden and
    no path of the backbone dropped; the sampling of anchors and proposals is the same each time.
    Sums run over all processes.

    Args:
        model: a detector; its mode is restored.
        loader: a loader of test time, whose inputs carry ``instances``.
        seed: random seed of the sampling.

    Returns:
        ``val_loss_...`` by name and their sum ``val_loss``.
    """
    modes = {module: module.training for module in model.modules()}
    # The storage below stands at iteration 0, at which VIS_PERIOD draws: one picture a batch.
    periods = {module: module.vis_period for module in modes if hasattr(module, "vis_period")}
    for module in periods:
        module.vis_period = 0
    normalizer = read_normalizer(model)
    # Heads compute losses in training mode only.
    model.train()
    if hasattr(model, "backbone"):
        model.backbone.eval()
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.eval()
    sums: dict[str, float] = {}
    images = 0
    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=list(devices)):
        torch.manual_seed(seed)
        # A detector writes its counts of proposals into the present storage.
        with EventStorage():
            for inputs in loader:
                images += len(inputs)
                for name, loss in model(inputs).items():
                    sums[name] = sums.get(name, 0.0) + float(loss) * len(inputs)
    for module, mode in modes.items():
        module.training = mode
    for module, period in periods.items():
        module.vis_period = period
    write_normalizer(model, normalizer)
    gathered = comm.all_gather((sums, images))
    total = sum(count for _, count in gathered)
    names = sorted({name for part, _ in gathered for name in part})
    means = {
        f"val_{name}": sum(part.get(name, 0.0) for part, _ in gathered) / total for name in names
    }
    return means | {"val_loss": sum(means.values())}
