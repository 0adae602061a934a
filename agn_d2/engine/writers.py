"""What writes the figures of a training, and how often."""

from __future__ import annotations

import os

from detectron2.config import CfgNode
from detectron2.engine.hooks import PeriodicWriter
from detectron2.utils.events import CommonMetricPrinter, JSONWriter, TensorboardXWriter

# Steps between two lines of the log, as in Detectron2.
LOG_PERIOD = 20


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
    os.makedirs(cfg.OUTPUT_DIR, exist_ok=True)
    files = [
        JSONWriter(os.path.join(cfg.OUTPUT_DIR, "metrics.json"), window_size=period),
        TensorboardXWriter(cfg.OUTPUT_DIR, window_size=period),
    ]
    # The log first: it works out the remaining time, which the files then hold too.
    return [
        PeriodicWriter([CommonMetricPrinter(max_iter)], period=LOG_PERIOD),
        PeriodicWriter(files, period=period),
    ]
