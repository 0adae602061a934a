"""Masks told from crops by what is in them."""

import cv2
import numpy as np
import pytest

from agn_d2.prepare.cbis_ddsm.content import (
    CROP,
    MASK,
    kind_of,
    region_of,
    without_ringing,
)


def disc(height=60, width=40, y=20, x=15, radius=8):
    rows, columns = np.ogrid[:height, :width]
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


def test_kinds():
    rng = np.random.default_rng(0)
    assert kind_of(disc().astype(np.uint8) * 255) == "mask"
    assert kind_of(disc().astype(np.uint16) * 2) == "mask"
    assert kind_of(rng.integers(0, 65536, (40, 40), dtype=np.uint16)) == "crop"
    assert kind_of(np.full((9, 9), 3, np.uint8)) == "blank"


def test_a_lossy_mask_is_still_a_mask_but_a_soft_picture_is_not():
    lossy = disc(100, 100).astype(np.uint8) * 255
    lossy[0, :40] = 7
    assert kind_of(lossy) == "mask"
    lossy[1, :40] = 9
    assert kind_of(lossy) == "crop"


@pytest.mark.parametrize("invert", [False, True])
def test_the_region_is_the_lesion(invert):
    mask = disc()
    picture = (mask != invert).astype(np.uint8) * 255
    region = region_of(picture)
    assert region.box == (7, 12, 24, 29)
    assert region.size == (60, 40)
    assert np.array_equal(region.window, mask[12:29, 7:24])
    assert region.area == mask.sum()
    assert region.notes == (("mask inverted",) if invert else ())


def test_a_mask_cut_to_its_lesion_is_not_turned_around():
    mask = disc(17, 17, 8, 8)
    region = region_of(mask.astype(np.uint8))
    assert region.notes == ()
    assert np.array_equal(region.window, mask)


def test_specks_are_dropped_and_named_but_parts_stay():
    mask = disc(100, 100, 50, 50, 20)
    mask[2, 2] = mask[90, 95] = True
    region = region_of(mask.astype(np.uint8))
    assert region.box == (30, 30, 71, 71)
    assert region.notes == ("2 speck(s) dropped from the mask",)
    mask[80:90, 2:12] = True
    region = region_of(mask.astype(np.uint8))
    assert region.box == (2, 30, 71, 90)
    assert region.notes[1] == "mask of 2 parts"


def test_a_mask_that_jpeg_has_blurred_is_a_mask_again():
    y, x = np.mgrid[:600, :600]
    mask = np.where((x - 300) ** 2 + (y - 300) ** 2 < 6400, 255, 0).astype(np.uint8)
    data = cv2.imencode(".jpg", mask, [cv2.IMWRITE_JPEG_QUALITY, 75])[1]
    blurred = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    assert kind_of(blurred) == CROP
    clear = without_ringing(blurred)
    assert kind_of(clear) == MASK
    box = np.array(region_of(clear).box)
    np.testing.assert_allclose(box, [221, 221, 380, 380], atol=1)
    film = (np.random.default_rng(0).integers(0, 256, (50, 50))).astype(np.uint8)
    np.testing.assert_array_equal(without_ringing(film), film)
