import cv2
import numpy as np
import pytest

from agn_d2.data.pixels import record_pixels, record_shares

VALUES = np.array([[0, 819, 4095]], np.uint16)


@pytest.mark.parametrize("in_memory", [True, False])
def test_bits_of_the_record_set_full_scale(tmp_path, in_memory):
    record = {"file_name": str(tmp_path / "a.png"), "bits": 12}
    if in_memory:
        record["pixels"] = VALUES
    else:
        cv2.imwrite(record["file_name"], VALUES)
    assert np.array_equal(record_pixels(record), VALUES)
    shares = record_shares(record)
    assert shares.dtype == np.float32
    assert shares[0].tolist() == pytest.approx([0, 0.2, 1])


@pytest.mark.parametrize("record", [{}, {"bits": None}])
def test_without_bits_the_type_sets_full_scale(record):
    shares = record_shares(record | {"file_name": "a.png", "pixels": VALUES})
    assert shares[0, 2] == pytest.approx(4095 / 65535)


def test_bits_that_do_not_fit_name_the_file():
    with pytest.raises(ValueError, match=r"a\.png: bits 10 ends at 1023, .* 4095"):
        record_shares({"file_name": "a.png", "pixels": VALUES, "bits": 10})
