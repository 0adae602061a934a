"""A loss that became NaN or infinite, said in one line with the place and the way out."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator


@contextlib.contextmanager
def naming_the_step(iteration: int, epoch: float, stage: str) -> Iterator[None]:
    """Let Detectron2's errors of a loss within say where the training was.

    Args:
        iteration: iteration of the step, from 0.
        epoch: passes over the training images so far.
        stage: its name; empty without stages.

    Raises:
        FloatingPointError: the loss is NaN or infinite; says where, and what to do.
    """
    try:
        yield
    except FloatingPointError as error:
        where = f"iteration {iteration} (epoch {epoch:.1f}{f', stage {stage}' if stage else ''})"
        # The losses follow Detectron2's first line, where there are several.
        lines = re.sub(r"np\.float64\((\S+)\)", r"\1", str(error)).splitlines()
        raise FloatingPointError(
            f"the loss became NaN or infinite at {where}: "
            f"{' '.join(lines[1:] or lines).rstrip('.')}. Lower the learning rate or "
            "SOLVER.CLIP_GRADIENTS.CLIP_VALUE, lengthen SOLVER.WARMUP_ITERS, or set "
            "SOLVER.AMP.ENABLED False; --resume goes on from the last checkpoint."
        ) from error
