"""The nipple: in profile, within the breast, or nowhere."""

import numpy as np
import pytest

from agn_d2.landmarks.nipple import find_nipple
from agn_d2.landmarks.nipple_shadow import find_nipple_shadow

CHEST_WALL = np.array([[0.0, 56.0], [0.0, 456.0]])
NO_FILM = np.zeros((512, 320), bool)


def half_disc(bump=0.0, at=0.0):
    """Skin line of radius 200 around (0, 256), with a bump at an angle from the middle."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, 192)
    radius = 200 + bump * np.exp(-(((angle - at) / 0.05) ** 2))
    return np.stack([radius * np.cos(angle), 256 + radius * np.sin(angle)], axis=1)


def tissue(spot=None, strength=30.0, radius=10.0, bump=0.0, at=0.0):
    """A breast that gets darker towards the skin, with noise, a round spot and a bump."""
    y, x = (grid + 0.5 for grid in np.mgrid[0:512, 0:320].astype(float))
    angle = np.arctan2(y - 256, x)
    depth = 200 + bump * np.exp(-(((angle - at) / 0.05) ** 2)) - np.hypot(x, y - 256)
    image = 60 + 60 * np.clip(depth / 40, 0, 1)
    image += np.random.default_rng(1).normal(0, 4, image.shape)
    if spot is not None:
        image += strength * np.exp(-((np.hypot(x - spot[0], y - spot[1]) / radius) ** 4))
    image[depth < 0] = 2
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("spot", [(180.0, 262.0), (172.0, 236.0), (168.0, 280.0)])
def test_a_round_shadow_near_the_farthest_point_is_the_nipple(spot):
    point, confidence = find_nipple(tissue(spot), NO_FILM, half_disc(), CHEST_WALL)
    assert np.hypot(*(point - spot)) < 6
    assert 0.25 <= confidence <= 0.5


def test_the_skin_line_goes_first():
    point, confidence = find_nipple(
        tissue((176.0, 230.0), bump=8.0), NO_FILM, half_disc(8.0), CHEST_WALL
    )
    np.testing.assert_allclose(point, [208, 256], atol=3)
    assert confidence > 0.5


@pytest.mark.parametrize("spot", [None, (150.0, 110.0), (90.0, 256.0)])
def test_no_shadow_where_a_nipple_may_lie(spot):
    point, confidence = find_nipple(tissue(spot), NO_FILM, half_disc(), CHEST_WALL)
    np.testing.assert_allclose(point, [200, 256], atol=3)
    assert confidence == 0


def test_merit_grows_with_contrast_and_does_not_depend_on_brightness():
    line = half_disc()
    merits = [
        find_nipple_shadow(tissue((180.0, 256.0), s), line, CHEST_WALL)[1] for s in (15, 30, 45)
    ]
    assert merits == sorted(merits) and merits[2] > 1.5 * merits[0]
    brighter = tissue((180.0, 256.0)).astype(int) + 60
    brighter = find_nipple_shadow(np.clip(brighter, 0, 255).astype(np.uint8), line, CHEST_WALL)
    assert brighter[1] == pytest.approx(merits[1], rel=0.1)


def at_angle(angle, radius=204.0):
    return np.array([radius * np.cos(angle), 256 + radius * np.sin(angle)])


@pytest.mark.parametrize("at", [-0.3, 0.2])
def test_a_nub_too_dim_for_the_skin_line_is_the_nipple(at):
    image = tissue(bump=9.0, at=at)
    outside = half_disc_depth() < 0
    image[outside & (image > 2)] = 12  # the nub, beside film of 2 and skin of 60
    point, confidence = find_nipple(image, NO_FILM, half_disc(), CHEST_WALL)
    assert np.hypot(*(point - at_angle(at, 200))) < 6
    assert confidence > 0.5


def half_disc_depth():
    y, x = (grid + 0.5 for grid in np.mgrid[0:512, 0:320].astype(float))
    return 200 - np.hypot(x, y - 256)


def two_bumps(lower):
    """Skin line and image with equal bumps at 0.25 rad up and down, the lower one scaled."""
    up, down = half_disc(8.0, -0.25), half_disc(8.0 * lower, 0.25)
    image = np.maximum(tissue(bump=8.0, at=-0.25), tissue(bump=8.0 * lower, at=0.25))
    return image, up + down - half_disc()


def test_of_two_equal_bumps_the_upper_one_where_the_line_is_aslant():
    aslant = np.array([[0.02, 56.0], [0.0, 456.0]])  # so little that both lie equally far from it
    image, line = two_bumps(1.0)
    point, confidence = find_nipple(image, NO_FILM, line, aslant)
    assert np.hypot(*(point - at_angle(-0.25))) < 6
    alone = tissue(bump=8.0, at=-0.25)
    point, sure = find_nipple(alone, NO_FILM, half_disc(8.0, -0.25), aslant)
    assert np.hypot(*(point - at_angle(-0.25))) < 6
    assert confidence < sure  # another place looks as much like a nipple


def test_a_larger_bump_below_wins():
    aslant = np.array([[0.02, 56.0], [0.0, 456.0]])
    image, line = two_bumps(2.0)
    point, _ = find_nipple(image, NO_FILM, line, aslant)
    assert np.hypot(*(point - at_angle(0.25))) < 14


def test_far_from_the_farthest_point_a_bump_is_no_nipple():
    image, line = tissue(bump=8.0, at=1.1), half_disc(8.0, 1.1)
    point, _ = find_nipple(image, NO_FILM, line, CHEST_WALL)
    assert np.hypot(*(point - at_angle(1.1))) > 100


@pytest.mark.parametrize("gray", [245, 90])
def test_a_letter_at_the_skin_is_no_nipple(gray):
    image = tissue(bump=6.0)
    y, x = np.mgrid[0:512, 0:320]
    bar = (np.abs(x - 205) < 25) & (np.abs(y - 310) < 8)  # from the skin, 25 px wide and long
    image[bar] = gray
    letter = (half_disc(6.0) - at_angle(0.26)) / 8
    touched = half_disc(6.0) + [30.0, 0.0] * np.exp(-(letter**2).sum(axis=1))[:, None]
    point, confidence = find_nipple(image, NO_FILM, touched, CHEST_WALL)
    np.testing.assert_allclose(point, [206, 256], atol=4)
    assert confidence > 0.5
