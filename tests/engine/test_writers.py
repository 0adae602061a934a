"""How often the figures of a training are written, and over how many steps."""

import json

import pytest
from detectron2.utils.events import EventStorage, EventWriter, get_event_storage
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from agn_d2.engine import AGNTrainer
from agn_d2.engine.setup import load_cfg
from agn_d2.engine.writers import build_writers, forget_metrics

from .kill_training import make_cfg

LOSSES = [8.0, 1.0, 3.0, 2.0, 9.0, 4.0]


class Trainer:
    max_iter = len(LOSSES)


def written(tmp_path, period):
    """(iteration, loss) of the lines of metrics.json."""
    options = ["SOLVER.METRICS_PERIOD", str(period), "OUTPUT_DIR", str(tmp_path / str(period))]
    cfg = load_cfg(None, options)
    hooks = build_writers(cfg, Trainer.max_iter)
    trainer = Trainer()
    trainer.start_iter = 0
    with EventStorage() as trainer.storage:
        for hook in hooks:
            hook.trainer = trainer
            hook.before_train()
        for trainer.iter, loss in enumerate(LOSSES):
            trainer.storage.iter = trainer.iter
            trainer.storage.put_scalar("total_loss", loss)
            for hook in hooks:
                hook.after_step()
        hooks[-1].after_train()
    lines = [json.loads(line) for line in (tmp_path / f"{period}/metrics.json").open()]
    return [(line["iteration"], line["total_loss"]) for line in lines]


def test_a_line_holds_the_median_since_the_last_one(tmp_path):
    # By hand: medians of (8, 1, 3) and (2, 9, 4).
    assert written(tmp_path, 3) == [(2, 3.0), (5, 4.0)]
    assert written(tmp_path, 1) == list(enumerate(LOSSES))


def test_tensorboard_has_the_figures_of_metrics_json(tmp_path):
    lines = written(tmp_path, 3)
    events = EventAccumulator(str(tmp_path / "3")).Reload().Scalars("total_loss")
    assert [(event.step, event.value) for event in events] == lines == [(2, 3.0), (5, 4.0)]


def test_a_period_below_one_is_refused():
    with pytest.raises(ValueError, match="SOLVER.METRICS_PERIOD must be 1 or more, got 0"):
        build_writers(load_cfg(None, ["SOLVER.METRICS_PERIOD", "0"]), 5)


def run(tmp_path, first, last, state=None):
    """Steps of a training with a line every three; returns the hook's state after each step."""
    cfg = load_cfg(None, ["SOLVER.METRICS_PERIOD", "3", "OUTPUT_DIR", str(tmp_path)])
    _, hook = build_writers(cfg, Trainer.max_iter)
    if state is not None:
        hook.load_state_dict(state)
    hook.trainer = trainer = Trainer()
    trainer.start_iter, states = first, []
    with EventStorage(first) as trainer.storage:
        hook.before_train()
        if first:
            # As the trainer does: what the checkpoint's step had still to do.
            trainer.iter = trainer.storage.iter = first - 1
            hook.after_step()
        for trainer.iter in range(first, last):
            trainer.storage.iter = trainer.iter
            trainer.storage.put_scalar("total_loss", LOSSES[trainer.iter])
            if trainer.iter == 1:
                trainer.storage.put_scalar("val_loss", 7.0, smoothing_hint=False)
            # As a checkpoint has it: before the line of its step.
            states.append(hook.state_dict())
            hook.after_step()
    return states


def lines(tmp_path):
    return [json.loads(line) for line in (tmp_path / "metrics.json").open()]


@pytest.mark.parametrize("stopped", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("back", [0, 1, 2])
def test_lines_and_medians_of_a_resumed_training_are_those_of_an_undisturbed_one(
    tmp_path, stopped, back
):
    run(tmp_path / "whole", 0, 6)
    # By hand: medians of (8, 1, 3) and (2, 9, 4), and the measurement of step 1.
    expected = [
        {"iteration": 2, "total_loss": 3.0},
        {"iteration": 1, "val_loss": 7.0},
        {"iteration": 5, "total_loss": 4.0},
    ]
    assert lines(tmp_path / "whole") == expected
    checkpoint = max(stopped - back, 1)
    state = run(tmp_path, 0, stopped)[checkpoint - 1]
    with (tmp_path / "metrics.json").open("a") as file:
        file.write('{"itera')
    run(tmp_path, checkpoint, 6, state)
    assert lines(tmp_path) == expected


def test_metrics_after_the_checkpoint_are_dropped(tmp_path):
    path = tmp_path / "metrics.json"
    forget_metrics(path, 5)
    assert not path.exists()
    path.write_text('{"iteration": 3}\n{"iteration": 5}\n7\n{"itera')
    forget_metrics(path, 5)
    assert path.read_text() == '{"iteration": 3}\n'


class Notes(EventWriter):
    """A writer of a user's own."""

    def __init__(self):
        self.losses = []

    def write(self):
        self.losses.append(get_event_storage().latest()["total_loss"][0])


def test_the_writers_of_a_subclass_write_beside_ours(toy_datasets, tmp_path):
    notes = Notes()

    class Noting(AGNTrainer):
        def build_writers(self):
            return [notes]

    options = ("TEST.VALIDATION.EPOCHS", 0.0, "DATASETS.TEST", "()", "SOLVER.METRICS_PERIOD", 1)
    Noting(make_cfg(tmp_path, *options, steps=2)).train()
    lines = [json.loads(line) for line in (tmp_path / "metrics.json").open()]
    # Every 20 steps, at the last one, and once more when Detectron2 closes them.
    assert notes.losses == [lines[-1]["total_loss"]] * 2
