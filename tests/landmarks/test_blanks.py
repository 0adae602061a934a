"""Labels that were blanked out, as on a tenth of DDSM's films."""

import cv2
import numpy as np
import pytest

from agn_d2.landmarks.blanks import without_blanks
from agn_d2.landmarks.detect import detect_landmarks

FILM, TISSUE = 55, 150


def half_disc(background):
    """(512, 360) uint8: half a disc at the left, whose edge falls off to the background."""
    y, x = np.mgrid[0:512, 0:360]
    inside = np.clip((180 - np.hypot(x, y - 250)) / 40, 0, 1)
    noise = np.random.default_rng(0).integers(-2, 3, inside.shape)
    return np.clip(background + inside * (TISSUE - background) + noise, 0, 255).astype(np.uint8)


def blanked(image):
    image = image.copy()
    image[440:490, 250:350] = 0
    return image


def test_a_patch_gets_as_bright_as_the_film():
    whole = half_disc(FILM)
    filled = without_blanks(blanked(whole))
    assert np.abs(filled.astype(int) - whole).max() <= 4
    far = np.ones(whole.shape, bool)
    far[436:494, 246:354] = False
    assert (filled == blanked(whole))[far].all()


@pytest.mark.parametrize("make", [lambda: half_disc(FILM), lambda: half_disc(0)])
def test_without_a_patch_the_image_stays(make):
    image = make()
    assert without_blanks(image) is image


def test_black_air_beside_a_large_breast_is_no_patch():
    """It is as small and as black, but the skin rises from it."""
    image = half_disc(0)[130:370, :160]
    assert 0.02 < (image < 5).mean() < 0.15
    assert without_blanks(image) is image


def test_black_air_below_homogeneous_fat_is_no_patch():
    """The fat is as even as film, but does not begin at the air's edge."""
    y, x = np.mgrid[0:512, 0:360]
    depth = 0.9 * 512 - y
    image = np.clip(depth * 2, 0, 60).astype(np.uint8)
    image[(x < 100) & (y < 250)] = 200
    assert 0.05 < (image == 0).mean() < 0.15
    assert without_blanks(image) is image


def patched(background, rows, columns):
    image = np.full((512, 360), background, np.uint8)
    image[disc()] = 200
    image[rows, columns] = 0
    return image


def disc():
    y, x = np.mgrid[0:512, 0:360]
    return np.hypot(x, y - 250) < 150


def test_a_large_black_area_is_no_patch():
    small = patched(FILM, slice(440, 500), slice(200, 350))
    assert without_blanks(small) is not small
    large = patched(FILM, slice(0, 512), slice(240, 360))  # a third of the image
    assert without_blanks(large) is large


def test_black_on_film_that_is_nearly_black_stays():
    image = patched(15, slice(440, 500), slice(200, 350))
    assert without_blanks(image) is image


@pytest.mark.parametrize("mirrored", [False, True])
def test_landmarks_are_those_of_the_film_without_the_patch(mirrored):
    turned = (lambda image: np.ascontiguousarray(image[:, ::-1])) if mirrored else np.asarray
    whole = detect_landmarks(turned(half_disc(FILM)), "CC")
    found = detect_landmarks(turned(blanked(half_disc(FILM))), "CC")
    assert found.chest_wall == whole.chest_wall == ("right" if mirrored else "left")
    assert found.confidence["contour"] > 0.9
    assert np.abs(found.nipple - whole.nipple).max() < 3

    def area(landmarks):
        return cv2.contourArea(landmarks.contour.astype(np.float32))

    assert area(found) == pytest.approx(area(whole), rel=0.02)
