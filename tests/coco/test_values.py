"""Single values of a JSON file."""

import pytest

from agn_d2.coco.values import box, flag, text, whole

NAN = float("nan")


@pytest.mark.parametrize("empty", [None, NAN, "", "  ", "nan", "NaN", "None", "null", "<NA>"])
def test_an_empty_cell_is_no_text(empty):
    assert text(empty) is None


@pytest.mark.parametrize(
    ("value", "expected"), [(0, "0"), ("0", "0"), (2.0, "2"), (2.5, "2.5"), ("P 1", "P 1")]
)
def test_numbers_become_text(value, expected):
    assert text(value) == expected


@pytest.mark.parametrize("value", [True, [1], {}])
def test_what_is_no_text(value):
    with pytest.raises(ValueError, match="patient_id must be a text or a number"):
        text(value, "patient_id")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, 0), (1, 1), (False, 0), (True, 1), (1.0, 1), ("0", 0), ("1", 1), (None, 0)],
)
def test_flags(value, expected):
    assert flag(value, "iscrowd") == expected


@pytest.mark.parametrize("value", ["False", "", 2, -1, NAN, [0]])
def test_no_flags(value):
    with pytest.raises(ValueError, match="iscrowd must be 0 or 1"):
        flag(value, "iscrowd")


def test_whole_numbers():
    assert whole(104.0, "height") == 104
    for value in (104.5, 0, -1, "104", None, True, NAN, 10**400):
        with pytest.raises(ValueError, match="height must be a whole number above 0"):
            whole(value, "height")


def test_boxes():
    assert box([1, 2, 3, 4]) == (1, 2, 3, 4)
    assert box([1, 2, 0, 4], allow_empty=True) == (1, 2, 0, 4)
    for value in ([1, 2, 3], [1, 2, 3, "4"], [1, 2, 3, NAN], [1, 2, 3, float("inf")], None, "1"):
        with pytest.raises(ValueError, match="bbox must be 4 finite numbers"):
            box(value)
    with pytest.raises(ValueError, match="must be above 0"):
        box([1, 2, 0, 4])
    with pytest.raises(ValueError, match="must not be negative"):
        box([1, 2, -1, 4], allow_empty=True)
