"""Checkpoints that meet a model of one gray channel, of another graph, or of another run."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import torch
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.config import CfgNode
from torch import nn

from ..modeling.gray_stem import gray_stem
from ..utils.checkpoint_file import read_model_file, write_checkpoint_file
from ..utils.files import write_atomically
from .checkpoint_fit import (
    check_anything_fits,
    check_backbone,
    check_channels,
    check_graph,
    check_layout,
    describe,
)
from .ema import average_beside
from .last_checkpoint import POINTER, find_last_checkpoint
from .run_config import Changes, check_resumed, differences


class AGNCheckpointer(DetectionCheckpointer):
    """Detectron2's checkpointer, which turns an RGB stem gray and refuses what does not fit.

    Files are written in one step and hold the config of their run. Nothing in a file is run when
    it is read. ``--resume`` falls back on the newest whole checkpoint. Of a training that keeps an
    average of its weights (``SOLVER.EMA``) all but a resume take the average.

    Args:
        model, save_dir: see ``DetectionCheckpointer``.
        stem_to_gray: "luma" or "sum", see ``gray_stem``.
        stem_order: channel order of the checkpoint's stem, "RGB" or "BGR".
        config: the run's config as ``CfgNode.dump`` gives it, to be kept and compared; empty:
            neither.

    Attributes:
        missing: weights and buffers of the model that the last checkpoint did not have.
        changed: keys whose values differ from those of the last checkpoint's config.
        resumed_from: name of the file that a training goes on from; empty: none.
    """

    def __init__(
        self,
        model: nn.Module,
        save_dir: str = "",
        *,
        stem_to_gray: str = "luma",
        stem_order: str = "RGB",
        config: str = "",
        **checkpointables: Any,
    ) -> None:
        super().__init__(model, save_dir, **checkpointables)
        self.stem_to_gray = stem_to_gray
        self.stem_order = stem_order
        self.config = config
        self.missing: list[str] = []
        self.changed: Changes = {}
        self.resumed_from = ""
        # Its path while it is loaded; empty: weights to start with.
        self._resumed = ""

    def save(self, name: str, **kwargs: Any) -> None:
        """Write ``<name>.pth`` and make it the last checkpoint, each in one step.

        Raises:
            OSError: it cannot be written; the last checkpoint is still that of before.
        """
        if not self.save_dir or not self.save_to_disk:
            return
        state = {key: part.state_dict() for key, part in self.checkpointables.items()}
        content = {"model": self.model.state_dict()} | state | kwargs | {"config": self.config}
        path = Path(self.save_dir) / f"{name}.pth"
        self.logger.info("Saving checkpoint to %s", path)
        write_checkpoint_file(path, content)
        self.tag_last_checkpoint(path.name)

    def tag_last_checkpoint(self, last_filename_basename: str) -> None:
        """Name the last checkpoint."""
        write_atomically(Path(self.save_dir) / POINTER, last_filename_basename.encode("utf-8"))

    def get_checkpoint_file(self) -> str:
        """The last whole checkpoint of the folder; empty if there is none to go on from.

        Raises:
            ValueError: there are checkpoints, but all of them are damaged.
        """
        if not self.has_checkpoint():
            return ""
        of_training = "trainer" in self.checkpointables
        return str(find_last_checkpoint(self.save_dir, of_training=of_training))

    def resume_or_load(self, path: str, *, resume: bool = True) -> dict[str, Any]:
        """As in Detectron2; a training that is resumed must be that of the checkpoint.

        Raises:
            FileNotFoundError, ValueError: as in ``load``, and no whole checkpoint to go on from,
                or one of another training.
        """
        if not resume or not self.has_checkpoint():
            return self.load(path, checkpointables=[])
        self._resumed = self.get_checkpoint_file()
        self.resumed_from = Path(self._resumed).name
        try:
            return self.load(self._resumed)
        finally:
            self._resumed = ""

    def load(self, path: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Load a checkpoint.

        Raises:
            FileNotFoundError: the file is missing or cannot be fetched; says what to do.
            ValueError: the file is damaged or no checkpoint; or was trained with another graph,
                node layout or other channels of the backbone; or lacks the prior that
                MODEL.AGN.BGN.PRIOR "checkpoint" expects of it.
        """
        try:
            rest = super().load(path, *args, **kwargs)
        except (OSError, AssertionError) as error:
            # fvcore asserts that the file exists; a download fails with an OSError.
            raise FileNotFoundError(
                f"MODEL.WEIGHTS: cannot load {path} ({error}). Without a network, fetch the file "
                "elsewhere and give its path; '' starts from random weights."
            ) from error
        finally:
            # Detectron2 refuses to load again where a load has failed.
            self._parsed_url_during_load = None
        self._check_priors(path)
        return rest

    def _load_file(self, filename: str) -> dict[str, Any]:
        """The formats that Detectron2 knows, each read as plain values only."""
        try:
            content = read_model_file(filename)
        except ValueError as error:
            raise ValueError(f"MODEL.WEIGHTS: {error}; fetch it again, or give another") from error
        url = self._parsed_url_during_load
        if url is not None and parse_qs(url.query).get("matching_heuristics") == ["True"]:
            content["matching_heuristics"] = True
        average = average_beside(content)
        if average is not None and not self._resumed:
            self.logger.info("%s: the average of the weights (SOLVER.EMA) is taken", filename)
            content["model"] = content["model"] | average
        return content

    def _load_model(self, checkpoint: dict[str, Any]) -> Any:
        self.changed = {}
        if self.config and isinstance(saved := checkpoint.get("config"), str) and saved:
            self.changed = differences(saved, self.config)
        if self._resumed:
            check_resumed(self.changed, self._resumed)
        state = checkpoint["model"]
        check_layout(self.model, state)
        if self._model_stem_is_gray():
            state = {name: self._gray(name, value) for name, value in state.items()}
            checkpoint["model"] = state
        else:
            check_channels(self.model, state)
        check_graph(self.model, state, self.changed)
        incompatible = super()._load_model(checkpoint)
        self.missing = list(incompatible.missing_keys)
        check_backbone(incompatible.incorrect_shapes, self.changed)
        check_anything_fits(self.model, self.missing)
        if self._resumed:
            self._check_complete(incompatible)
        return incompatible

    def _check_complete(self, incompatible: Any) -> None:
        """A training goes on with all of its weights, and with no others."""
        shapes = [name for name, _, _ in incompatible.incorrect_shapes]
        # What is skipped for its shape is missing too.
        missing, unexpected = incompatible.missing_keys, incompatible.unexpected_keys
        odd = list(dict.fromkeys([*shapes, *missing, *unexpected]))
        if odd:
            known = describe({k: v for k, v in self.changed.items() if k.startswith("MODEL.")})
            raise ValueError(
                f"--resume: {self._resumed} is of another model: {len(odd)} weights do not fit, "
                f"{odd[0]} among them. {known or 'A key of MODEL was another'}: set it back, or "
                "train anew in another OUTPUT_DIR"
            )

    def _check_priors(self, path: str) -> None:
        """A prior left to the checkpoint must have come."""
        for name, buffer in self.model.named_buffers():
            if name.endswith(".prior") and bool(buffer.isnan().any()):
                raise ValueError(
                    f"MODEL.AGN.BGN.PRIOR is 'checkpoint', but {path or 'no checkpoint'} holds no "
                    f"{name}; give the file of a prior"
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


def build_checkpointer(cfg: CfgNode, model: nn.Module, **checkpointables: Any) -> AGNCheckpointer:
    """The checkpointer of a run, for training as well as for ``--eval-only``."""
    return AGNCheckpointer(
        model,
        cfg.OUTPUT_DIR,
        stem_to_gray=cfg.MODEL.STEM_TO_GRAY,
        stem_order="BGR" if cfg.INPUT.FORMAT == "BGR" else "RGB",
        config=cfg.dump(),
        **checkpointables,
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
        ValueError: the file is damaged, or no checkpoint.
    """
    reader = _StateReader()
    reader.load(path)
    return {name.removeprefix("module."): value for name, value in reader.state.items()}
