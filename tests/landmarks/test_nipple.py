"""The nipple: in profile, within the breast, or nowhere."""

import numpy as np
import pytest

from agn_d2.landmarks.nipple import find_nipple
from agn_d2.landmarks.nipple_shadow import find_nipple_shadow

CHEST_WALL = np.array([[0.0, 56.0], [0.0, 456.0]])


def half_disc(bump=0.0):
    """Skin line of radius 200 around (0, 256), with a bump at the middle."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, 192)
    radius = 200 + bump * np.exp(-((angle / 0.05) ** 2))
    return np.stack([radius * np.cos(angle), 256 + radius * np.sin(angle)], axis=1)


def tissue(spot=None, strength=30.0, radius=10.0):
    """A breast that gets darker towards the skin, with noise, and a round spot."""
    y, x = (grid + 0.5 for grid in np.mgrid[0:512, 0:320].astype(float))
    depth = 200 - np.hypot(x, y - 256)
    image = 60 + 60 * np.clip(depth / 40, 0, 1)
    image += np.random.default_rng(1).normal(0, 4, image.shape)
    if spot is not None:
        image += strength * np.exp(-((np.hypot(x - spot[0], y - spot[1]) / radius) ** 4))
    image[depth < 0] = 2
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("spot", [(180.0, 262.0), (172.0, 236.0), (168.0, 280.0)])
def test_a_round_shadow_near_the_farthest_point_is_the_nipple(spot):
    point, confidence = find_nipple(tissue(spot), half_disc(), CHEST_WALL)
    assert np.hypot(*(point - spot)) < 6
    assert 0.25 <= confidence <= 0.5


def test_the_skin_line_goes_first():
    point, confidence = find_nipple(tissue((176.0, 230.0)), half_disc(8.0), CHEST_WALL)
    np.testing.assert_allclose(point, [208, 256], atol=3)
    assert confidence > 0.5


@pytest.mark.parametrize("spot", [None, (150.0, 110.0), (90.0, 256.0)])
def test_no_shadow_where_a_nipple_may_lie(spot):
    point, confidence = find_nipple(tissue(spot), half_disc(), CHEST_WALL)
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
