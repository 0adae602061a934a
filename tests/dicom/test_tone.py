"""Gray values: rescale, VOI LUT, windows, inversion, padding; values worked out by hand."""

import numpy as np
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from agn_d2.dicom.decode import Stored, stored_values
from agn_d2.dicom.tone import Tone, gray_values

from .dicom_files import mammogram

WHITE = 65535


def row(values, dtype=np.uint16):
    return np.asarray([values], dtype)


def gray(values, tone="display", voi=0, dtype=np.uint16, **tags):
    data = mammogram(row(values, dtype), **tags)
    result, notes = gray_values(stored_values(data), data, Tone(tone, voi))
    assert result.dtype == np.uint16
    return result[0].tolist(), notes


def lut(values, first=0, depth=12, vr="US"):
    item = Dataset()
    item.LUTDescriptor = [len(values) % 65536, first, depth]
    item.add_new("LUTData", vr, values if vr == "US" else np.asarray(values, "<u2").tobytes())
    return item


def packed(values, shift=0):
    """A table of 8-bit entries with no byte between them."""
    entries = bytes(value >> shift for value in values)
    item = lut([0] * len(entries), depth=8)
    item.add_new("LUTData", "OW", entries + b"\0" * (len(entries) % 2))
    return item


def test_full_scale_of_12_8_and_16_bits():
    assert gray([0, 4095, 819])[0] == [0, WHITE, 13107]
    assert gray([0, 255, 51], dtype=np.uint8, BitsStored=8)[0] == [0, WHITE, 13107]
    assert gray([0, 65535, 40000], BitsStored=16)[0] == [0, WHITE, 40000]


def test_full_scale_by_the_values_where_the_header_has_too_many_bits():
    """16 bits stored, 12 used: full scale is 4095, not 65535."""
    values, notes = gray([0, 4095, 819], BitsStored=16)
    assert values == [0, WHITE, 13107]
    assert notes == ("12 bits used, not 16 as the header says",)
    # A quarter of the range and more is believed.
    assert gray([0, 16384], BitsStored=16)[0] == [0, 16384]


def test_padding_is_not_among_the_values_that_tell_the_bits():
    """12 bits and a padding of 65535 in 16 bits stored: full scale is 4095."""
    values, notes = gray([0, 4095, 819, 65535], BitsStored=16, PixelPaddingValue=65535)
    assert values == [0, WHITE, 13107, 0]
    assert notes == ("12 bits used, not 16 as the header says",)
    data = mammogram(row([-32768, 0, 4095], np.int16), BitsStored=16)
    data.add_new("PixelPaddingValue", "SS", -32768)
    assert gray_values(stored_values(data), data, Tone())[0].tolist() == [[0, 0, WHITE]]
    # Nothing but padding.
    assert gray([65535, 65535], BitsStored=16, PixelPaddingValue=65535)[0] == [0, 0]


def test_linear_window_of_the_standard():
    """C.11.2.1.2: y = (x - (c - 0.5)) / (w - 1) + 0.5, between c - 0.5 -+ (w - 1) / 2."""
    window = {"WindowCenter": "2048", "WindowWidth": "1025"}
    # 2047.5 -+ 512: black to 1535, white from 2560, and 2047.5 + 256 is at three quarters.
    values, notes = gray([0, 1535, 2560, 4095, 2047], **window)
    assert values[:4] == [0, 0, WHITE, WHITE]
    assert values[4] == pytest.approx((-0.5 / 1024 + 0.5) * WHITE, abs=1)
    assert notes == ("window 2048/1025 LINEAR",)


def test_linear_exact_and_sigmoid_windows():
    exact = {"WindowCenter": "1000", "WindowWidth": "500", "VOILUTFunction": "LINEAR_EXACT"}
    assert gray([750, 1250, 1125], **exact)[0] == [0, WHITE, round(0.75 * WHITE)]
    sigmoid = exact | {"VOILUTFunction": "SIGMOID"}
    expected = [round(WHITE / (1 + np.exp(-4 * (x - 1000) / 500))) for x in (1000, 750, 4095)]
    assert gray([1000, 750, 4095], **sigmoid)[0] == expected


def test_a_window_with_a_function_of_no_name_is_linear():
    tags = {"WindowCenter": "1000", "WindowWidth": "501", "VOILUTFunction": "CURVED"}
    assert gray([749, 1250], **tags)[1] == ("window 1000/501 LINEAR",)


