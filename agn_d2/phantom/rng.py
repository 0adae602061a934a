"""Random streams: one per purpose, so that one switch never changes another part of a case."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np


def stream(seed: int, index: int, *purpose: str) -> np.random.Generator:
    """The random generator of case ``index`` under ``seed`` for one named purpose."""
    return np.random.default_rng([seed, index, zlib.crc32("/".join(purpose).encode())])


def pick(rng: np.random.Generator, shares: Sequence[float]) -> int:
    """Index drawn with probability proportional to ``shares``."""
    cumulative = np.cumsum(np.asarray(shares, dtype=np.float64))
    # A draw can round up to the very top; the last index that has a share takes it.
    drawn = int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right"))
    return min(drawn, int(np.flatnonzero(shares)[-1]))
