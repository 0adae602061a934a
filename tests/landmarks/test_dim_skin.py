"""The outermost skin: its gray level, and where it lies."""

import numpy as np
import pytest

from agn_d2.landmarks.dim_skin import outer_skin, skin_levels

NO_FILM = np.zeros((512, 320), bool)
Y, X = (grid + 0.5 for grid in np.mgrid[0:512, 0:320].astype(float))
AWAY = np.hypot(X, Y - 256)  # from the middle of the chest wall


def skin(radius=200.0):
    angle = np.linspace(-np.pi / 2, np.pi / 2, 192)
    return np.stack([radius * np.cos(angle), 256 + radius * np.sin(angle)], axis=1)


def radius_of(points):
    return np.hypot(points[:, 0], points[:, 1] - 256)


@pytest.mark.parametrize(
    ("film", "dim", "expected"),
    [
        # Film, dim rim and breast: Otsu's threshold is the rim, the film is the darker class.
        ((9, 9), 60, 9 + 0.06 * 51),  # no noise
        ((8, 10), 60, 9 + 3 * 1.48),  # median 9, deviations of 1
        ((8, 10), 30, 9 + 0.2 * 21),  # never above the level of the skin line
    ],
)
def test_the_dimmest_skin_lies_above_the_film_and_its_noise(film, dim, expected):
    gray = [film[0]] * 400 + [film[1]] * 400 + [dim] * 100 + [200] * 700
    image = np.array(gray, np.uint8).reshape(40, 40)
    level, bright = skin_levels(image, np.zeros(image.shape, bool))
    assert bright == dim
    assert level == pytest.approx(expected)
    assert skin_levels(image, np.ones(image.shape, bool)) == (0, 255)


def test_the_outermost_skin_lies_where_a_dim_rim_ends():
    image = np.where(AWAY < 200, 120, np.where(AWAY < 210, 12, 0)).astype(np.uint8)
    outer, fades = outer_skin(image, NO_FILM, skin())
    radius = radius_of(outer)[20:-20]
    assert radius.min() > 209 and radius.max() < 213  # the copy is blurred by a pixel
    assert fades[20:-20].all()


def test_where_nothing_fades_or_a_letter_begins_the_gap_is_the_usual_one():
    image = np.where(AWAY < 200, 120, np.where(AWAY < 206, 12, 0)).astype(np.uint8)
    angle = np.arctan2(Y - 256, X)
    image[(np.abs(angle) < 0.06) & (AWAY > 195) & (AWAY < 230)] = 240  # a letter at the skin
    image[(np.abs(angle - 0.7) < 0.06) & (AWAY > 195)] = 15  # goes on as far as the image does
    outer, fades = outer_skin(image, NO_FILM, skin())
    at = np.linspace(-np.pi / 2, np.pi / 2, 192)
    assert not fades[np.abs(at) < 0.05].any() and not fades[np.abs(at - 0.7) < 0.05].any()
    assert fades[np.abs(at - 0.35) < 0.2].all()
    radius = radius_of(outer)[20:-20]
    assert radius.min() > 205 and radius.max() < 210
