"""Crops found in films, and findings repaired with them."""

import cv2
import numpy as np
import pytest

from agn_d2.prepare.cbis_ddsm.dicom import UnreadableDicom
from agn_d2.prepare.cbis_ddsm.locate import Place, correlation, locate
from agn_d2.prepare.cbis_ddsm.outcome import AS_RELEASED, FROM_CROP, LOST, PLACED, RESIZED
from agn_d2.prepare.cbis_ddsm.repair import repair_finding

BOX = (150, 200, 210, 250)


@pytest.fixture(scope="module")
def film():
    """Soft texture on a flat background, as a film has both."""
    rng = np.random.default_rng(0)
    texture = cv2.GaussianBlur(rng.normal(size=(500, 400)), (0, 0), 4)
    film = 20000 + 60000 * texture / 1.0
    film[:, 300:] = 900
    return film.clip(0, 65535).astype(np.uint16)


@pytest.fixture(scope="module")
def crop(film):
    return film[BOX[1] : BOX[3], BOX[0] : BOX[2]].copy()


@pytest.fixture(scope="module")
def mask(film):
    mask = np.zeros(film.shape, np.uint8)
    center = ((BOX[0] + BOX[2]) // 2, (BOX[1] + BOX[3]) // 2)
    cv2.ellipse(mask, center, (29, 24), 0, 0, 360, 255, -1)
    return mask


def test_a_crop_is_found_to_the_pixel_whatever_its_gray_values(film, crop):
    place = locate(film, crop)
    assert place.box == BOX and place.sure and place.confidence > 0.999
    other = (crop >> 8).astype(np.uint8) // 2 + 9
    assert locate(film, other).box == BOX
    slow = cv2.matchTemplate(film.astype("f4"), crop.astype("f4"), cv2.TM_CCOEFF_NORMED)
    assert cv2.minMaxLoc(slow)[3] == BOX[:2]


def test_a_crop_of_another_scale_is_found_if_it_is_tried(film, crop):
    small = cv2.resize(crop, None, fx=1 / 1.5, fy=1 / 1.5, interpolation=cv2.INTER_AREA)
    assert not locate(film, small).sure
    place = locate(film, small, (1.0, 1.5))
    assert place.sure and place.scale == 1.5
    assert np.abs(np.subtract(place.box, BOX)).max() <= 1


def test_a_crop_of_something_else_is_not_found(film):
    rng = np.random.default_rng(1)
    noise = cv2.GaussianBlur(rng.normal(size=(50, 60)), (0, 0), 4)
    other = (30000 + 50000 * noise).clip(0, 65535).astype(np.uint16)
    assert not locate(film, other).sure
    assert locate(film, np.full((20, 20), 7, np.uint16)) is None
    assert locate(film, np.zeros((501, 10), np.uint16)) is None


def test_a_crop_that_is_there_twice_is_not_sure(film, crop):
    twice = film.copy()
    twice[20:70, 20:80] = crop
    place = locate(twice, crop)
    assert place.confidence > 0.99 and place.rival > 0.99 and not place.sure


def test_what_is_sure():
    assert Place(BOX, 0.95, 0.85, 1.0).sure
    assert not Place(BOX, 0.95, 0.93, 1.0).sure
    assert not Place(BOX, 0.85, 0.0, 1.0).sure


def test_correlation_at_a_place(film, crop):
    assert correlation(film, crop, BOX) > 0.999
    assert correlation(film, crop, tuple(v + 2 for v in BOX)) > 0.999
    assert correlation(film, crop, tuple(v + 30 for v in BOX)) < 0.5
    assert correlation(film, crop, (0, 0, 2, 2)) == 0.0


def repair(film, expected=("mask",), **files):
    def read(path):
        if isinstance(files[path], Exception):
            raise files[path]
        return files[path]

    return repair_finding(film, list(files), read, expected)


def kinds(outcome):
    return [note.kind for note in outcome.notes]


def test_mask_and_crop_as_they_should_be(film, crop, mask):
    outcome = repair(film, mask=mask, crop=crop)
    assert (outcome.method, outcome.notes) == (AS_RELEASED, [])
    # The crop is a few pixels wider than the mask: still the same place.
    assert outcome.confidence > 0.9
    full = np.zeros(film.shape, bool)
    x0, y0, x1, y1 = outcome.region.box
    full[y0:y1, x0:x1] = outcome.region.window
    assert np.array_equal(full, mask > 0)


def test_roles_come_from_the_content(film, crop, mask):
    outcome = repair(film, ("crop",), mask=mask, crop=crop)
    assert outcome.method == AS_RELEASED
    assert kinds(outcome) == ["role by content", "role by content"]


def test_a_mask_of_the_same_aspect_is_resized(film, crop, mask):
    small = cv2.resize(mask, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_NEAREST)
    outcome = repair(film, mask=small, crop=crop)
    assert outcome.method == RESIZED and outcome.region.size == film.shape
    x, y, width, height = cv2.boundingRect(mask)
    assert np.abs(np.subtract(outcome.region.box, (x, y, x + width, y + height))).max() <= 1
    assert repair(film, mask=small).method == RESIZED


def test_a_resized_mask_that_its_crop_contradicts_goes_to_the_crop(film, crop, mask):
    elsewhere = np.roll(mask, -120, axis=0)
    small = cv2.resize(elsewhere, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_NEAREST)
    outcome = repair(film, mask=small, crop=crop)
    assert outcome.method == PLACED and outcome.region.box == BOX
    assert kinds(outcome) == ["crop elsewhere", "mask of another size"]


@pytest.mark.parametrize("size", [(400, 400), (200, 500)])
def test_a_mask_of_another_aspect_is_placed_by_the_crop_or_lost(film, crop, mask, size):
    other = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST)
    outcome = repair(film, mask=other, crop=crop)
    assert outcome.method == PLACED and outcome.region.box == BOX
    assert outcome.confidence > 0.99
    assert 0.7 < outcome.region.window.mean() < 0.85  # an ellipse fills 0.785 of its box
    lost = repair(film, mask=other)
    assert lost.method == LOST and lost.region is None and kinds(lost)[-1] == "lost"


