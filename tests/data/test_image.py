import cv2
import numpy as np
import pytest

from agn_d2.data.image import read_gray


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_gray_value_survives(tmp_path, dtype):
    top = np.iinfo(dtype).max
    values = np.arange(top + 1, dtype=dtype).reshape(-1, 256)
    cv2.imwrite(str(tmp_path / "a.png"), values)
    image = read_gray(tmp_path / "a.png")
    assert image.dtype == np.float32
    assert np.array_equal(np.rint(image * top).astype(dtype), values)


def test_colour_with_alpha_becomes_gray(tmp_path):
    pixels = np.full((4, 5, 4), 100, np.uint8)
    pixels[..., 3] = 255
    cv2.imwrite(str(tmp_path / "a.png"), pixels)
    assert np.allclose(read_gray(tmp_path / "a.png"), 100 / 255)


def test_missing_and_broken_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.png"):
        read_gray(tmp_path / "none.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nhalf an image")
    with pytest.raises(ValueError, match=r"broken\.png cannot be read"):
        read_gray(tmp_path / "broken.png")
