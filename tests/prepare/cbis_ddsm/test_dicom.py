"""DICOM files are read without loss, or refused with a reason."""

import numpy as np
import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian

from agn_d2.dicom import dataset
from agn_d2.images import to_full_range
from agn_d2.phantom.cbis_fixture.files import Dicom, write_dicom
from agn_d2.prepare.cbis_ddsm.dicom import (
    UnreadableDicom,
    read_picture,
    read_series_uid,
)

PIXELS = np.array([[0, 1, 2], [255, 4095, 65535]], dtype=np.uint16)


def write(path, pixels=PIXELS, change=None, **changes):
    write_dicom(path, Dicom("A", "1.2", "1.3", "x", "CC", **changes), pixels, 0)
    if change:
        data = pydicom.dcmread(path)
        change(data)
        data.save_as(path)
    return path


def test_sixteen_bits_are_read_as_stored(tmp_path):
    path = write(tmp_path / "a.dcm")
    picture = read_picture(path)
    assert np.array_equal(picture.values, PIXELS)
    assert (picture.values.dtype, picture.bits, picture.notes) == (np.uint16, 16, ())
    assert np.array_equal(to_full_range(picture.values, picture.bits), PIXELS)
    assert read_series_uid(path) == "1.3"


def test_eight_bits_stay_eight_bits(tmp_path):
    pixels = np.array([[0, 128, 255]], dtype=np.uint8)
    picture = read_picture(write(tmp_path / "a.dcm", pixels))
    assert (picture.values.dtype, picture.bits) == (np.uint8, 8)
    assert to_full_range(picture.values, picture.bits).tolist() == [[0, 128 * 257, 65535]]


@pytest.mark.parametrize(
    ("photometric", "slope", "inverted"),
    [
        ("MONOCHROME1", None, True),
        ("MONOCHROME2", -1.0, True),
        ("MONOCHROME1", -2.0, False),
        ("MONOCHROME2", 2.0, False),
    ],
)
def test_larger_values_are_brighter(tmp_path, photometric, slope, inverted):
    path = write(tmp_path / "a.dcm", photometric=photometric, slope=slope)
    picture = read_picture(path)
    assert np.array_equal(picture.values, 65535 - PIXELS if inverted else PIXELS)
    assert picture.rescale == (slope or 1.0, 0.0)
    assert bool(picture.notes) == (photometric == "MONOCHROME1" or slope is not None)


def test_twelve_bits_inverted_within_their_range_and_stray_bits_dropped(tmp_path):
    pixels = np.array([[0, 1, 4095, 4096 + 7]], dtype=np.uint16)
    picture = read_picture(write(tmp_path / "a.dcm", pixels, photometric="MONOCHROME1", bits=12))
    assert picture.values.tolist() == [[4095, 4094, 0, 4088]]


def test_signed_values_start_at_zero(tmp_path):
    def sign(data):
        data.PixelRepresentation = 1

    path = write(tmp_path / "a.dcm", np.array([[0x8000, 0xFFFF, 0, 0x7FFF]], np.uint16), sign)
    assert read_picture(path).values.tolist() == [[0, 32767, 32768, 65535]]


def drop_pixels(data):
    del data.PixelData


def color(data):
    data.PhotometricInterpretation, data.SamplesPerPixel = "RGB", 3


def table(data):
    data.ModalityLUTSequence = pydicom.Sequence([pydicom.Dataset()])


def frames(data):
    data.NumberOfFrames, data.PixelData = 2, data.PixelData * 2


def jpeg(data):
    data.file_meta.TransferSyntaxUID = pydicom.uid.JPEGLSLossless
    data.PixelData = pydicom.encaps.encapsulate([b"\0" * 8])
    data["PixelData"].is_undefined_length = True


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop_pixels, "no pixel data"),
        (color, "RGB"),
        (table, "lookup table"),
        (frames, "2 frames"),
        (jpeg, "JPEG-LS|decompress|decode"),
    ],
)
def test_what_is_no_gray_picture_is_refused(tmp_path, change, message):
    with pytest.raises(UnreadableDicom, match=message):
        read_picture(write(tmp_path / "a.dcm", change=change))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.97])
