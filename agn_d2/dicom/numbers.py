"""Numbers of a header as archives have them: empty, odd, or not as many as there should be."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset


def windows_of(data: Dataset) -> list[tuple[float, float]]:
    """(center, width) of the windows that have both; none if there are not as many of each."""
    centers, widths = numbers_of(data, "WindowCenter"), numbers_of(data, "WindowWidth")
    if len(centers) != len(widths):
        return []
    pairs = zip(centers, widths, strict=True)
    return [(c, w) for c, w in pairs if c is not None and w is not None]


def has_value(data: Dataset, keyword: str) -> bool:
    """Whether a tag is there and not empty, be it a number or not."""
    try:
        return data.get(keyword) not in (None, "")
    except ValueError:  # a text that pydicom takes for no number, such as "10,5"
        return True


def numbers_of(data: Dataset, keyword: str) -> list[float | None]:
    """The values of a tag, None for one that is empty or no number."""
    try:
        value = data.get(keyword)
    except ValueError:  # a text that pydicom takes for no number, such as "10,5"
        return [None]
    values = [] if value is None else [value] if isinstance(value, (str, float, int)) else value
    return [_number(value) for value in values]


def _number(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None
