"""Random draws that a number decides."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np

DRAWS = ("view", "case")


@contextlib.contextmanager
def numpy_seed(*seeds: int | None) -> Iterator[None]:
    """NumPy's global generator, from which Detectron2's augmentations draw, seeded for a while.

    Args:
        seeds: together they decide the draws; a None among them leaves the generator alone.
    """
    if None in seeds:
        yield
        return
    state = np.random.get_state()
    np.random.seed([seed % 2**32 for seed in seeds])
    try:
        yield
    finally:
        np.random.set_state(state)
