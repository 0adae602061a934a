"""Files: every coding, and those that cannot be read."""

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1, RLELossless

from agn_d2.dicom import decode
from agn_d2.dicom.faults import UnreadableDicom
from agn_d2.dicom.reader import is_dicom, read_dicom
from agn_d2.images import is_image, read_gray
from agn_d2.utils.image_header import LIMIT_VARIABLE

from .dicom_files import film, mammogram, write


@pytest.fixture
def pixels():
    return film(1, 64, 48)


def as_read(pixels):
    return np.round(pixels / 4095 * 65535).astype(np.uint16)


@pytest.mark.parametrize("syntax", [None, RLELossless, JPEG2000Lossless])
def test_codings_that_pydicom_writes(tmp_path, pixels, syntax):
    data = mammogram(pixels)
    if syntax:
        data.compress(syntax, generate_instance_uid=False)
    image = read_dicom(write(tmp_path / "a.dcm", data))
    assert np.array_equal(image.pixels, as_read(pixels))
    assert image.header.syntax == (syntax or data.file_meta.TransferSyntaxUID).name


def test_an_enhanced_image_of_one_frame_has_its_tags_in_sequences(tmp_path):
    """As synthetic 2D views that are stored as tomosynthesis."""
    shared, own = Dataset(), Dataset()
    shared.PixelMeasuresSequence = [item(PixelSpacing=[0.1, 0.2])]
    shared.FrameVOILUTSequence = [item(WindowCenter=1, WindowWidth=2)]
    own.FrameVOILUTSequence = [
        item(WindowCenter=1000, WindowWidth=500, VOILUTFunction="LINEAR_EXACT")
    ]
    own.PixelValueTransformationSequence = [item(RescaleSlope=2, RescaleIntercept=-1000)]
    data = mammogram(
        np.tile(np.array([875, 1125, 1000], np.uint16), (32, 11)),
        SOPClassUID="1.2.840.10008.5.1.4.1.1.13.1.3",
        ImageType=["DERIVED", "PRIMARY", "TOMOSYNTHESIS", "GENERATED_2D"],
        NumberOfFrames=1,
        SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=[own],
    )
    image = read_dicom(write(tmp_path / "a.dcm", data))
    # 2 x - 1000: 750 is black, 1250 white, 1000 in the middle.
    assert image.pixels[0, :3].tolist() == [0, 65535, 32768]
    assert image.notes == ("window 1000/500 LINEAR_EXACT",)
    assert image.header.spacing.mm == (0.1, 0.2)
    data.WindowCenter, data.WindowWidth, data.VOILUTFunction = 1000, 2000, "LINEAR_EXACT"
    assert read_dicom(write(tmp_path / "b.dcm", data)).notes == ("window 1000/2000 LINEAR_EXACT",)


def item(**tags):
    data = Dataset()
    for keyword, value in tags.items():
        setattr(data, keyword, value)
    return data


@pytest.mark.parametrize("selection", [1, 6])
def test_lossless_jpeg(tmp_path, pixels, selection):
    """The usual coding of digital mammograms, encoded here by the paper's recipe."""
    data = mammogram(pixels)
    stream = lossless_jpeg(pixels, selection)
    data.PixelData = encapsulate([stream])
    data["PixelData"].is_undefined_length = True
    data.file_meta.TransferSyntaxUID = (
        JPEGLosslessSV1 if selection == 1 else pydicom.uid.JPEGLossless
    )
    image = read_dicom(write(tmp_path / "a.dcm", data))
    assert np.array_equal(image.pixels, as_read(pixels))


def lossless_jpeg(pixels, selection, precision=12):
    """ITU-T T.81, process 14: differences to a predictor, their lengths by a flat Huffman code."""
    height, width = pixels.shape
    padded = pixels.astype(np.int64)
    bits = []
    for y in range(height):
        for x in range(width):
            left = padded[y, x - 1] if x else None
            above = padded[y - 1, x] if y else None
            if left is None and above is None:
                guess = 1 << (precision - 1)
            elif above is None:
                guess = left
            elif left is None:
                guess = above
            elif selection == 1:
                guess = left
            else:  # 6: above + (left - above left) / 2
                guess = above + ((left - padded[y - 1, x - 1]) >> 1)
            difference = int(padded[y, x] - guess)
            size = abs(difference).bit_length()
            bits.append(f"{size:05b}")  # code words of 5 bits, in the order of the sizes
            if size:
                value = difference if difference > 0 else difference + (1 << size) - 1
                bits.append(f"{value:0{size}b}")
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    entropy = bytes(int(text[i : i + 8], 2) for i in range(0, len(text), 8))
    entropy = entropy.replace(b"\xff", b"\xff\x00")
    lengths = bytes([0, 0, 0, 0, 17] + [0] * 11)
    huffman = b"\x00" + lengths + bytes(range(17))
    frame = bytes([precision, *divmod(height, 256), *divmod(width, 256), 1, 1, 0x11, 0])
    scan = bytes([1, 1, 0x00, selection, 0, 0])

    def segment(mark, body):
        return bytes([0xFF, mark, *divmod(len(body) + 2, 256)]) + body

    return (
        b"\xff\xd8"
        + segment(0xC3, frame)
        + segment(0xC4, huffman)
        + segment(0xDA, scan)
        + entropy
        + b"\xff\xd9"
    )


