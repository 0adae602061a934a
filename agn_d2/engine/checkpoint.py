"""Checkpoints that meet a model of one gray channel, or of another node layout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from detectron2.checkpoint import DetectionCheckpointer
from torch import nn

from ..modeling.gray_stem import gray_stem


class AGNCheckpointer(DetectionCheckpointer):
    """Detectron2's checkpointer, which turns an RGB stem gray and refuses another node layout.

    Args:
        model, save_dir: see ``DetectionCheckpointer``.
        stem_to_gray: "luma" or "sum", see ``gray_stem``.
        stem_order: channel order of the checkpoint's stem, "RGB" or "BGR".
    """

    def __init__(
        self,
        model: nn.Module,
        save_dir: str = "",
        *,
        stem_to_gray: str = "luma",
        stem_order: str = "RGB",
        **checkpointables: Any,
    ) -> None:
        super().__init__(model, save_dir, **checkpointables)
        self.stem_to_gray = stem_to_gray
        self.stem_order = stem_order
        # Weights and buffers of the model that the last checkpoint did not have.
        self.missing: list[str] = []

    def load(self, path: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Load a checkpoint.

        Raises:
            FileNotFoundError: the file is missing or cannot be fetched; says what to do.
            ValueError: the checkpoint was trained with another node layout or other channels of
                the backbone, or lacks the prior that MODEL.AGN.BGN.PRIOR "checkpoint" expects of
                it.
        """
        try:
            rest = super().load(path, *args, **kwargs)
        except (OSError, AssertionError) as error:
            # fvcore asserts that the file exists; a download fails with an OSError.
            raise FileNotFoundError(
                f"MODEL.WEIGHTS: cannot load {path} ({error}). Without a network, fetch the file "
                "elsewhere and give its path; '' starts from random weights."
            ) from error
        self._check_priors(path)
        return rest

    def _load_model(self, checkpoint: dict[str, Any]) -> Any:
        self._check_layout(checkpoint["model"])
        if self._model_stem_is_gray():
            checkpoint["model"] = {
                name: self._gray(name, value) for name, value in checkpoint["model"].items()
            }
        else:
            self._check_channels(checkpoint["model"])
        incompatible = super()._load_model(checkpoint)
        self.missing = list(incompatible.missing_keys)
        _check_backbone(incompatible.incorrect_shapes)
        return incompatible

    def _check_priors(self, path: str) -> None:
        """A prior left to the checkpoint must have come."""
        for name, buffer in self.model.named_buffers():
            if name.endswith(".prior") and bool(buffer.isnan().any()):
                raise ValueError(
                    f"MODEL.AGN.BGN.PRIOR is 'checkpoint', but {path or 'no checkpoint'} holds no "
                    f"{name}; give the file of a prior"
                )

    def _check_layout(self, state: dict[str, Any]) -> None:
        """Detectron2 skips tensors of another shape; for the graph that would hide a mistake."""
        own = {n: tuple(b.shape) for n, b in self.model.named_buffers() if n.endswith(".prior")}
        for name, shape in own.items():
            if name in state and tuple(state[name].shape) != shape:
                raise ValueError(
                    f"The checkpoint was trained with layout {tuple(state[name].shape)}, but "
                    f"MODEL.AGN.LAYOUT is {shape}"
                )

    def _check_channels(self, state: dict[str, Any]) -> None:
        """Detectron2 skips a stem of other channels, and would train from a random one."""
        for name, own in self.model.state_dict().items():
            shape = tuple(getattr(state.get(name), "shape", ()))
            if own.dim() == 4 and own.shape[1] == 3 and len(shape) == 4 and shape[1] == 1:
                raise ValueError(
                    f"The checkpoint's {name} reads one channel, but the model three: "
                    "MODEL.PIXEL_MEAN and PIXEL_STD need one value each for a gray model"
                )

    def _model_stem_is_gray(self) -> bool:
        """Gray input: some convolution reads one channel, and none reads three."""
        convolutions = [m for m in self.model.modules() if isinstance(m, nn.Conv2d)]
        channels = {m.in_channels for m in convolutions}
        return 1 in channels and 3 not in channels

    def _gray(self, name: str, value: Any) -> Any:
        shape = getattr(value, "shape", ())
        if not (len(shape) == 4 and shape[1] == 3):
            return value
        self.logger.info("%s: RGB stem turned gray (%s)", name, self.stem_to_gray)
        tensor = torch.as_tensor(np.asarray(value))
        return gray_stem(tensor, self.stem_to_gray, order=self.stem_order)


def _check_backbone(incorrect: Sequence[tuple[str, Sequence[int], Sequence[int]]]) -> None:
    """Detectron2 skips weights of another shape. For heads of other classes that is wanted; a
    backbone would silently be trained from random weights.

    Args:
        incorrect: name, shape in the checkpoint, shape in the model.
    """
    found = [entry for entry in incorrect if entry[0].startswith("backbone.")]
    if found:
        name, theirs, own = found[0]
        raise ValueError(
            f"The checkpoint's {name} has the shape {tuple(theirs)}, but the model's {tuple(own)} "
            f"({len(found)} weights of the backbone differ): MODEL.FPN.OUT_CHANNELS, "
            "MODEL.RESNETS or MODEL.TIMM.NAME are other than those it was trained with"
        )


class _StateReader(AGNCheckpointer):
    """Reads a checkpoint without a model to load it into."""

    def __init__(self) -> None:
        super().__init__(nn.Module())
        self.state: dict[str, Any] = {}

    def _load_model(self, checkpoint: dict[str, Any]) -> None:
        self.state = checkpoint.pop("model")


def read_state(path: str) -> dict[str, Any]:
    """Name -> weight or buffer of a checkpoint's model.

    Raises:
        FileNotFoundError: the file is missing or cannot be fetched.
    """
    reader = _StateReader()
    reader.load(path)
    return {name.removeprefix("module."): value for name, value in reader.state.items()}
