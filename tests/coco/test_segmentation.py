"""Masks of annotations: what is kept, what is refused."""

import numpy as np
import pytest
from pycocotools import mask as mask_util

from agn_d2.coco.segmentation import check_segmentation

TRIANGLE = [0, 0, 10, 0, 10, 10]
SIZE = (4, 3)
# Column by column: 2 off, 3 on, 7 off.
COUNTS = {"size": [4, 3], "counts": [2, 3, 7]}


def test_no_mask():
    assert check_segmentation(None, SIZE) is None
    assert check_segmentation([], SIZE) is None


def test_polygons_of_fewer_than_three_points_are_left_out():
    assert check_segmentation([TRIANGLE], None) == [TRIANGLE]
    assert check_segmentation([[1, 2, 3, 4], TRIANGLE], None) == [TRIANGLE]


def test_rle_is_compressed_and_kept():
    mask = np.array([[0, 1, 0], [0, 0, 0], [1, 0, 0], [1, 0, 0]], dtype=np.uint8)
    rle = check_segmentation(COUNTS, SIZE)
    assert np.array_equal(mask_util.decode(rle), mask)
    written = rle | {"counts": rle["counts"].decode()}
    assert np.array_equal(mask_util.decode(check_segmentation(written, SIZE)), mask)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([[1, 2, 3, 4]], "a polygon needs at least three points"),
        ([[1, 1, 2, 2, 3, 3]], "a polygon must have an area"),
        ([[1, 1, 5, 1, 9, 1]], "a polygon must have an area"),
        ([1, 2, 30, 4, 5, 60], "must be a list of polygons"),
        ([[1, 2, 3, 4, 5]], "an even number of finite numbers"),
        ([[1, 2, 3, 4, 5, float("nan")]], "an even number of finite numbers"),
        ([["1", "2", "3", "4", "5", "6"]], "an even number of finite numbers"),
        ("mask.png", "must be a list of polygons"),
        (COUNTS | {"size": [8, 6]}, r"an RLE of \(8, 6\) \(h, w\) in an image of \(4, 3\)"),
        (COUNTS | {"size": [3, 4]}, r"\(swapped\)"),
        (COUNTS | {"size": None}, r"must be \[height, width\]"),
        (COUNTS | {"counts": [2, 3, 8]}, "add up to 13, not to the 12 pixels"),
        (COUNTS | {"counts": [2, -3, 13]}, "numbers from 0 on"),
        (COUNTS | {"counts": [12]}, "the mask is empty"),
        (COUNTS | {"counts": ""}, "must be a list or a text"),
        ({"size": [4, 3]}, "must be a list or a text"),
    ],
)
def test_what_is_refused(value, message):
    with pytest.raises(ValueError, match=message):
        check_segmentation(value, SIZE)


def test_compressed_counts_beyond_the_size_are_refused():
    large = mask_util.encode(np.asfortranarray(np.ones((9, 9), dtype=np.uint8)))
    with pytest.raises(ValueError, match="reach out of its size"):
        check_segmentation({"size": [4, 3], "counts": large["counts"].decode()}, SIZE)
