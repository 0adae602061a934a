"""Cleaning keeps the breast and takes labels and borders away."""

import os
from pathlib import Path

import numpy as np
import pytest

from agn_d2.prepare.cbis_ddsm.image_800 import unsquash
from agn_d2.prepare.cbis_ddsm.source_800 import read_source
from agn_d2.prepare.clean import Breast, erase, find_breast


@pytest.fixture(scope="module")
def film():
    """Half an ellipse at the left, a label, a white border at the top and at the chest wall."""
    y, x = np.mgrid[:600, :400]
    breast = (x / 200) ** 2 + ((y - 300) / 200) ** 2 < 1
    rng = np.random.default_rng(0)
    image = np.where(breast, 30000, 1500) + rng.normal(0, 200, breast.shape)
    image[40:70, 320:380] = 60000
    image[:8] = image[:, :6] = 65000
    return image.clip(0, 65535).astype(np.uint16), breast


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_breast_stays_and_the_label_goes(film, mirrored):
    image, breast = film
    if mirrored:
        image, breast = image[:, ::-1], breast[:, ::-1]
    found = find_breast(image)
    assert found.found
    keep = found.region(image.shape, (0, 0, 400, 600))
    assert keep[breast].all()
    label = np.zeros(keep.shape, bool)
    label[40:70, 320:380] = True
    assert not keep[label[:, ::-1] if mirrored else label].any()
    assert not keep[:8].any()
    cleaned, erased = erase(image, keep)
    assert erased == np.count_nonzero(~keep)
    assert np.array_equal(cleaned[keep], image[keep])
    assert np.unique(cleaned[~keep]).size == 1
    assert abs(int(cleaned[~keep][0]) - 1500) < 100


def test_the_region_of_a_crop_is_the_crop_of_the_region(film):
    image, _ = film
    found = find_breast(image)
    whole = found.region(image.shape, (0, 0, 400, 600))
    part = found.region(image.shape, (11, 52, 207, 433))
    assert np.mean(part != whole[52:433, 11:207]) < 0.002


def test_nothing_to_erase_changes_nothing():
    image = np.arange(12, dtype=np.uint16).reshape(3, 4)
    cleaned, erased = erase(image, np.ones((3, 4), bool))
    assert erased == 0 and cleaned is image


def test_a_film_without_a_breast_is_kept_whole():
    found = find_breast(np.zeros((300, 200), np.uint16))
    assert isinstance(found, Breast) and not found.found
    assert found.region((300, 200), (0, 0, 200, 300)).all()


REAL = Path(os.environ.get("AGN_TEST_DATA", "")) / "mass_800px"


@pytest.mark.skipif(
    not REAL.is_dir(), reason="AGN_TEST_DATA names no folder with mass_800px of CBIS-DDSM"
)
def test_no_real_mass_at_the_chest_wall_is_erased():
    # Masses beside or in a white border, which a rule for borders alone takes away.
    names = {"01090_LEFT_CC", "01221_LEFT_CC", "01301_RIGHT_CC", "00719_LEFT_MLO"}
    checked = 0
    for source in read_source(REAL):
        if source.name not in names:
            continue
        image, boxes = unsquash(source)
        keep = find_breast(image).region(image.shape, (0, 0, image.shape[1], image.shape[0]))
        for x, y, width, height in boxes:
            rows = slice(int(y), int(np.ceil(y + height)))
            assert keep[rows, int(x) : int(np.ceil(x + width))].all(), source.name
            checked += 1
    assert checked >= len(names)
