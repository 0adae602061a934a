"""How often the figures of a training are written, and over how many steps."""

import json

import pytest
from detectron2.utils.events import EventStorage

from agn_d2.engine.setup import load_cfg
from agn_d2.engine.writers import build_writers

LOSSES = [8.0, 1.0, 3.0, 2.0, 9.0, 4.0]


class Trainer:
    max_iter = len(LOSSES)


def written(tmp_path, period):
    """(iteration, loss) of the lines of metrics.json."""
    options = ["SOLVER.METRICS_PERIOD", str(period), "OUTPUT_DIR", str(tmp_path / str(period))]
    cfg = load_cfg(None, options)
    hooks = build_writers(cfg, Trainer.max_iter)
    trainer = Trainer()
    with EventStorage() as storage:
        for trainer.iter, loss in enumerate(LOSSES):
            storage.iter = trainer.iter
            storage.put_scalar("total_loss", loss)
            for hook in hooks:
                hook.trainer = trainer
                hook.after_step()
    lines = [json.loads(line) for line in (tmp_path / f"{period}/metrics.json").open()]
    return [(line["iteration"], line["total_loss"]) for line in lines]


def test_a_line_holds_the_median_since_the_last_one(tmp_path):
    # By hand: medians of (8, 1, 3) and (2, 9, 4).
    assert written(tmp_path, 3) == [(2, 3.0), (5, 4.0)]
    assert written(tmp_path, 1) == list(enumerate(LOSSES))


def test_a_period_below_one_is_refused():
    with pytest.raises(ValueError, match="SOLVER.METRICS_PERIOD must be 1 or more, got 0"):
        build_writers(load_cfg(None, ["SOLVER.METRICS_PERIOD", "0"]), 5)
