import numpy as np
import pytest

from agn_d2.landmarks.contour import breast_box, breast_mask
from agn_d2.landmarks.folds import trim_folds
from agn_d2.landmarks.record import Landmarks
from agn_d2.landmarks.segment import film_border
from agn_d2.landmarks.working_copy import oriented_copy, working_copy


@pytest.mark.parametrize("view", ["CC", "MLO"])
def test_mask_is_the_breast_without_label_and_film_border(view, make_sketch):
    sketch = make_sketch(view)
    mask = breast_mask(sketch.image)
    assert mask.shape == sketch.image.shape and mask.dtype == bool
    truth = sketch.breast.copy()
    truth[:4], truth[-5:], truth[:, :3] = False, False, False
    both, either = (mask & truth).sum(), (mask | truth).sum()
    assert both / either > 0.95
    assert not mask[15:55, 235:295].any()


def test_mask_of_a_mirrored_image_is_mirrored(cc):
    np.testing.assert_array_equal(breast_mask(cc.image[:, ::-1]), breast_mask(cc.image)[:, ::-1])


def test_mask_of_an_empty_image_is_the_whole_image():
    assert breast_mask(np.zeros((50, 30), np.uint8)).all()


@pytest.mark.parametrize("image", [np.zeros((4, 4, 3)), np.zeros(5), np.zeros((0, 3))])
def test_what_is_no_gray_image_is_refused(image):
    with pytest.raises(ValueError, match="gray image"):
        breast_mask(image)


def test_numbers_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="finite"):
        breast_mask(np.full((8, 8), np.nan))


def test_working_copy_stretches_the_range_and_keeps_the_aspect_ratio():
    image = np.full((100, 60), 1000, np.uint16)
    image[:50] = 3000
    small = working_copy(image, 50)
    assert small.shape == (50, 30) and small.dtype == np.uint8
    assert (small[:25] == 255).all() and (small[25:] == 0).all()


def test_orientation_is_read_from_the_image(cc, mlo):
    for sketch in (cc, mlo):
        left, mirrored = oriented_copy(sketch.image)
        right, flipped = oriented_copy(sketch.image[:, ::-1])
        assert (mirrored, flipped) == (False, True)
        np.testing.assert_array_equal(left, right)


def test_film_border_is_thin_white_and_at_the_image_border():
    image = np.zeros((512, 300), np.uint8)
    image[:, :6] = 255  # a border, with its rim of two pixels
    image[200:320, 100:220] = 255  # white, but neither thin nor at the border
    image[400:406, 100:200] = 255  # thin, but not at the border
    film = film_border(image)
    assert film[:, :8].all()
    assert not film[:, 8:].any()


def test_folds_are_cut_where_the_reach_grows_again():
    # Reach of 100 at rows 100..199, 20 at rows 200..209, then a fold of 60.
    mask = np.zeros((400, 200), bool)
    mask[100:200, :100] = True
    mask[200:210, :20] = True
    mask[210:300, :60] = True
    trimmed = trim_folds(mask, "CC")
    assert trimmed[100:200, :100].all()
    assert not trimmed[211:].any()
    # At the top of an MLO view the same shape is narrowed, not cut.
    trimmed = trim_folds(mask[::-1], "MLO")
    assert trimmed[100:190, :20].all() and not trimmed[100:190, 20:].any()


def box_of(view, side):
    points = np.array([[10.0, 40.0], [90.5, 100.0], [10.0, 160.0]])
    if side == "right":
        points[:, 0] = 200 - points[:, 0]
    line = [[points[0, 0], 40], [points[0, 0], 160]]
    return Landmarks(view, side, points[1], line, points, (300, 200))


def test_breast_box_by_hand():
    # Chest wall at the image border; 10 % of the longer side (120, or 160 from the top) all around.
    assert breast_box(box_of("CC", "left"), 0.1) == (0, 28, 103, 172)
    assert breast_box(box_of("CC", "right"), 0.1) == (97, 28, 200, 172)
    assert breast_box(box_of("MLO", "left"), 0.1) == (0, 0, 107, 176)
    assert breast_box(box_of("CC", "left"), 5.0) == (0, 0, 200, 300)
    with pytest.raises(ValueError, match="margin"):
        breast_box(box_of("CC", "left"), -0.1)
