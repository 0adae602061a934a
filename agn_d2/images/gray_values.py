"""Gray values as shares of full scale, and how many bits an image seems to have."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

_DIM_TOP = 1 << 14  # a 16-bit image all below this uses less than a quarter of its range


def to_float(image: np.ndarray, bits: int | None = None) -> np.ndarray:
    """Gray values as shares of full scale: I / 255 or I / 65535, exact for every value.

    Args:
        image: (H, W) uint8 or uint16.
        bits: that the values have, 1 to 16, where they are fewer than the image's: full scale is
            then 2^bits - 1. Many digital mammograms have 12 or 14 bits in 16. None: all bits.

    Returns:
        (H, W) float32 in [0, 1].

    Raises:
        ValueError: no such number of bits, or a value that has more.
    """
    held = np.iinfo(image.dtype).bits
    if bits is None:
        return image.astype(np.float32) / np.iinfo(image.dtype).max
    if isinstance(bits, bool) or not isinstance(bits, (int, np.integer)) or not 1 <= bits <= held:
        raise ValueError(f"bits must be a whole number from 1 to {held}, got {bits!r}")
    top = (1 << int(bits)) - 1
    if image.size and image.max() > top:
        raise ValueError(f"bits {bits} ends at {top}, but the image has values up to {image.max()}")
    return image.astype(np.float32) / top


def to_full_range(values: np.ndarray, bits: int) -> np.ndarray:
    """The values spread over 16 bits, so that 0 stays 0 and the largest one becomes 65535.

    The bits of a value are repeated below it, which loses nothing: value = result >> (16 - bits).

    Args:
        values: (H, W) uint8 or uint16, below 2^bits.
        bits: that they have, 1 to 16.

    Returns:
        (H, W) uint16.
    """
    values = values.astype(np.uint16, copy=False)
    shift, out = 16 - bits, values
    if shift:
        out = np.zeros_like(values)
        while shift > -bits:
            out |= values << shift if shift >= 0 else values >> -shift
            shift -= bits
    return out


def seeming_bits(image: np.ndarray) -> int | None:
    """How many bits a 16-bit image seems to have, if it uses less than a quarter of its range.

    Such an image is 4 times darker than full scale or more (12 bits: 16 times), unless ``bits``
    is stated.

    Args:
        image: (H, W) uint8 or uint16.

    Returns:
        8 to 14; None where nothing is conspicuous: 8 bits, a wide range, or one gray value.
    """
    if image.dtype != np.uint16 or not image.size:
        return None
    top = int(image.max())
    if top >= _DIM_TOP or top == int(image.min()):
        return None
    return max(top.bit_length(), 8)


def narrow_range_warning(what: str, bits: Mapping[str, int], looked_at: int) -> str:
    """What to tell a user of images that use less than a quarter of their range.

    Args:
        what: the data set or folder.
        bits: name of such an image -> ``seeming_bits``; at least one.
        looked_at: how many images were looked at in all.
    """
    most = max(bits.values())
    return (
        f"{what}: {len(bits)} of {looked_at} images looked at are of 16 bits, but hold no value "
        f"above {(1 << most) - 1} (the first: {next(iter(bits))}). They seem to have {most} bits, "
        f'and are then {1 << (16 - most)} times too dark; state "bits": {most} with each image'
    )
