"""[S]'s skin line: threshold, component, outline, spline, curvature."""

import numpy as np
import pytest
from scipy.interpolate import make_interp_spline

from agn_d2.landmarks.thesis.contour import (
    SMOOTHING,
    curvature,
    find_contour,
    largest_component,
    separability,
    skin_outline,
    smooth_skin_line,
)

HEIGHT, WIDTH = 1024, 640
CENTRE, RADII = (0.0, 512.0), (380.0, 400.0)


def half_ellipse(inside=120, outside=10):
    """A breast at the left border, (1024, 640) uint8."""
    y, x = (grid + 0.5 for grid in np.mgrid[0:HEIGHT, 0:WIDTH])
    breast = ((x - CENTRE[0]) / RADII[0]) ** 2 + ((y - CENTRE[1]) / RADII[1]) ** 2 <= 1
    return np.where(breast, inside, outside).astype(np.uint8)


def off_ellipse(points):
    """Distance from the ellipse, about: relative radius less one, times the smaller radius."""
    return (np.hypot(*((points - CENTRE) / RADII).T) - 1) * min(RADII)


@pytest.mark.parametrize("view", ["CC", "MLO"])
def test_skin_line_of_half_an_ellipse(view):
    found = find_contour(half_ellipse(), view)
    assert found.box == (0, 112, 380, 912)
    assert found.points.shape == (len(found.curvature), 2)
    steps = np.hypot(*np.diff(found.points, axis=0).T)
    assert 0.8 < np.median(steps) < 1.2
    assert found.points[0, 1] < found.points[-1, 1]
    # s = 1e7 halves waves of 350 px: it rounds the ends off, but not the middle.
    ends = 250 if view == "MLO" else 20
    assert np.abs(off_ellipse(found.points[ends:-ends])).max() < 1
    if view == "MLO":  # the view whose curvature is read; s = 100 keeps the steps of the pixels
        tip = int(np.argmax(found.points[:, 0]))
        at_tip = found.curvature[tip - 20 : tip + 21].mean()
        assert at_tip == pytest.approx(RADII[0] / RADII[1] ** 2, rel=0.05)  # a / b^2


def test_the_weight_is_that_of_the_view():
    image = half_ellipse()
    image[508:517, 380:420] = 120  # a spike of 9 x 40 px
    tips = {v: find_contour(image, v).points[:, 0].max() for v in ("CC", "MLO")}
    assert tips["CC"] > 415 and tips["MLO"] < 395
    assert SMOOTHING == {"CC": 100.0, "MLO": 1e7}


def test_only_the_largest_component_counts():
    image = half_ellipse()
    plain = find_contour(image, "CC").points
    image[40:120, 500:600] = 255  # a label, brighter than the breast and apart from it
    np.testing.assert_allclose(find_contour(image, "CC").points, plain, atol=1e-9)


@pytest.mark.parametrize("image", [np.zeros((1024, 640)), np.full((1024, 640), 7)])
def test_without_contrast_there_is_no_skin_line(image):
    assert find_contour(image.astype(np.uint8), "CC") is None


def test_largest_component_by_hand():
    binary = np.zeros((20, 30), np.uint8)
    binary[2:4, 3:9] = 255  # 12 px
    binary[4, 9] = 255  # joined by a corner: 13 px
    binary[10:12, 20:26] = 255  # 12 px
    mask, box = largest_component(binary)
    assert box == (3, 2, 10, 5)
    assert mask.sum() == 13 and mask[4, 9] == 1 and not mask[10:].any()
    assert largest_component(np.zeros((20, 30), np.uint8)) is None
    binary[4, 9] = 0
    binary[2:4, 3:9] = 0
    assert largest_component(binary) is not None  # 12 px of 600: 2 %
    binary[10, 20] = 0
    assert largest_component(binary) is None


def test_outline_leaves_out_chest_wall_and_image_border():
    mask = np.zeros((500, 300), np.uint8)
    mask[:400, 20:200] = 1  # up to the top of the image; the wall is at x = 20
    outline = skin_outline(mask)
    assert outline[:, 0].min() > 20 + 6 and outline[:, 1].min() > 0.5
    # From the upper to the lower end: down along x = 199, then to the left along y = 399.
    assert outline[0].tolist() == [199.5, 1.5]
    assert outline[-1, 1] == 399.5 and outline[-1, 0] == pytest.approx(27.5, abs=1)
    # Mirrored top to bottom it is the same line, although its farthest pixels reach the border.
    flipped = skin_outline(mask[::-1])[::-1]
    np.testing.assert_array_equal(flipped * [1, -1] + [0, 500], outline)
    assert skin_outline(np.ones((2, 40), np.uint8)) is None  # nothing but borders


def test_a_breast_that_the_film_cuts_has_no_outline():
    mask = np.ones((500, 300), np.uint8)
    assert skin_outline(mask) is None
    mask[:100] = mask[400:] = 0  # 300 rows at the far border, 2 x 294 columns of skin
    assert skin_outline(mask) is not None
    mask[:, 150:] = 0
    mask[100:400, :] = 0
    mask[100:400, 200:] = 1  # 300 rows at the far border, 2 x 94 columns of skin
    assert skin_outline(mask) is None


def test_spline_against_a_dense_solution():
    heading = np.random.default_rng(0).normal(0, 0.3, 60)  # 60 steps of 1 px
    steps = np.stack([np.cos(heading), np.sin(heading)], axis=1)
    curve = np.concatenate([[[5.0, 7.0]], [5.0, 7.0] + np.cumsum(steps, axis=0)])
    second = np.diff(np.eye(61), 2, axis=0)
    for weight in (1.0, 300.0):
        expected = np.linalg.solve(np.eye(61) + weight * second.T @ second, curve)
        points, _ = smooth_skin_line(curve, weight)
        assert points.shape == (61, 2)
        np.testing.assert_allclose(points, expected, atol=1e-9)


def test_curvature_by_hand():
    where = np.arange(201.0)
    circle = 50 * np.stack([np.cos(where / 50), np.sin(where / 50)], axis=1)
    there = curvature(make_interp_spline(where, circle), where)
    np.testing.assert_allclose(there[5:-5], 1 / 50, rtol=1e-3)
    back = curvature(make_interp_spline(where, circle[::-1]), where)
    np.testing.assert_allclose(back[5:-5], -1 / 50, rtol=1e-3)
    straight = np.stack([3 * where, 4 * where], axis=1)
    np.testing.assert_allclose(curvature(make_interp_spline(where, straight), where), 0, atol=1e-9)
    rest = np.ones((201, 2))
    assert (curvature(make_interp_spline(where, rest), where) == 0).all()


def test_separability_against_the_variances_of_the_classes():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (40, 30)).astype(np.uint8)
    for threshold in (60, 127, 200):
        low, high = (image[image <= threshold], image[image > threshold])
        within = (low.size * low.astype(float).var() + high.size * high.astype(float).var()) / 1200
        expected = 1 - within / image.astype(float).var()
        assert separability(image, threshold) == pytest.approx(expected)
    assert separability(np.array([[3, 3], [3, 90]], np.uint8), 50) == pytest.approx(1)
    assert separability(np.full((4, 4), 9, np.uint8), 5) == 0
    assert separability(image, 255) == 0
