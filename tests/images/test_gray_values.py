"""Gray values as shares of full scale, and the bits that an image seems to have."""

import numpy as np
import pytest

from agn_d2.images import seeming_bits, to_float, to_full_range


def test_bits_set_full_scale():
    values = np.array([[0, 1, 2048, 4095]], np.uint16)
    assert to_float(values, 12)[0].tolist() == pytest.approx([0, 1 / 4095, 2048 / 4095, 1])
    assert np.array_equal(to_float(values, 16), to_float(values))
    assert to_float(np.array([[15]], np.uint8), 4).tolist() == [[1.0]]


@pytest.mark.parametrize("bits", [0, 17, -1, 12.0, "12", True])
def test_bits_that_are_none_are_refused(bits):
    with pytest.raises(ValueError, match="bits must be a whole number from 1 to 16"):
        to_float(np.zeros((2, 2), np.uint16), bits)


def test_values_beyond_the_stated_bits_are_refused():
    with pytest.raises(ValueError, match="bits 12 ends at 4095, but the image has .* 4096"):
        to_float(np.array([[4096]], np.uint16), 12)


@pytest.mark.parametrize(
    ("top", "bits"),
    [(4095, 12), (4096, 13), (2100, 12), (16383, 14), (16384, None), (65535, None), (3, 8)],
)
def test_seeming_bits(top, bits):
    assert seeming_bits(np.array([[0, top]], np.uint16)) == bits


def test_a_black_image_and_one_of_8_bits_seem_nothing():
    assert seeming_bits(np.zeros((2, 2), np.uint16)) is None
    assert seeming_bits(np.array([[0, 15]], np.uint8)) is None


@pytest.mark.parametrize("bits", range(1, 17))
def test_the_full_range_loses_nothing(bits):
    values = np.arange(1 << bits, dtype=np.uint16)[None]
    full = to_full_range(values, bits)
    assert (full[0, 0], full[0, -1]) == (0, 65535)
    assert np.array_equal(full >> (16 - bits), values)
    error = full[0].astype(float) - np.arange(1 << bits) * (65535 / ((1 << bits) - 1))
    assert np.abs(error).max() < 1 << max(16 - 2 * bits, 0) or bits > 8 and np.abs(error).max() <= 1
