import io
import logging
import re
import struct
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from agn_d2.images import color_note, read_gray, to_float
from agn_d2.utils.image_header import MAX_PIXELS


@pytest.fixture
def shades():
    return np.random.default_rng(0).integers(0, 256, (40, 30), dtype=np.uint8)


def _declared(height, width):
    """A PNG of 16 bits that declares a size and holds hardly anything."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    size = struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 0)
    parts = chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


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


def test_color_with_alpha_becomes_gray(tmp_path):
    pixels = np.full((4, 5, 4), 100, np.uint8)
    pixels[..., 3] = 255
    cv2.imwrite(str(tmp_path / "a.png"), pixels)
    assert np.array_equal(read_gray(tmp_path / "a.png"), np.full((4, 5), 100))


@pytest.mark.parametrize(("mode", "suffix"), [("LA", "png"), ("RGBA", "png"), ("LA", "tif")])
def test_transparent_pixels_are_black(tmp_path, mode, suffix):
    gray, opacity = np.full((4, 3), 200, np.uint8), np.zeros((4, 3), np.uint8)
    opacity[1], opacity[2:] = 51, 255  # a fifth, all
    bands = [Image.fromarray(gray)] * (len(mode) - 1) + [Image.fromarray(opacity)]
    Image.merge(mode, bands).save(tmp_path / f"a.{suffix}")
    assert read_gray(tmp_path / f"a.{suffix}")[:, 0].tolist() == [0, 40, 200, 200]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_gray_value_that_stands_for_transparent_is_black(tmp_path, dtype):
    values = np.array([[255, 7], [0, 254]], dtype)
    Image.fromarray(values).save(tmp_path / "a.png", transparency=255)
    assert read_gray(tmp_path / "a.png").tolist() == [[0, 7], [0, 254]]


def test_16_bits_with_alpha_keep_their_values(tmp_path):
    pixels = np.full((2, 2, 4), 40001, np.uint16)
    pixels[..., 3] = [[65535, 0], [65535, 65535]]
    cv2.imwrite(str(tmp_path / "a.png"), pixels)
    assert read_gray(tmp_path / "a.png").tolist() == [[40001, 0], [40001, 40001]]


@pytest.mark.parametrize("large_page", [0, 1, 2])
def test_the_largest_page_of_a_tiff_is_read_and_said(tmp_path, caplog, shades, large_page):
    pages = [shades[:10, :10], shades[:20, :5]]
    pages.insert(large_page, shades.astype(np.uint16) * 257)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for page in pages:
            file.write(page)
    with caplog.at_level(logging.INFO, logger="agn_d2"):
        assert np.array_equal(read_gray(tmp_path / "a.tif"), pages[large_page])
    assert f"a.tif: page {large_page + 1} of 3 is read, the largest" in caplog.text


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.99])
def test_a_cut_off_file_is_refused(tmp_path, shades, suffix, share):
    data = cv2.imencode(suffix, shades)[1].tobytes()
    (tmp_path / f"a{suffix}").write_bytes(data[: int(share * len(data))])
    with pytest.raises(ValueError, match=rf"a{suffix} cannot be read"):
        read_gray(tmp_path / f"a{suffix}")


def test_missing_empty_and_broken_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.png"):
        read_gray(tmp_path / "none.png")
    for name, content in (("empty", b""), ("broken", b"\x89PNG\r\n\x1a\nhalf an image")):
        (tmp_path / f"{name}.png").write_bytes(content)
        with pytest.raises(ValueError, match=rf"{name}\.png cannot be read"):
            read_gray(tmp_path / f"{name}.png")


def test_a_picture_that_declares_too_many_pixels_is_refused_undecoded(tmp_path):
    (tmp_path / "bomb.png").write_bytes(_declared(30000, 29000))
    with pytest.raises(ValueError, match=rf"bomb\.png: 29000 x 30000 pixels.*{MAX_PIXELS:,}"):
        read_gray(tmp_path / "bomb.png")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_the_limit_on_pixels_can_be_changed(tmp_path, monkeypatch, shades, suffix):
    cv2.imwrite(str(tmp_path / f"a{suffix}"), shades)
    monkeypatch.setenv("AGN_D2_MAX_PIXELS", "1199")
    with pytest.raises(ValueError, match="30 x 40 pixels, more than the limit of 1,199"):
        read_gray(tmp_path / f"a{suffix}")
    monkeypatch.setenv("AGN_D2_MAX_PIXELS", "1200")
    assert read_gray(tmp_path / f"a{suffix}").shape == (40, 30)
    monkeypatch.setenv("AGN_D2_MAX_PIXELS", "many")
    with pytest.raises(ValueError, match="AGN_D2_MAX_PIXELS must be .* got 'many'"):
        read_gray(tmp_path / f"a{suffix}")


def test_an_error_of_the_drive_is_no_error_of_the_image(tmp_path, monkeypatch, shades):
    cv2.imwrite(str(tmp_path / "a.png"), shades)

    def fails(*args, **kwargs):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(io, "open", fails)
    with pytest.raises(OSError, match="Input/output error"):
        read_gray(tmp_path / "a.png")


def test_an_alpha_channel_that_cannot_be_read_is_no_fault_of_the_drive(tmp_path):
    """An OSError, as PIL raises it, would be tried again by every run of a preparation."""
    pixels = np.full((4, 5, 2), 40001, np.uint16)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels, photometric="minisblack", extrasamples=["unassalpha"])
    with pytest.raises(ValueError, match=r"a\.tif: its alpha channel cannot be read"):
        read_gray(path)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("pages", [1, 2])
def test_a_tiff_whose_zero_is_white_is_read_as_it_is_seen(tmp_path, dtype, pages):
    top = np.iinfo(dtype).max
    stored = np.linspace(0, top, 12, dtype=dtype).reshape(3, 4)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for page in [stored[:2, :2], stored][-pages:]:  # a thumbnail first
            file.write(page, photometric="miniswhite")
    assert np.array_equal(read_gray(tmp_path / "a.tif"), top - stored)


def test_an_image_to_be_turned_is_turned_with_its_transparency(tmp_path):
    gray = Image.fromarray(np.array([[10, 20, 30], [40, 50, 60]], np.uint8))
    opacity = Image.fromarray(np.array([[255, 255, 0], [255, 255, 255]], np.uint8))
    turned = Image.Exif()
    turned[0x0112] = 6  # the first row is the right side
    Image.merge("LA", (gray, opacity)).save(tmp_path / "a.png", exif=turned)
    assert read_gray(tmp_path / "a.png").tolist() == [[40, 10], [50, 20], [60, 0]]


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_what_is_colored_is_noted(tmp_path, shades, suffix):
    smooth = cv2.resize(shades, (120, 160), interpolation=cv2.INTER_CUBIC)
    picture, path = cv2.cvtColor(smooth, cv2.COLOR_GRAY2BGR), tmp_path / f"a.{suffix}"
    for image in (smooth, picture):
        cv2.imwrite(str(path), image)
        assert color_note(path) is None
    picture[:40, :60] = (0, 0, 255)
    cv2.imwrite(str(path), picture)
    count = int(re.match(r"([\d,]+) pixels", color_note(path))[1].replace(",", ""))
    assert count == pytest.approx(2400, rel=0.05 if suffix == "jpg" else 0)


@pytest.mark.parametrize("mode", ["P", "RGBA", "CMYK"])
def test_color_is_noted_however_it_is_stored(tmp_path, mode):
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    Image.new("RGB", (32, 32), (200, 0, 0)).convert(mode).save(path)
    assert color_note(path).startswith("1,024 pixels (100.00%)")


def test_color_that_is_not_seen_is_not_noted(tmp_path, monkeypatch):
    image = np.full((20, 30, 4), (0, 0, 200, 0), np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), image)
    assert color_note(tmp_path / "a.png") is None
    image[:2, :5, 3] = 255
    cv2.imwrite(str(tmp_path / "a.png"), image)
    assert color_note(tmp_path / "a.png").startswith("10 pixels")
    # Not decoded, as it is not read either.
    monkeypatch.setenv("AGN_D2_MAX_PIXELS", "599")
    assert color_note(tmp_path / "a.png") is None


def test_a_file_that_is_no_image_has_no_color(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    assert color_note(tmp_path / "a.png") is None
