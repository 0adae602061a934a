"""Exponential moving average (EMA) of a model's weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.engine import HookBase
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class ModelEMA(HookBase):
    """Keeps the EMA of all weights and float buffers, and hands it over where weights count.

    The training itself goes on with the raw weights. Evaluations, ``model_best.pth`` and, after the
    last step, ``model_final.pth`` have the average. Stands before the checkpointer among the hooks.
    Its state is part of each checkpoint, so that a resumed training goes on as if undisturbed.

    Args:
        model: the model that is trained, not wrapped for several processes.
        decay: share of the average that a step keeps. In the first steps it is
            min(decay, (1 + t) / (10 + t)), so that the random start is soon forgotten.

    Raises:
        ValueError: a decay outside of 0 .. 1.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"SOLVER.EMA.DECAY must be at least 0 and below 1, got {decay}")
        self.model, self.decay = model, decay
        self.steps = 0
        self.average: dict[str, Tensor] | None = None
        self._finished = False

    @classmethod
    def from_config(cls, cfg: CfgNode, model: nn.Module) -> ModelEMA | None:
        """The hook of ``SOLVER.EMA``, or None where it is switched off."""
        return cls(model, cfg.SOLVER.EMA.DECAY) if cfg.SOLVER.EMA.ENABLED else None

    def before_train(self) -> None:
        if self.average is None:
            self.average = {name: tensor.clone() for name, tensor in self._tensors().items()}

    def after_step(self) -> None:
        # A finished training that was resumed with more steps trains raw weights again.
        self._finished = False
        self.steps += 1
        decay = min(self.decay, self.steps / (9 + self.steps))
        current = list(self._tensors().values())
        get_ema_multi_avg_fn(decay)(list(self.average.values()), current, self.steps)
        if self.trainer.iter + 1 >= self.trainer.max_iter:
            self.finish()

    def finish(self) -> None:
        """Let the model be its average from now on."""
        self._write(self.average)
        self._finished = True

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """The model with the average in the place of its weights; they come back afterwards.

        Not after ``finish``: the model is its average then, with what other hooks, such as
        Detectron2's ``PreciseBN``, have made of its statistics since.
        """
        if self._finished:
            yield
            return
        raw = {name: tensor.clone() for name, tensor in self._tensors().items()}
        self._write(self.average)
        try:
            yield
        finally:
            # An evaluation may end the training.
            if not self._finished:
                self._write(raw)

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps, "average": self.average, "finished": self._finished}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.steps = state_dict["steps"]
        self._finished = state_dict.get("finished", False)
        own = self._tensors()
        self.average = {
            name: tensor.to(own[name].device).clone()
            for name, tensor in state_dict["average"].items()
        }

    def _tensors(self) -> dict[str, Tensor]:
        """Weights and buffers that an average makes sense of, by name."""
        state = self.model.state_dict()
        return {name: tensor for name, tensor in state.items() if tensor.is_floating_point()}

    @torch.no_grad()
    def _write(self, values: dict[str, Tensor]) -> None:
        for name, tensor in self._tensors().items():
            tensor.copy_(values[name])


def average_beside(checkpoint: Mapping[str, Any]) -> dict[str, Tensor] | None:
    """The average that a checkpoint keeps beside the raw weights of its training.

    Args:
        checkpoint: the content of a file, as the trainer's checkpointer writes it.

    Returns:
        name -> weight or buffer; None: it keeps no average, or its weights are the average.
    """
    state: Any = checkpoint
    for key in ("trainer", "hooks", ModelEMA.__qualname__):
        # Another program's file may have other things by these names.
        state = state.get(key) if isinstance(state, Mapping) else None
    return None if state is None or state.get("finished", False) else state["average"]
