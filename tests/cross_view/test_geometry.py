"""The breast's own frame."""

import numpy as np
import pytest

from agn_d2.cross_view.geometry import breast_coordinates, breast_height, pixel_lengths
from agn_d2.landmarks.record import Landmarks


def mlo():
    """Chest wall left; pectoral line from (40, 0) to (0, 40), nipple at (90, 70)."""
    return Landmarks(
        "MLO", "left", [90, 70], [[40, 0], [0, 40]], [[40, 0], [90, 70], [0, 120]], (130, 100)
    )


def test_depth_is_the_distance_behind_the_nipple_along_the_axis():
    # The axis is the diagonal towards the upper left.
    points = [[90, 70], [80, 60], [91, 69], [90 + 3, 70 + 3]]
    expected = [[0, 0], [10 * 2**0.5, 0], [0, 2**0.5], [-3 * 2**0.5, 0]]
    assert breast_coordinates(np.array(points), mlo()) == pytest.approx(np.array(expected))


def test_a_mirrored_image_has_the_same_coordinates():
    points = np.array([[80.0, 60.0], [20.0, 90.0]])
    mirrored = np.stack([100 - points[:, 0], points[:, 1]], axis=1)
    assert breast_coordinates(mirrored, mlo().mirrored()) == pytest.approx(
        breast_coordinates(points, mlo())
    )


def test_a_nipple_on_the_line_looks_to_the_chest_wall():
    landmarks = Landmarks(
        "CC", "left", [50, 50], [[50, 0], [50, 100]], [[50, 0], [60, 50], [50, 100]], (100, 100)
    )
    assert breast_coordinates(np.array([[40.0, 30.0]]), landmarks).tolist() == [[10, 20]]
    mirrored = breast_coordinates(np.array([[60.0, 30.0]]), landmarks.mirrored())
    assert mirrored.tolist() == [[10, 20]]


@pytest.mark.parametrize("line", [[[5, 50], [5, 50]], [[60, 50], [60, 50]]])
def test_a_line_of_one_point_counts_as_vertical(line):
    contour = [[5, 0], [60, 50], [5, 100]]
    landmarks = Landmarks("CC", "left", [60, 50], line, contour, (100, 100))
    assert breast_coordinates(np.array([[40.0, 30.0]]), landmarks).tolist() == [[20, 20]]


def test_lengths_are_those_stated_or_breast_heights():
    assert breast_height(mlo()) == 120
    records = [{"landmarks": mlo(), "pixel_size": 0.1}, {"landmarks": mlo(), "pixel_size": 0.2}]
    assert pixel_lengths(records).tolist() == [0.1, 0.2]
    del records[1]["pixel_size"]
    assert pixel_lengths(records) == pytest.approx([1 / 120, 1 / 120])
