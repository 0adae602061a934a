"""The running number of positives by which RetinaNet and FCOS divide their losses.

Detectron2 keeps it as an attribute of the detector: no checkpoint has it, and every loss that is
computed moves it.
"""

from __future__ import annotations

from torch import nn

_NAME = "loss_normalizer"


def read_normalizer(model: nn.Module) -> float | None:
    """The number of a detector; None before its first loss, and for one that has none."""
    return vars(model).get(_NAME)


def write_normalizer(model: nn.Module, value: float | None) -> None:
    """Give a detector the number that ``read_normalizer`` gave."""
    if value is None:
        vars(model).pop(_NAME, None)
    else:
        setattr(model, _NAME, value)
