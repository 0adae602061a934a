"""What a training says of how far it is."""

import io
import logging

import pytest
from detectron2.utils.events import EventStorage

from agn_d2.engine import progress
from agn_d2.engine.progress import Progress


class Trainer:
    start_iter, max_iter = 4, 8


class Clock:
    """Each step takes five seconds."""

    now = 100.0

    def monotonic(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


def train(monkeypatch, interval, during=lambda: None):
    """Run the hook over steps 4 to 7, as Detectron2's loop does."""
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    hook = Progress(interval)
    hook.trainer = trainer = Trainer()
    with EventStorage(trainer.start_iter) as trainer.storage:
        hook.before_train()
        for step in range(trainer.start_iter, trainer.max_iter):
            trainer.iter = step
            trainer.storage.put_scalar("total_loss", 1.5)
            clock.now += 5
            during()
            hook.after_step()
        hook.after_train()


@pytest.mark.parametrize(("interval", "steps"), [(1000, [5]), (10, [5, 7]), (0, [5, 6, 7, 8])])
def test_a_log_has_a_line_after_the_first_step_and_by_the_clock(
    monkeypatch, caplog, interval, steps
):
    monkeypatch.setattr("sys.stderr", io.StringIO())
    caplog.set_level("INFO")
    train(monkeypatch, interval)
    lines = [r.getMessage() for r in caplog.records if r.name == progress.__name__]
    # Three steps of five seconds are left after the first of four.
    assert lines[0] == "Step 5 of 8: 5.0 s a step, about 00:15 left"
    assert [int(line.split()[1]) for line in lines] == steps


def test_a_terminal_has_a_bar_and_the_log_above_it(monkeypatch, caplog):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    caplog.set_level("INFO")
    own = logging.getLogger("agn_d2")
    handler = logging.StreamHandler(terminal)
    handlers = [*own.handlers, handler]
    monkeypatch.setattr(own, "handlers", handlers)
    during = []
    train(monkeypatch, 0, lambda: during.append(handler in own.handlers))
    assert not [r for r in caplog.records if r.name == progress.__name__]
    assert "8/8" in terminal.getvalue() and "loss=1.500" in terminal.getvalue()
    # Redirected while the bar stands, and only then.
    assert during == [False] * 4 and own.handlers == handlers
