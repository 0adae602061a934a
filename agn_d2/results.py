"""What a model says of one view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from detectron2.structures import Instances


@dataclass(frozen=True)
class ViewResult:
    """What the model says of one view.

    Attributes:
        record: the dataset dict of the view.
        instances: detections in pixels of the stored image, on the CPU.
        attention: (H, W) float32, F^_I of IGN on the grid of one level; None without IGN or
            without a contralateral view.
    """

    record: dict[str, Any]
    instances: Instances
    attention: np.ndarray | None
