"""What a single value of a JSON file may be: numbers, ids, texts, flags, boxes."""

from __future__ import annotations

import math
from typing import Any

# What tables write into an empty cell, in lower case.
EMPTY = frozenset({"", "nan", "none", "null", "<na>"})


def is_number(value: Any) -> bool:
    """Whether it is a finite number (not a bool, nor beyond the range of a float)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def is_id(value: Any) -> bool:
    """Whether it is a finite number or a text."""
    return isinstance(value, str) or is_number(value)


def get(entry: Any, key: str) -> Any:
    """The value under a key.

    Raises:
        ValueError: not a JSON object, or the key is missing.
    """
    if not isinstance(entry, dict):
        raise ValueError(f"must be an object, got {entry!r:.60}")
    if key not in entry:
        raise ValueError(f"the key {key!r} is missing")
    return entry[key]


def text(value: Any, name: str = "value") -> str | None:
    """A name or label as text; None where a table was left empty (null, "", blanks, NaN).

    Numbers become text, 2.0 as well as 2 "2": pandas writes a column with gaps as floats.

    Raises:
        ValueError: neither a text nor a number.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{name} must be a text or a number, got {value!r:.60}")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return None if str(value).strip().lower() in EMPTY else str(value)


def whole(value: Any, name: str) -> int:
    """A number of pixels: whole and above 0, be it written 104 or 104.0.

    Raises:
        ValueError: anything else.
    """
    if not is_number(value) or value != int(value) or value < 1:
        raise ValueError(f"{name} must be a whole number above 0, got {value!r:.60}")
    return int(value)


def flag(value: Any, name: str) -> int:
    """0 or 1, also from true, 1.0 or "1"; null is 0.

    Raises:
        ValueError: anything else, such as "False".
    """
    if value is None:
        return 0
    if isinstance(value, int | float) and value in (0, 1):
        return int(value)
    if isinstance(value, str) and value.strip() in ("0", "1"):
        return int(value)
    raise ValueError(f"{name} must be 0 or 1, got {value!r:.60}")


def box(value: Any, *, allow_empty: bool = False) -> tuple[float, float, float, float]:
    """A box XYWH.

    Args:
        value: list of four numbers.
        allow_empty: a width or height of 0 is fine.

    Raises:
        ValueError: not four finite numbers, or a width or height that is too small.
    """
    if not isinstance(value, list) or len(value) != 4 or not all(map(is_number, value)):
        raise ValueError(f"bbox must be 4 finite numbers, got {value!r:.60}")
    x, y, width, height = map(float, value)
    if min(width, height) < 0 or (min(width, height) == 0 and not allow_empty):
        least = "must not be negative" if allow_empty else "must be above 0"
        raise ValueError(f"width and height of the bbox {least}, got {value!r}")
    return x, y, width, height