def test_without_a_mask_the_crop_tells_the_place(film, crop):
    broken = UnreadableDicom("cut off")
    outcome = repair(film, mask=broken, crop=crop)
    assert outcome.method == FROM_CROP and outcome.region.box == BOX
    assert outcome.region.window.mean() == pytest.approx(np.pi / 4, abs=0.01)
    assert kinds(outcome) == ["file unreadable", "mask recovered"]
    assert "mask: cut off" in outcome.notes[0].detail


def test_an_error_that_says_nothing_of_the_file_goes_through(film):
    with pytest.raises(OSError, match="gone"):
        repair(film, mask=OSError("gone"))


def test_nothing_left_is_lost(film):
    assert kinds(repair(film)) == ["files missing", "lost"]
    outcome = repair(film, mask=np.zeros((9, 9), np.uint8), crop=UnreadableDicom("cut off"))
    assert kinds(outcome) == ["blank file", "file unreadable", "lost"]


def test_a_mask_whose_crop_lies_elsewhere_stands_and_is_named(film, crop, mask):
    outcome = repair(film, mask=np.roll(mask, -120, axis=0), crop=crop)
    assert outcome.method == AS_RELEASED
    assert kinds(outcome) == ["crop elsewhere"]


def test_of_two_masks_the_one_that_the_crop_confirms_is_taken(film, crop, mask):
    outcome = repair(film, ("a", "mask"), a=np.roll(mask, -120, axis=0), mask=mask, crop=crop)
    x, y, *_ = cv2.boundingRect(mask)
    assert outcome.region.box[:2] == (x, y)
    assert kinds(outcome) == ["second mask"]


def test_a_wider_crop_is_no_contradiction(film, mask):
    wide = film[BOX[1] - 20 : BOX[3] + 20, BOX[0] - 20 : BOX[2] + 20]
    outcome = repair(film, mask=mask, crop=wide)
    assert outcome.method == AS_RELEASED and outcome.confidence > 0.99
    assert kinds(outcome) == ["crop wider than mask"]
