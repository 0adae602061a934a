"""Confidence intervals of FROC values by a bootstrap over patients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .froc import DEFAULT_FPPI, FrocEvents, froc_curve, recall_at_fppi


def bootstrap_recall(
    events: FrocEvents,
    patients: Sequence[str],
    fppi: Sequence[float] = DEFAULT_FPPI,
    *,
    image_weights: np.ndarray | None = None,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Percentile interval of the recall at each FPPI, over patients drawn with replacement.

    Images of one patient resemble each other, so whole patients are drawn, with all their images.
    The matching is per image and is not repeated: a draw only weighs the images of the curve.
    Draws without any lesion have no recall and are left out.

    Args:
        events: from :func:`match_detections`.
        patients: (I,) the patient of each image.
        fppi: (K,) where the curve is read.
        image_weights: (I,) as in :func:`froc_curve`; 0 leaves an image out of every draw, and a
            patient without any counted image is not drawn.
        draws: number of bootstrap samples, at least 1.
        level: share of the draws inside the interval, above 0 and below 1.
        seed: of the random draws.

    Returns:
        lower and upper ends, (K,) float64 each; NaN where no draw has a lesion.

    Raises:
        ValueError: if a length or a number is out of range.
    """
    num_images = len(events.lesions_per_image)
    if len(patients) != num_images:
        raise ValueError(f"patients must name one for each of {num_images} images")
    if draws < 1 or not 0 < level < 1:
        raise ValueError(f"draws must be at least 1 and level in (0, 1), found {draws}, {level}")
    weights = np.ones(num_images) if image_weights is None else np.asarray(image_weights, float)
    patient_of_image = np.unique(np.asarray(patients, dtype=str), return_inverse=True)[1]
    drawn_from = np.unique(patient_of_image[weights > 0])
    rng = np.random.default_rng(seed)
    recall = np.full((draws, len(fppi)), np.nan)
    if len(drawn_from):
        for draw in recall:
            picked = rng.choice(drawn_from, size=len(drawn_from))
            times = np.bincount(picked, minlength=patient_of_image.max() + 1)
            draw[:] = recall_at_fppi(froc_curve(events, weights * times[patient_of_image]), fppi)
    recall = recall[~np.isnan(recall).any(axis=1)]
    if not len(recall):
        return np.full(len(fppi), np.nan), np.full(len(fppi), np.nan)
    tail = (1 - level) / 2
    return np.quantile(recall, tail, axis=0), np.quantile(recall, 1 - tail, axis=0)
