import cv2
import numpy as np
import pytest

from agn_d2.images import read_gray, to_float


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_gray_value_survives(tmp_path, dtype):
    top = np.iinfo(dtype).max
    values = np.arange(top + 1, dtype=dtype).reshape(-1, 256)
    cv2.imwrite(str(tmp_path / "a.png"), values)
    stored = read_gray(tmp_path / "a.png")
    assert np.array_equal(stored, values)
    image = to_float(stored)
    assert image.dtype == np.float32
    assert image.max() == 1
    assert np.array_equal(np.rint(image * top).astype(dtype), values)


def test_colour_with_alpha_becomes_gray(tmp_path):
    pixels = np.full((4, 5, 4), 100, np.uint8)
    pixels[..., 3] = 255
    cv2.imwrite(str(tmp_path / "a.png"), pixels)
    assert np.array_equal(read_gray(tmp_path / "a.png"), np.full((4, 5), 100))


def test_missing_empty_and_broken_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.png"):
        read_gray(tmp_path / "none.png")
    for name, content in (("empty", b""), ("broken", b"\x89PNG\r\n\x1a\nhalf an image")):
        (tmp_path / f"{name}.png").write_bytes(content)
        with pytest.raises(ValueError, match=rf"{name}\.png cannot be read"):
            read_gray(tmp_path / f"{name}.png")
