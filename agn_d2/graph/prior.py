"""The geometric prior H^g of BGN: which CC node and which MLO node see the same mass.

Shape legend
    N_cc, N_mlo: nodes of the two layouts
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..utils.files import write_json

FORMAT = "agn_d2 prior 1"


@dataclass(frozen=True, eq=False)
class CorrespondencePrior:
    """How often a mass of the training set lies at CC node i and at MLO node j.

    Attributes:
        counts: (N_cc, N_mlo) float64, the raw counts epsilon_ij ([S]).
        template_cc: (N_cc, 2) and
        template_mlo: (N_mlo, 2) float64, mean node positions relative to the nipple, in units
            of the breast height, chest wall to the left.
        dataset: name of the data set that was counted.
    """

    counts: np.ndarray
    template_cc: np.ndarray
    template_mlo: np.ndarray
    dataset: str

    @property
    def layout(self) -> tuple[int, int]:
        return self.counts.shape

    def matrix(self, bandwidth: float = 0.0) -> np.ndarray:
        """H^g_ij = epsilon_ij / sqrt(D_i. D_.j), with epsilon smoothed over neighboring nodes.

        Args:
            bandwidth: standard deviation of the Gaussian that spreads a count over the nodes
                around it, in units of the breast height; 0 takes the raw counts of [S], which
                leave most entries of a small data set at zero.

        Returns:
            (N_cc, N_mlo) float64.

        Raises:
            ValueError: bandwidth is negative.
        """
        if bandwidth < 0:
            raise ValueError(f"bandwidth must not be negative, got {bandwidth}")
        counts = self.counts
        if bandwidth > 0:
            spread_cc = _neighbor_weights(self.template_cc, bandwidth)
            spread_mlo = _neighbor_weights(self.template_mlo, bandwidth)
            counts = spread_cc.T @ counts @ spread_mlo
        return normalize_counts(counts)


def normalize_counts(counts: np.ndarray) -> np.ndarray:
    """epsilon_ij / sqrt(D_i. D_.j) with row sums D_i. and column sums D_.j; 0 / 0 is 0 ([S])."""
    rows, columns = counts.sum(1, keepdims=True), counts.sum(0, keepdims=True)
    scale = np.sqrt(rows * columns)
    return np.divide(counts, scale, out=np.zeros_like(counts, dtype=float), where=scale > 0)


def uniform_prior(layout: tuple[int, int]) -> np.ndarray:
    """H^g when nothing was counted: every pair of nodes alike, (N_cc, N_mlo)."""
    return normalize_counts(np.ones(layout))


def awaited_prior(layout: tuple[int, int]) -> np.ndarray:
    """H^g that a checkpoint is to bring: (N_cc, N_mlo) of NaN, which no result survives."""
    return np.full(layout, np.nan)


def _neighbor_weights(template: np.ndarray, bandwidth: float) -> np.ndarray:
    """(N, N) Gaussian weights between nodes; each row sums to 1, so no count is lost."""
    distance2 = ((template[:, None] - template[None]) ** 2).sum(-1)
    weights = np.exp(-distance2 / (2 * bandwidth**2))
    return weights / weights.sum(1, keepdims=True)


def write_prior(path: Path | str, prior: CorrespondencePrior) -> None:
    """Write a prior as JSON, with its layout, its data set and its counts in it."""
    record = {
        "format": FORMAT,
        "dataset": prior.dataset,
        "layout": list(prior.layout),
        "lesions": float(prior.counts.sum()),
        "counts": prior.counts.tolist(),
        "template_cc": np.round(prior.template_cc, 4).tolist(),
        "template_mlo": np.round(prior.template_mlo, 4).tolist(),
    }
    write_json(path, record)


def read_prior(path: Path | str, layout: tuple[int, int] | None = None) -> CorrespondencePrior:
    """Read a prior.

    Args:
        layout: (N_cc, N_mlo) that the model has; None takes a prior of any layout.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a prior, or a prior of another layout.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No prior {path}; tools/build_prior.py makes it from a data set")
    try:
        record = json.loads(path.read_text())
        if record["format"] != FORMAT:
            raise ValueError(f"format {record['format']!r}, expected {FORMAT!r}")
        counts = np.asarray(record["counts"], dtype=float)
        templates = [np.asarray(record[f"template_{v}"], dtype=float) for v in ("cc", "mlo")]
        dataset = str(record["dataset"])
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a prior of tools/build_prior.py: {error!r}") from error
    if not np.isfinite(counts).all() or (counts < 0).any():
        raise ValueError(f"{path}: counts must be finite and not negative")
    shapes = (counts.shape, templates[0].shape, templates[1].shape)
    if counts.ndim != 2 or shapes[1:] != ((counts.shape[0], 2), (counts.shape[1], 2)):
        raise ValueError(f"{path}: counts and templates do not fit each other: {shapes}")
    if layout is not None and counts.shape != tuple(layout):
        raise ValueError(
            f"{path} was made for layout {counts.shape}, but MODEL.AGN.LAYOUT is {tuple(layout)}; "
            f"make one with tools/build_prior.py --layout {layout[0]},{layout[1]}"
        )
    return CorrespondencePrior(counts, *templates, dataset)
