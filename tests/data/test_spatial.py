"""Rotation, scale, elastic distortion: content, points, boxes and masks arrive together."""

import numpy as np
import pytest

from agn_d2.data.seeding import numpy_seed
from agn_d2.data.spatial import (
    AffineTransform,
    ElasticTransform,
    RandomAffine,
    RandomElastic,
    tight_box,
)

H, W = 120, 90


def dot(x, y):
    """A bright dot, smooth, in a black image."""
    columns, rows = np.arange(W) + 0.5, np.arange(H)[:, None] + 0.5
    return np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 1.5**2)).astype(np.float32)


def center_of(image):
    """(x, y) of the center of mass, pixel centers at .5."""
    rows, columns = np.nonzero(image > 0.01)
    weights = image[rows, columns]
    return np.array([columns + 0.5, rows + 0.5]) @ weights / weights.sum()


def elastic(share=0.03, seed=5, points=4):
    with numpy_seed(seed):
        return RandomElastic(share, points).get_transform(np.zeros((H, W), np.float32))


TRANSFORMS = {
    "rotation": AffineTransform(H, W, 17.0, 1.0),
    "rotation and scale": AffineTransform(H, W, -30.0, 0.8),
    "larger": AffineTransform(H, W, 0.0, 1.3),
    "elastic": elastic(),
    "elastic, strong": elastic(0.047),
}
POINTS = np.array([[45.0, 60.0], [30.2, 41.7], [60.9, 80.3], [35.5, 75.5], [58.1, 38.8]])


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_bright_dot_arrives_where_its_point_arrives(name):
    transform = TRANSFORMS[name]
    expected = transform.apply_coords(POINTS)
    # They do move.
    assert np.hypot(*(expected - POINTS).T).max() > 1.5
    for point, target in zip(POINTS, expected, strict=True):
        arrived = center_of(transform.apply_image(dot(*point)))
        assert np.hypot(*(arrived - target)) < 0.2, (point, target, arrived)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_mask_moves_as_its_polygon(name):
    transform = TRANSFORMS[name]
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    polygon = np.stack([45 + 14 * np.cos(angle), 60 + 10 * np.sin(angle)], axis=1)
    columns, rows = np.arange(W) + 0.5, np.arange(H)[:, None] + 0.5
    mask = (((columns - 45) / 14) ** 2 + ((rows - 60) / 10) ** 2 < 1).astype(np.uint8)
    moved = transform.apply_segmentation(mask)
    assert set(np.unique(moved)) == {0, 1}
    (points,) = transform.apply_polygons([polygon])
    assert np.abs(tight_box(moved) - tight_box([points.reshape(-1)])).max() < 1.2
    # The box without a mask is that of the ellipse within it: here the mask itself.
    (box,) = transform.apply_box(np.array([[31.0, 50.0, 59.0, 70.0]]))
    assert np.abs(tight_box([points.reshape(-1)]) - box).max() < 0.1


def test_a_quarter_turn_by_hand():
    transform = AffineTransform(4, 4, 90.0, 1.0)
    image = np.arange(16, dtype=np.float32).reshape(4, 4)
    assert np.allclose(transform.apply_image(image), np.rot90(image), atol=1e-5)
    # Counter-clockwise about (2, 2): what is at the right goes to the top.
    assert np.allclose(transform.apply_coords(np.array([[4.0, 2.0]])), [[2.0, 0.0]])


def test_scale_by_hand():
    transform = AffineTransform(8, 8, 0.0, 2.0)
    assert np.allclose(transform.apply_coords(np.array([[3.0, 5.0]])), [[2.0, 6.0]])
    assert np.allclose(transform.apply_box(np.array([[3, 3, 5, 5]])), [[2, 2, 6, 6]], atol=0.01)


def test_boxes_of_rotated_masses_by_hand():
    transform = AffineTransform(100, 100, 30.0, 1.0)
    # A rectangle of 40 x 20 about the center: half sizes 20 cos + 10 sin and 20 sin + 10 cos.
    rectangle = np.array([[30.0, 40.0], [70.0, 40.0], [70.0, 60.0], [30.0, 60.0]])
    (moved,) = transform.apply_polygons([rectangle])
    c, s = np.sqrt(3) / 2, 0.5
    half_x, half_y = 20 * c + 10 * s, 20 * s + 10 * c
    expected = [50 - half_x, 50 - half_y, 50 + half_x, 50 + half_y]
    assert np.allclose(tight_box([moved.reshape(-1)]), expected)
    # Without a mask: the ellipse within the box, half sizes sqrt((20 c)^2 + (10 s)^2) and so on.
    half_x, half_y = np.hypot(20 * c, 10 * s), np.hypot(20 * s, 10 * c)
    expected = [50 - half_x, 50 - half_y, 50 + half_x, 50 + half_y]
    assert np.allclose(transform.apply_box(np.array([[30.0, 40, 70, 60]])), [expected], atol=0.05)


