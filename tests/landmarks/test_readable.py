"""Films on which the breast is hard to tell: uneven gray film, tissue that is nearly black."""

import cv2
import numpy as np
import pytest

from agn_d2.landmarks import breast_mask, readable
from agn_d2.landmarks.detect import detect_landmarks
from agn_d2.landmarks.readable import ReadableCopy, brightened, even_film, readable_copy
from agn_d2.landmarks.working_copy import oriented_copy
from agn_d2.prepare.clean import find_breast

HEIGHT, WIDTH = 512, 360
ROWS, COLUMNS = np.mgrid[0:HEIGHT, 0:WIDTH]
NOISE = np.random.default_rng(0).integers(-1, 2, (HEIGHT, WIDTH))


def breast(radius=180, rim=40):
    """Half a disc at the left whose edge falls off, in 0..1."""
    return np.clip((radius - np.hypot(COLUMNS, ROWS - 250)) / rim, 0, 1)


def uneven():
    """Gray film, brighter at the right and below, with a label that was blanked out."""
    film = 35 + 35 * COLUMNS / WIDTH + 25 * ROWS / HEIGHT
    image = film + breast() * (170 - film) + NOISE
    image[440:490, 250:350] = 0
    return image.clip(0, 255).astype(np.uint8)


def dark():
    """An MLO view: tissue of a tenth of the muscle's brightness, on black film."""
    texture = cv2.GaussianBlur(np.random.default_rng(1).random((HEIGHT, WIDTH)) * 12, (0, 0), 3)
    tissue = breast(rim=20) * (16 + texture)
    muscle = np.clip((0.45 * (330 - ROWS) - COLUMNS) / 4, 0, 1)
    return np.maximum(tissue, muscle * 230).astype(np.uint8)


@pytest.mark.parametrize(("image", "view"), [(uneven(), "CC"), (dark(), "MLO")])
def test_the_breast_is_found_where_it_is_hard_to_tell(image, view):
    plain = ReadableCopy.of(*oriented_copy(image), view)
    found = detect_landmarks(image, view)
    assert found.confidence["contour"] > max(plain.confidence + 0.2, 0.6)
    assert found.chest_wall == "left"
    # Where the breast ends; the disc's edge is as wide as the tissue falls off.
    below = found.contour[found.contour[:, 1] > 250]
    reach = np.hypot(below[:, 0], below[:, 1] - 250)
    assert np.median(reach) == pytest.approx(170, abs=15)


@pytest.mark.parametrize(("image", "view"), [(uneven(), "CC"), (dark(), "MLO")])
def test_a_mirrored_film_is_read_alike(image, view):
    straight, turned = readable_copy(image, view), readable_copy(image[:, ::-1], view)
    np.testing.assert_array_equal(straight.small, turned.small)
    assert straight.mirrored is not turned.mirrored


def test_a_film_that_is_easy_to_read_is_read_as_it_is(monkeypatch):
    def refuse(small):
        raise AssertionError("the gray values were changed")

    monkeypatch.setattr(readable, "even_film", refuse)
    monkeypatch.setattr(readable, "brightened", refuse)
    image = (breast() * 170 + 5 + NOISE.clip(0)).astype(np.uint8)
    assert readable_copy(image, "CC").confidence >= 0.75


@pytest.mark.parametrize(("rows", "taken"), [((0, 200), False), ((0, 440), True)])
def test_a_surer_line_along_less_of_the_skin_is_not_taken(monkeypatch, rows, taken):
    """A copy may show its skin line clearly and have lost half of it."""
    image = np.zeros((HEIGHT, WIDTH), np.uint8)

    def made(small, mirrored, view):
        plain = small.max() == 0
        line = np.array([[90.0, y] for y in ((0, 500) if plain else rows)])
        empty = np.zeros(small.shape, bool)
        return ReadableCopy(small, mirrored, empty, empty, empty, line, 0.6 if plain else 0.95)

    monkeypatch.setattr(readable.ReadableCopy, "of", made)
    monkeypatch.setattr(readable, "even_film", lambda small: small + 1)
    monkeypatch.setattr(readable, "brightened", lambda small: small)
    assert bool(readable_copy(image, "CC").small.max() == 1) is taken


@pytest.mark.parametrize("tone", [even_film, brightened])
def test_an_image_of_one_gray_value_stays(tone):
    image = np.full((HEIGHT, WIDTH), 7, np.uint8)
    np.testing.assert_array_equal(tone(image), image)


def test_even_film_leaves_the_tissue():
    image = uneven()
    even = even_film(image)
    inside = breast() == 1
    np.testing.assert_array_equal(even[inside], image[inside])
    outside = (breast() == 0) & (COLUMNS < 250)
    assert np.ptp(even[outside].astype(int)) < np.ptp(image[outside].astype(int)) / 2


def test_what_is_kept_of_a_film_and_its_mask_are_of_the_same_copy():
    image = uneven()
    kept = find_breast(image, "CC")
    assert kept.found
    label = kept.region(image.shape, (0, 0, WIDTH, HEIGHT))[440:490, 250:350]
    assert not label.any()
    mask = breast_mask(image, "CC")
    assert mask[breast() == 1].mean() > 0.99 and not mask[:, 260:].any()