def test_a_coded_stream_of_more_bits_than_the_header_says(tmp_path, pixels):
    deep = (pixels * 4).astype(np.uint16)  # 14 bits
    data = mammogram(deep, BitsStored=14)
    data.compress(JPEG2000Lossless, generate_instance_uid=False)
    data.BitsStored, data.HighBit = 12, 11
    image = read_dicom(write(tmp_path / "a.dcm", data))
    assert image.notes == ("14 bits used, not 12 as the header says",)
    assert np.array_equal(image.pixels, np.round(deep / 16383 * 65535))


def damaged(tmp_path, name, pixels):
    path = tmp_path / f"{name}.dcm"
    if name == "not_dicom":
        path.write_text("a letter, no film")
    elif name == "empty":
        path.write_bytes(b"")
    elif name == "cut_off":
        path.write_bytes(write(path, mammogram(pixels)).read_bytes()[:-500])
    elif name == "cut_off_rle":
        data = mammogram(pixels)
        data.compress(RLELossless, generate_instance_uid=False)
        path.write_bytes(write(path, data).read_bytes()[:-500])
    elif name == "cut_off_header":
        path.write_bytes(write(path, mammogram(pixels)).read_bytes()[:200])
    elif name == "odd_length":
        content, rows = write(path, mammogram(pixels)).read_bytes(), b"\x28\0\x10\0US"
        path.write_bytes(content.replace(rows + b"\2\0\x40\0", rows + b"\3\0\x40\0\0"))
    elif name == "no_pixels":
        write(path, mammogram(PixelData=None))
    elif name == "floats":
        keys = ("PixelData", "BitsStored", "HighBit", "PixelRepresentation")
        data = mammogram(pixels, BitsAllocated=32, **dict.fromkeys(keys))
        data.FloatPixelData = pixels.astype("<f4").tobytes()
        write(path, data)
    elif name == "too_short":
        write(path, mammogram(pixels, Rows=65))
    elif name == "color":
        data = mammogram(np.zeros((64, 48), np.uint8), SamplesPerPixel=3, PlanarConfiguration=0)
        data.PhotometricInterpretation, data.PixelData = "RGB", bytes(3 * 64 * 48)
        write(path, data)
    elif name == "one_pixel":
        write(path, mammogram(np.zeros((1, 1), np.uint16)))
    elif name == "frames":
        write(path, mammogram(pixels, NumberOfFrames=2, PixelData=2 * pixels.tobytes()))
    elif name == "mpeg":
        data = mammogram(pixels)
        data.PixelData = encapsulate([b"\0" * 100])
        data["PixelData"].is_undefined_length = True
        data.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.100"
        write(path, data)
    elif name == "broken_jpeg":
        data = mammogram(pixels)
        data.PixelData = encapsulate([lossless_jpeg(pixels, 1)[40:]])
        data["PixelData"].is_undefined_length = True
        data.file_meta.TransferSyntaxUID = JPEGLosslessSV1
        write(path, data)
    return path


DAMAGED = {
    "not_dicom": "no DICOM file",
    "empty": "an empty file",
    "cut_off": "less than expected",
    "cut_off_rle": "",
    "cut_off_header": "",
    "odd_length": "Expected total bytes to be an even multiple of bytes per value",
    "no_pixels": "no pixel data",
    "floats": "pixels of floats, not of 1 to 16 bits",
    "too_short": "less than expected",
    "color": "RGB, not a gray picture",
    "one_pixel": "1 x 1 pixels, too small",
    "frames": "2 frames",
    "mpeg": "which is not read",
    "broken_jpeg": "damaged pixels",
}


@pytest.mark.parametrize(("name", "reason"), DAMAGED.items())
def test_what_cannot_be_read_is_said_in_one_line(tmp_path, pixels, name, reason):
    path = damaged(tmp_path, name, pixels)
    with pytest.raises(UnreadableDicom) as caught:
        read_dicom(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and reason in message
    assert "\n" not in message and len(message) > len(f"{path}: ") + 5


def test_a_missing_decoder_is_named_with_its_package(tmp_path, pixels, monkeypatch):
    data = mammogram(pixels)
    data.compress(JPEG2000Lossless, generate_instance_uid=False)
    path = write(tmp_path / "a.dcm", data)

    class Missing:
        is_available = False

    monkeypatch.setattr(decode, "get_decoder", lambda syntax: Missing())
    with pytest.raises(
        UnreadableDicom,
        match=r"coded as JPEG 2000 .*pip install pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg",
    ):
        read_dicom(path)


def test_the_limit_on_pixels_holds_for_dicom_too(tmp_path, pixels, monkeypatch):
    path = write(tmp_path / "a.dcm", mammogram(pixels))
    monkeypatch.setenv(LIMIT_VARIABLE, "3071")
    with pytest.raises(UnreadableDicom, match=r"a\.dcm: 48 x 64 pixels"):
        read_dicom(path)
    monkeypatch.setenv(LIMIT_VARIABLE, "3072")
    assert read_dicom(path).pixels.shape == (64, 48)


def test_dicom_is_known_by_its_mark_and_read_as_any_image(tmp_path, pixels):
    bare = write(tmp_path / "IM0001", mammogram(pixels))
    assert is_dicom(bare) and is_image(bare)
    assert np.array_equal(read_gray(bare), as_read(pixels))
    text = tmp_path / "notes.txt"
    text.write_text("x" * 300)
    assert not is_dicom(text) and not is_image(text)
    assert not is_dicom(tmp_path / "none")
