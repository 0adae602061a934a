"""Confidence intervals of FROC values, and of their differences, by a bootstrap over patients.

Images of one patient resemble each other, so whole patients are drawn with replacement, with all
their images. The matching is per image and is not repeated: a draw only weighs the images of the
curve. Models that are compared are read on the same draws, so that what both share (easy and hard
patients) leaves their difference.

Shapes: I images, E events, K FPPI values, M models, R draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .froc import DEFAULT_FPPI, FrocEvents, check_fppi


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
    """Percentile interval of the recall at each FPPI.

    Args:
        events, patients, fppi, image_weights, draws, seed: as :func:`bootstrap_recalls`.
        level: share of the draws inside the interval, above 0 and below 1.

    Returns:
        lower and upper ends, (K,) float64 each; NaN where no draw has a lesion, or where there is
        one patient alone.

    Raises:
        ValueError: if a length or a number is out of range.
    """
    recalls = bootstrap_recalls(
        [events], patients, fppi, image_weights=image_weights, draws=draws, seed=seed
    )
    return percentile_interval(recalls[:, 0], level)


def bootstrap_recalls(
    models: Sequence[FrocEvents],
    patients: Sequence[str],
    fppi: Sequence[float] = DEFAULT_FPPI,
    *,
    image_weights: np.ndarray | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> np.ndarray:
    """The recall of each model at each FPPI in each draw; all models see the same draws.

    Args:
        models: M times events on the same I images, from :func:`match_detections`.
        patients: (I,) the patient of each image.
        fppi: (K,) where the curves are read.
        image_weights: (I,) as in :func:`froc_curve`; 0 leaves an image out of every draw, and a
            patient without any counted image is not drawn.
        draws: R, at least 1.
        seed: random seed of the draws.

    Returns:
        (R, M, K) float64; NaN where a draw has no lesion, and where there is one patient alone.

    Raises:
        ValueError: if a length or a number is out of range.
    """
    check_fppi(fppi)
    if draws < 1:
        raise ValueError(f"draws must be at least 1, got {draws}")
    num_images = len(patients)
    for events in models:
        if len(events.lesions_per_image) != num_images:
            raise ValueError(
                f"patients must name one for each of {len(events.lesions_per_image)} images, "
                f"found {num_images}"
            )
    weights = np.ones(num_images) if image_weights is None else np.asarray(image_weights, float)
    readers = [_Reader(events, weights > 0, np.asarray(fppi, float)) for events in models]
    recalls = np.full((draws, len(models), len(fppi)), np.nan)
    for row, times in zip(recalls, draw_patients(patients, weights, draws, seed), strict=False):
        drawn = weights * times
        for k, reader in enumerate(readers):
            row[k] = reader(drawn)
    return recalls


def percentile_interval(values: np.ndarray, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """The interval that holds the share ``level`` of the draws, equal tails cut off.

    Args:
        values: (R, K); draws with a NaN are left out.
        level: above 0 and below 1.

    Returns:
        lower and upper ends, (K,) each; NaN if no draw is left.

    Raises:
        ValueError: if the level is out of range.
    """
    if not 0 < level < 1:
        raise ValueError(f"an interval needs a level in (0, 1), got {level}")
    values = values[~np.isnan(values).any(axis=1)]
    if not len(values):
        return np.full(values.shape[1], np.nan), np.full(values.shape[1], np.nan)
    tail = (1 - level) / 2
    return np.quantile(values, tail, axis=0), np.quantile(values, 1 - tail, axis=0)


def draw_patients(
    patients: Sequence[str], weights: np.ndarray, draws: int, seed: int
) -> Iterator[np.ndarray]:
    """Resamples of the patients, with all their images.

    Args:
        patients: (I,) the patient of each image.
        weights: (I,); a patient whose images all weigh 0 is not drawn.
        draws: how many.
        seed: random seed.

    Yields:
        (I,) int64, how often each image was drawn; nothing if fewer than two patients count, as
        one says nothing of others.
    """
    patient_of_image = np.unique(np.asarray(patients, dtype=str), return_inverse=True)[1]
    drawn_from = np.unique(patient_of_image[weights > 0])
    rng = np.random.default_rng(seed)
    for _ in range(draws if len(drawn_from) > 1 else 0):
        picked = rng.choice(drawn_from, size=len(drawn_from))
        yield np.bincount(picked, minlength=patient_of_image.max() + 1)[patient_of_image]


class _Reader:
    """``recall_at_fppi(froc_curve(events, weights), fppi)`` for many weights of the same events.

    All that does not depend on the weights is done once; a reading is one sum over the false
    positives and one over the lesions found.
    """

    def __init__(self, events: FrocEvents, counted: np.ndarray, fppi: np.ndarray) -> None:
        """
        Args:
            events: E events.
            counted: (I,) bool; images that are False always weigh 0.
            fppi: (K,) where to read.
        """
        kept = counted[events.images]
        scores, found = events.scores[kept], events.found[kept]
        self._found_images = events.images[kept][found]
        self._false_images = events.images[kept][~found]
        # After the last event of each distinct score: how many false positives and lesions so far.
        last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)[: len(scores)])
        self._false_before = np.append(0, np.cumsum(~found)[last])
        self._found_before = np.append(0, np.cumsum(found)[last])
        self._lesions_per_image = events.lesions_per_image
        self._fppi = fppi

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        """(K,) the recall with images of these weights; NaN without a lesion."""
        lesions = weights @ self._lesions_per_image
        if not lesions:
            return np.full(len(self._fppi), np.nan)
        false = running_sums(weights[self._false_images]) / weights.sum()
        # How many false positives fit under each FPPI, then the last score that has no more.
        fit = np.searchsorted(false, self._fppi, side="right") - 1
        point = np.searchsorted(self._false_before, fit, side="right") - 1
        return running_sums(weights[self._found_images])[self._found_before[point]] / lesions


def running_sums(values: np.ndarray) -> np.ndarray:
    """Sums of the first 0, 1, 2, ... values."""
    sums = np.zeros(len(values) + 1)
    np.cumsum(values, out=sums[1:])
    return sums
