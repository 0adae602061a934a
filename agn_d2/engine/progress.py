"""How far a training is: a bar on a terminal, lines in a log."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack

from detectron2.engine import HookBase
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

logger = logging.getLogger(__name__)

LOGGERS = ("detectron2", "agn_d2")


class Progress(HookBase):
    """A bar with the remaining time where stderr is a terminal; else lines in the log.

    Detectron2 writes its first line after 20 steps, which on a CPU can be minutes. Here a line
    follows the first step, and later ones wherever ``interval`` seconds have passed since the
    last.

    Args:
        interval: seconds between two lines.
    """

    def __init__(self, interval: float = 30.0) -> None:
        self.interval = interval
        self._closing = ExitStack()

    def before_train(self) -> None:
        self._bar = self._closing.enter_context(
            tqdm(
                total=self.trainer.max_iter,
                initial=self.trainer.start_iter,
                unit="step",
                disable=None,
                dynamic_ncols=True,
                # The last steps' speed, not that of the first, which sets up memory.
                smoothing=0.1,
            )
        )
        if not self._bar.disable:
            # Lines of the log go above the bar, not through it.
            self._closing.enter_context(logging_redirect_tqdm([*map(logging.getLogger, LOGGERS)]))
        self._started, self._said = time.monotonic(), None

    def after_step(self) -> None:
        loss = self.trainer.storage.latest().get("total_loss")
        if loss is not None:
            self._bar.set_postfix(loss=f"{loss[0]:.3f}", refresh=False)
        self._bar.update()
        now = time.monotonic()
        if self._bar.disable and (self._said is None or now - self._said >= self.interval):
            self._said = now
            self._say(now - self._started)

    def after_train(self) -> None:
        self._closing.close()

    def _say(self, seconds: float) -> None:
        done = self.trainer.iter + 1 - self.trainer.start_iter
        left = (self.trainer.max_iter - self.trainer.iter - 1) * seconds / done
        logger.info(
            "Step %d of %d: %.1f s a step, about %s left",
            self.trainer.iter + 1,
            self.trainer.max_iter,
            seconds / done,
            tqdm.format_interval(left),
        )