def test_the_first_window_unless_another_is_asked_for():
    windows = {"WindowCenter": ["1000", "3000"], "WindowWidth": ["500", "500"]}
    windows["VOILUTFunction"] = "LINEAR_EXACT"
    assert gray([1125, 3125], **windows)[0] == [round(0.75 * WHITE), WHITE]
    assert gray([1125, 3125], voi=1, **windows)[0] == [0, round(0.75 * WHITE)]
    assert gray([1125, 3125], voi=7, **windows)[0] == [round(0.75 * WHITE), WHITE]


def test_windows_without_a_number_are_passed_over():
    exact = {"VOILUTFunction": "LINEAR_EXACT"}
    blank = exact | {"WindowCenter": ["1000", ""], "WindowWidth": ["500", ""]}
    assert gray([1125], **blank)[0] == gray([1125], voi=1, **blank)[0] == [round(0.75 * WHITE)]
    alone = {"WindowCenter": "", "WindowWidth": ""}
    assert gray([0, 4095, 819], **alone) == ([0, WHITE, 13107], ())
    data = mammogram(row([0, 4095, 819]))
    for keyword in ("WindowCenter", "WindowWidth"):
        # As read from a file with a decimal comma.
        tag = Tag(keyword)
        data._dict[tag] = RawDataElement(tag, "DS", 4, b"10,5", 0, False, True)
    values, notes = gray_values(stored_values(data), data, Tone())
    assert values.tolist() == [[0, WHITE, 13107]]
    note = "window without its center or its width not usable"
    assert notes == (note,)
    one = {"WindowCenter": ["1000", "2000"], "WindowWidth": "500"}
    assert gray([0, 4095, 819], **one) == ([0, WHITE, 13107], (note,))


def test_a_voi_lut_comes_before_a_window():
    table = [0, 1000, 2000, 4095]
    tags = {"VOILUTSequence": [lut(table, first=10)], "WindowCenter": "1", "WindowWidth": "2"}
    # Below the first entry its value, beyond the last one its value.
    scaled = [round(v / 4095 * WHITE) for v in (0, 0, 1000, 2000, 4095, 4095)]
    assert gray([0, 10, 11, 12, 13, 4000], **tags)[0] == scaled
    assert gray([0, 10, 11, 12, 13, 4000], "full_scale", **tags)[0][-1] == round(
        4000 / 4095 * WHITE
    )


def test_voi_luts_of_words_of_eight_bits_and_of_many_entries():
    words = lut([0, 4095], first=0, vr="OW")
    assert gray([0, 1], VOILUTSequence=[words])[0] == [0, WHITE]
    # 4096 entries of 8 bits: entry 4095 must not wrap to entry 255.
    eight = lut([n >> 4 for n in range(4096)], depth=8)
    assert gray([4095, 256, 0], VOILUTSequence=[eight])[0] == [WHITE, 16 * 257, 0]
    # The same, two entries a word (C.11.1.1.1); an odd number of them ends in a padding byte.
    assert gray([4095, 256, 0], VOILUTSequence=[packed(range(4096), 4)])[0] == [WHITE, 16 * 257, 0]
    assert gray([0, 1, 2], VOILUTSequence=[packed([0, 51, 255])])[0] == [0, 13107, WHITE]
    second = [lut([0, 4095]), lut([4095, 0])]
    assert gray([0, 1], voi=1, VOILUTSequence=second)[0] == [WHITE, 0]


def test_a_voi_lut_whose_depth_lies():
    values, notes = gray([0, 1], VOILUTSequence=[lut([0, 4095], depth=16)])
    assert values == [0, WHITE]
    assert "VOI LUT of 16 bits uses 12" in notes


def test_monochrome1_is_inverted_after_the_window():
    window = {"WindowCenter": "1000", "WindowWidth": "500", "VOILUTFunction": "LINEAR_EXACT"}
    one = window | {"PhotometricInterpretation": "MONOCHROME1"}
    expected = [WHITE, 0, WHITE - round(0.75 * WHITE)]
    assert gray([750, 1250, 1125], **one)[0] == expected
    # Both tags say the same: once. And each of them alone suffices.
    assert gray([750, 1250, 1125], PresentationLUTShape="INVERSE", **one)[0] == expected
    assert gray([750, 1250, 1125], PresentationLUTShape="INVERSE", **window)[0] == expected
    assert gray([750, 1250], PresentationLUTShape="IDENTITY", **window)[0] == [0, WHITE]


