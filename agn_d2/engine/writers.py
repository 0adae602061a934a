"""What writes the figures of a training, and how often; each line once, whatever happens."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from detectron2.config import CfgNode
from detectron2.engine.hooks import PeriodicWriter
from detectron2.utils.events import CommonMetricPrinter, JSONWriter, TensorboardXWriter

from ..utils.files import write_atomically
from .output_folder import METRICS

# Steps between two lines of the log, as in Detectron2.
LOG_PERIOD = 20
# Of the process rather than the training; not measured in its first steps.
_OF_PROCESS = ("time", "eta_seconds")


class MetricsFiles(PeriodicWriter):
    """Writes ``metrics.json`` and TensorBoard, and takes them up where a checkpoint stands.

    A checkpoint holds the last iteration that had been written and the figures that had not:
    a resumed training drops the lines after it, and writes them as they would have been.

    Args:
        folder: ``OUTPUT_DIR``.
        period: steps between two lines, over which their losses are medians.
    """

    def __init__(self, folder: str | os.PathLike[str], period: int) -> None:
        super().__init__([], period)
        self.folder, self.period = Path(folder), period
        # The last iteration that had been written; -1: none yet; None: not known.
        self._written: int | None = None
        self._scalars: dict[str, tuple[bool, list[tuple[float, int]]]] = {}

    def before_train(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._written is None:
            # A new training, or a checkpoint that does not say: its iterations are written.
            self._written = self.trainer.start_iter - 1
        forget_metrics(self.folder / METRICS, self._written + 1)
        for name, (smooth, samples) in self._scalars.items():
            for value, iteration in samples:
                self.trainer.storage.put_scalar(
                    name, value, smoothing_hint=smooth, cur_iter=iteration
                )
        self._writers = [
            JSONWriter(str(self.folder / METRICS), window_size=self.period),
            # TensorBoard hides what an earlier run has shown from there on.
            TensorboardXWriter(
                str(self.folder), window_size=self.period, purge_step=self._written + 1
            ),
        ]
        for writer in self._writers:
            writer._last_write = self._written

    def state_dict(self) -> dict[str, Any]:
        if not self._writers:
            return {}
        storage = self.trainer.storage
        hints = storage.smoothing_hints()
        return {
            "written": self._writers[0]._last_write,
            "scalars": {
                name: (hints[name], history.values()[-storage.count_samples(name, self.period) :])
                for name, history in storage.histories().items()
                if name not in _OF_PROCESS
            },
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._written, self._scalars = state_dict["written"], state_dict["scalars"]


def build_writers(cfg: CfgNode, max_iter: int) -> list[PeriodicWriter]:
    """The log every 20 steps, ``metrics.json`` and TensorBoard every ``SOLVER.METRICS_PERIOD``.

    Losses in the files are medians over the steps since the last line: those of every single
    step where the period is 1. (Detectron2's own writers have 20 built in.)

    Raises:
        ValueError: a period below 1.
    """
    period = cfg.SOLVER.METRICS_PERIOD
    if period < 1:
        raise ValueError(f"SOLVER.METRICS_PERIOD must be 1 or more, got {period}")
    # The log first: it works out the remaining time, which the files then hold too.
    return [
        PeriodicWriter([CommonMetricPrinter(max_iter)], period=LOG_PERIOD),
        MetricsFiles(cfg.OUTPUT_DIR, period),
    ]


def forget_metrics(path: Path, start: int) -> None:
    """Drop the lines of ``metrics.json`` from an iteration on, which a resumed training repeats.

    To be done before a writer opens the file.
    """
    if not path.is_file():
        return
    lines = path.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if _iteration(line) < start]
    if kept != lines:
        write_atomically(path, b"".join(kept))


def _iteration(line: bytes) -> float:
    """Of a line of metrics; infinite for one that a kill has cut off."""
    try:
        return json.loads(line)["iteration"]
    except (ValueError, KeyError, TypeError):
        return float("inf")
