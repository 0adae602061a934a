import numpy as np
import pytest

from agn_d2.landmarks.segment import (
    _filled,
    _without_edges,
    film_and_tissue,
    segment,
)


def disc(height=512, width=360, center=250, radius=160):
    """Half a disc at the left border."""
    y, x = np.mgrid[0:height, 0:width]
    return (x**2 + (y - center) ** 2) <= radius**2


def overlap(mask, truth):
    return (mask & truth).sum() / (mask | truth).sum()


def test_gray_frame_of_the_film_does_not_join_the_breast():
    breast = disc()
    image = np.where(breast, 150, 0).astype(np.uint8)
    image[-4:] = image[:4] = 90  # too dim for a white film border
    image[:, -4:] = 90
    image[:4, 355:] = image[-40:, 340:] = 120
    mask = segment(image)
    assert overlap(mask, breast) > 0.96
    assert not mask[:, 200:].any()


def test_film_inside_a_ring_is_no_breast():
    breast = disc(radius=130)
    image = np.where(breast, 150, 0).astype(np.uint8)
    image[110:125, :340] = image[400:415, :340] = 120  # tape around the film
    image[110:415, 325:340] = 120
    mask = segment(image)
    assert not mask[200:330, 210:300].any()
    assert mask[200:300, 2:100].all()


def test_dim_breast_under_a_bright_muscle_is_whole():
    breast = disc(width=230, radius=215)
    image = np.where(breast, 45, 0).astype(np.uint8)
    image[disc(width=230, center=60, radius=150) & breast] = 200
    assert overlap(segment(image), breast) > 0.97


def test_background_of_film_with_and_without_a_dim_breast():
    film = np.array([0, 1, 2] * 10, np.uint8)
    breast = np.array([100, 120] * 10, np.uint8)
    background, noise, otsu = film_and_tissue(np.concatenate([film, breast]))
    assert background == 0.5  # the median of the darker class {0, 1}
    assert noise == pytest.approx(1.48 * 0.5)
    assert 2 <= otsu < 100
    dim = np.array([0] * 10 + [1] * 10 + [2] * 10 + [60] * 90 + [200] * 40, np.uint8)
    assert film_and_tissue(dim)[0] == 1  # not 60, the median below Otsu's threshold
    assert film_and_tissue(np.array([7, 7, 90], np.uint8))[:2] == (7, 0)


def test_holes_are_filled_but_not_large_ones():
    region = np.zeros((100, 100), bool)
    region[10:90, 10:90] = True
    region[20:30, 20:30] = False  # 1 % of the image
    region[40:80, 40:80] = False  # 16 %
    region[90:, :] = False
    filled = _filled(region)
    assert filled[20:30, 20:30].all() and not filled[40:80, 40:80].any()
    assert not filled[:10].any() and not filled[95:].any()


@pytest.mark.parametrize("turn", range(4))
def test_only_what_stays_at_the_edge_is_taken_away(turn):
    mask = np.zeros((30, 40), np.uint8)
    mask[:3, 5:20] = 1  # three deep: goes
    mask[:4, 25:30] = 1  # four deep: stays
    mask[10:12, 10:20] = 1  # thin, but not at the edge: stays
    expected = mask.copy()
    expected[:3, 5:20] = 0
    result = _without_edges(np.rot90(mask, turn).copy(), 3)
    np.testing.assert_array_equal(result, np.rot90(expected, turn))