def test_truncated_files_are_refused_at_any_length(tmp_path, share):
    path = write(tmp_path / "a.dcm", np.ones((40, 40), np.uint16))
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(UnreadableDicom):
        read_picture(path)


def test_a_file_without_a_header_names_no_series(tmp_path):
    path = tmp_path / "a.dcm"
    path.write_bytes(b"not DICOM")
    assert read_series_uid(path) is None
    with pytest.raises(OSError):
        read_picture(tmp_path / "none.dcm")


def test_a_file_without_a_spacing_tells_no_millimeters(tmp_path):
    assert read_picture(write(tmp_path / "a.dcm")).mm_per_pixel is None


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"PixelSpacing": [0.05, 0.05]}, 0.05),
        ({"ImagerPixelSpacing": [0.0435, 0.0435]}, 0.0435),
        ({"PixelSpacing": [0.042, 0.042], "ImagerPixelSpacing": [0.1, 0.1]}, 0.042),
        ({"NominalScannedPixelSpacing": [0.05, 0.05], "PixelSpacing": [0.1, 0.1]}, 0.05),
        ({"PixelSpacing": [0.05, 0.06]}, None),
        ({"PixelSpacing": [1, 1]}, None),
        ({"PixelSpacing": [-0.05, -0.05]}, None),
        ({"PixelSpacing": []}, None),
        ({"PixelSpacing": [], "ImagerPixelSpacing": [0.07, 0.07]}, 0.07),
    ],
)
def test_millimeters_where_the_file_says_them(tmp_path, tags, expected):
    def change(data):
        for keyword, value in tags.items():
            setattr(data, keyword, value)

    assert read_picture(write(tmp_path / "a.dcm", change=change)).mm_per_pixel == expected


def deflated(path, height=40, width=30, cut=None):
    """A deflated file, hardly larger than its header; ``cut``: so many bytes of its end damaged."""
    pixels = np.arange(height * width, dtype=np.uint16).reshape(height, width)
    data = pydicom.dcmread(write(path, pixels))
    data.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    data.save_as(path, enforce_file_format=True)
    if cut:
        content = path.read_bytes()
        path.write_bytes(content[:-cut] + bytes(255 - value for value in content[-cut:]))
    return path, pixels


def test_a_deflated_file_is_read(tmp_path):
    path, pixels = deflated(tmp_path / "a.dcm")
    assert np.array_equal(read_picture(path).values, pixels)
    assert read_series_uid(path) == "1.3"


@pytest.mark.parametrize("cut", [500, 1500])
def test_a_damaged_deflate_stream_is_a_broken_file(tmp_path, cut):
    path, _ = deflated(tmp_path / "a.dcm", cut=cut)
    with pytest.raises(UnreadableDicom):
        read_picture(path)


def test_a_deflated_file_that_grows_beyond_the_limit_is_not_inflated(tmp_path, monkeypatch):
    path, _ = deflated(tmp_path / "a.dcm")
    monkeypatch.setenv("AGN_D2_MAX_PIXELS", "100")
    monkeypatch.setattr(dataset, "_HEADER_ROOM", 1000)  # 1200 bytes; the file has 2400
    monkeypatch.setattr(dataset, "_CHUNK", 100)
    with pytest.raises(UnreadableDicom, match="grows beyond 1,200 bytes.*AGN_D2_MAX_PIXELS"):
        read_picture(path)
    assert read_series_uid(path) is None


def test_more_pixels_than_the_limit_are_refused_undecoded(tmp_path):
    def bomb(data):
        data.Rows = data.Columns = 30000

    path = write(tmp_path / "a.dcm", change=bomb)
    with pytest.raises(UnreadableDicom, match="30000 x 30000 pixels, more than the limit"):
        read_picture(path)


def test_an_error_of_the_drive_is_no_fault_of_the_file(tmp_path, monkeypatch):
    path = write(tmp_path / "a.dcm")

    def fails(*args, **kwargs):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("io.open", fails)
    monkeypatch.setattr("builtins.open", fails)
    for read in (read_picture, read_series_uid):
        with pytest.raises(OSError, match="Input/output error"):
            read(path)