def test_tight_box_by_hand():
    mask = np.zeros((6, 8), np.uint8)
    mask[2:4, 3] = 1
    assert np.array_equal(tight_box(mask), [3, 2, 4, 4])
    assert np.array_equal(tight_box(np.zeros((3, 3), np.uint8)), np.zeros(4))
    assert np.array_equal(tight_box([[1, 5, 2, 3], [0, 4]]), [0, 3, 2, 5])


def test_elastic_keeps_the_edges_and_nothing_comes_in():
    transform = elastic(0.045)
    edge = np.array([[0, 0], [W, 0], [0, H], [W, H], [W / 3, 0], [0, H / 2], [W, 7.0], [20, H]])
    assert np.allclose(transform.apply_coords(edge), edge, atol=1e-6)
    outside = np.array([[-5.0, 40.0], [W + 3.0, -2.0]])
    assert np.allclose(transform.apply_coords(outside), outside, atol=1e-6)
    inside = np.stack(np.meshgrid(np.linspace(0, W, 30), np.linspace(0, H, 30)), -1).reshape(-1, 2)
    moved = transform.apply_coords(inside)
    assert moved.min() >= -1e-6
    assert (moved <= [W + 1e-6, H + 1e-6]).all()


def test_elastic_displacement_against_cox_de_boor():
    """d is the sum of cubic B-splines at the control points, worked out from its definition."""
    transform = elastic(0.04, points=3)

    def spline(t):
        t = abs(t)
        return (4 - 6 * t**2 + 3 * t**3) / 6 if t < 1 else max(2 - t, 0) ** 3 / 6

    inner = transform.coefficients[:, 2:-2, 2:-2]

    # In between 4 cells; control points 1 to 3 inside, the negative beyond the edges 0 and 4.
    def coefficient(axis, row, column):
        sign = 1
        if row in (0, 4) or column in (0, 4):
            return 0.0
        if row in (-1, 5):
            row, sign = {-1: 1, 5: 3}[row], -sign
        if column in (-1, 5):
            column, sign = {-1: 1, 5: 3}[column], -sign
        return sign * inner[axis, row - 1, column - 1]

    for x, y in ((10.0, 20.0), (44.4, 60.0), (80.0, 115.0), (2.0, 3.0)):
        u, v = 4 * x / W, 4 * y / H
        expected = [
            size
            * sum(
                coefficient(axis, row, column) * spline(v - row) * spline(u - column)
                for row in range(-1, 6)
                for column in range(-1, 6)
            )
            for axis, size in enumerate((W, H))
        ]
        assert np.allclose(transform.displacement(np.array([[x, y]])), [expected], atol=1e-9)


@pytest.mark.parametrize("points", [1, 4, 9])
def test_the_strongest_elastic_distortion_neither_folds_nor_fails_to_converge(points):
    limit = ElasticTransform.LARGEST_SLOPE / (4 * (points + 1))
    # Signs in a checkerboard: the steepest field there is.
    signs = (-1.0) ** np.add.outer(np.arange(points), np.arange(points))
    transform = ElasticTransform(H, W, limit * np.stack([signs, signs]))
    grid = np.stack(np.meshgrid(np.linspace(1, W - 1, 40), np.linspace(1, H - 1, 40)), -1)
    moved = transform.apply_coords(grid.reshape(-1, 2))
    back = moved + transform.displacement(moved)
    assert np.allclose(back, grid.reshape(-1, 2), atol=0.01)
    # No fold: rows and columns of points keep their order.
    moved = moved.reshape(grid.shape)
    assert (np.diff(moved[..., 0], axis=1) > 0).all()
    assert (np.diff(moved[..., 1], axis=0) > 0).all()
    with pytest.raises(ValueError, match="could fold"):
        ElasticTransform(H, W, 1.1 * limit * np.stack([signs, signs]))


def test_draws_stay_in_their_range_and_do_not_hang_on_the_size():
    augmentation = RandomAffine(20.0, 0.5, 2.0)
    with numpy_seed(0):
        drawn = [augmentation.get_transform(np.zeros((5, 5))) for _ in range(300)]
    angles, scales = np.array([t.angle for t in drawn]), np.array([t.scale for t in drawn])
    assert -20 <= angles.min() < -18
    assert 18 < angles.max() <= 20
    assert 0.5 <= scales.min() < 0.55
    assert 1.8 < scales.max() <= 2
    assert np.median(scales) == pytest.approx(1, abs=0.12)
    with numpy_seed(3):
        small = RandomElastic(0.03).get_transform(np.zeros((10, 20)))
    with numpy_seed(3):
        large = RandomElastic(0.03).get_transform(np.zeros((100, 200)))
    assert np.array_equal(small.coefficients, large.coefficients)
    assert np.abs(large.coefficients).max() > 0.02


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomAffine(-1.0), "INPUT.ROTATE"),
        (lambda: RandomAffine(5.0, 1.0, 0.5), "INPUT.SCALE"),
        (lambda: RandomElastic(0.06), "INPUT.ELASTIC must be 0 to 0.048 with 4 ELASTIC_POINTS"),
        (lambda: RandomElastic(0.01, 0), "INPUT.ELASTIC_POINTS"),
    ],
)
def test_wrong_values_name_their_key(make, message):
    with pytest.raises(ValueError, match=message):
        make()