def test_padding_is_black_also_where_values_are_inverted():
    one = {"PhotometricInterpretation": "MONOCHROME1"}
    assert gray([0, 4095, 10], **one)[0][0] == WHITE
    padded = one | {"PixelPaddingValue": 0}
    assert gray([0, 4095, 10], **padded)[0] == [0, 0, WHITE - round(10 / 4095 * WHITE)]
    wide = padded | {"PixelPaddingRangeLimit": 10}
    assert gray([0, 4095, 10, 11], **wide)[0][:3] == [0, 0, 0]
    assert gray([11, 4095], **wide)[0][0] > 0


def test_rescale_comes_before_the_window():
    tags = {"RescaleSlope": "2", "RescaleIntercept": "-1000", "WindowCenter": "1000"}
    tags |= {"WindowWidth": "500", "VOILUTFunction": "LINEAR_EXACT"}
    # 2 x - 1000: 875 -> 750, 1125 -> 1250.
    assert gray([875, 1125], **tags)[0] == [0, WHITE]


def test_a_rescale_without_numbers_changes_nothing():
    expected = [0, WHITE, 13107]
    assert gray([0, 4095, 819], RescaleSlope="", RescaleIntercept="")[0] == expected
    values, notes = gray([0, 4095, 819], RescaleSlope="0", RescaleIntercept="0")
    assert values == expected and notes == ("rescale with slope 0 not usable",)


def test_a_negative_slope_turns_full_scale_round():
    tags = {"RescaleSlope": "-1", "RescaleIntercept": "4095"}
    assert gray([0, 4095, 819], **tags)[0] == [WHITE, 0, WHITE - 13107]


def test_a_modality_lut():
    tags = {"ModalityLUTSequence": [lut([4095, 2000, 0])]}
    assert gray([0, 1, 2], **tags)[0] == [WHITE, round(2000 / 4095 * WHITE), 0]


def test_signed_values():
    tags = {"BitsStored": 12}
    assert gray([-2048, 2047, 0], dtype=np.int16, **tags)[0] == [
        0,
        WHITE,
        round(2048 / 4095 * WHITE),
    ]
    window = tags | {"WindowCenter": "0", "WindowWidth": "200", "VOILUTFunction": "LINEAR_EXACT"}
    assert gray([-100, 100, 50], dtype=np.int16, **window)[0] == [0, WHITE, round(0.75 * WHITE)]


def test_windows_that_show_nothing_give_way_to_full_scale():
    values, notes = gray([0, 4095], WindowCenter="30000", WindowWidth="10")
    assert values == [0, WHITE]
    assert "VOI entries show nothing: full scale" in notes
    values, notes = gray([0, 4095], WindowCenter="100", WindowWidth="0")
    assert values == [0, WHITE]
    assert "window of width 0 not usable" in notes


def test_what_lies_above_the_stored_bits_is_dropped():
    """An overlay in bit 12, or values at the upper end of the word."""
    assert gray([0x1000 | 819, 0x1000, 4095])[0] == [13107, 0, WHITE]
    assert gray([819 << 4, 4095 << 4], HighBit=15)[0] == [13107, WHITE]


def test_the_name_of_a_tone():
    with pytest.raises(ValueError, match=r"INPUT\.DICOM_TONE must be one of .*'bright'"):
        Tone("bright")
    with pytest.raises(ValueError, match=r"INPUT\.DICOM_VOI must be 0 or more, got -1"):
        Tone(voi=-1)


def test_one_lookup_equals_the_steps_pixel_by_pixel():
    """A second way: pydicom's functions on the picture itself."""
    from pydicom.pixels import apply_modality_lut, apply_voi_lut

    pixels = np.random.default_rng(0).integers(0, 4096, (40, 30), np.uint16)
    tags = {"RescaleSlope": "1", "RescaleIntercept": "0", "WindowCenter": "2100"}
    data = mammogram(pixels, WindowWidth="700", VOILUTFunction="SIGMOID", **tags)
    expected = apply_voi_lut(apply_modality_lut(pixels, data), data) / 4095 * WHITE
    found, _ = gray_values(Stored(pixels, 12), data, Tone())
    assert np.abs(found - expected).max() <= 0.5 + 1e-6
