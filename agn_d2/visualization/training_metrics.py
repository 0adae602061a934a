"""The metrics that a training wrote: lines of ``metrics.json``, and single ones over the steps."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np


def read_metrics(path: str | Path) -> list[dict[str, float]]:
    """The lines of a ``metrics.json``; one that a kill has cut off is left out.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no line of it is a measurement.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"No metrics {path}; a training writes metrics.json")
    rows = []
    for line in Path(path).read_text().splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if "iteration" in row:
            rows.append(row)
    if not rows:
        raise ValueError(f"{path} holds no metrics")
    return sorted(rows, key=lambda row: row["iteration"])


def curve(rows: Sequence[Mapping[str, float]], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Iterations and values of one metric, where it was measured."""
    points = [(row["iteration"], row[name]) for row in rows if name in row]
    return tuple(np.asarray(points, dtype=float).reshape(-1, 2).T)


def stage_starts(rows: Sequence[Mapping[str, float]]) -> list[tuple[int, float]]:
    """(number of the stage, iteration of its first line), in order."""
    iterations, stages = curve(rows, "stage")
    first = np.flatnonzero(np.diff(stages, prepend=-1.0))
    return [(int(stages[i]), float(iterations[i])) for i in first]
