"""Which patients are trained on, validated on and tested on."""

from __future__ import annotations

import numpy as np


def split_patients(patients: list[str], share: float, seed: int) -> set[str]:
    """Draw the patients of the validation split.

    Args:
        patients: all patients of the training split, in any order.
        share: share of the patients, in [0, 1).

    Returns:
        the drawn patients; the same for the same patients, share and seed.

    Raises:
        ValueError: share out of range.
    """
    if not 0 <= share < 1:
        raise ValueError(f"the validation share must be in [0, 1), got {share}")
    ordered = sorted(set(patients))
    drawn = np.random.default_rng(seed).permutation(len(ordered))[: round(share * len(ordered))]
    return {ordered[i] for i in drawn}
