"""What a model says of one view, and what its graph does to it."""

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


@dataclass(frozen=True)
class ViewInside:
    """What the graph does to one view, on the grid of one level.

    Attributes:
        record: the dataset dict of the view.
        level: the level of the pyramid.
        maps: name -> (h, w) float32 that covers the image: the root mean square over the
            channels of ``original`` (F_e), ``enhanced`` (Y), ``bipartite`` (F_B), ``inception``
            (F_I) and ``difference`` (Y - F_e); and the ``attention`` in (0, 1). A map is left
            out where the model or the case has no such thing.
        auxiliary: position in the case of the view that BGN reads, or None.
        correspondence: (N, N_a), H of BGN from the nodes of this view to those of the auxiliary
            view, or None.
    """

    record: dict[str, Any]
    level: str
    maps: dict[str, np.ndarray]
    auxiliary: int | None
    correspondence: np.ndarray | None
