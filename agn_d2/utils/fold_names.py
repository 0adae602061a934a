"""Names of the data sets of a cross-validation, see ``agn_d2.prepare.folds``."""

from __future__ import annotations


def fold_name(dataset: str, fold: int, folds: int) -> str:
    """Folder of a fold below the root of the data sets, and so its registered name."""
    return f"{dataset}_fold{fold}of{folds}"


def pooled_name(dataset: str, folds: int) -> str:
    """Folder of the pooled test set, which holds every image once."""
    return f"{dataset}_folds{folds}"
