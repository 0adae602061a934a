"""Smoothing and spacing of curves."""

import numpy as np
import pytest

from agn_d2.landmarks.curves import outward_normals, resample, smooth_curve, standing_out


def test_smoothing_against_a_dense_solution():
    rng = np.random.default_rng(0)
    curve = rng.normal(size=(40, 2))
    weight = (0.2 * 40 / (2 * np.pi)) ** 4
    second = np.zeros((38, 40))
    for i in range(38):
        second[i, i : i + 3] = [1, -2, 1]
    expected = np.linalg.solve(np.eye(40) + weight * second.T @ second, curve)
    np.testing.assert_allclose(smooth_curve(curve, 0.2), expected, atol=1e-9)


@pytest.mark.parametrize("points", [200, 400])
def test_smoothing_halves_its_wavelength_and_keeps_straight_lines(points):
    t = np.arange(points) / points
    wave = np.stack([t, np.sin(2 * np.pi * t / 0.1)], axis=1)
    smooth = smooth_curve(wave, 0.1)
    middle = slice(points // 4, 3 * points // 4)
    np.testing.assert_allclose(smooth[middle, 1], wave[middle, 1] / 2, atol=0.02)
    np.testing.assert_allclose(smooth[:, 0], t, atol=1e-9)


def test_resample_by_hand():
    np.testing.assert_allclose(
        resample(np.array([[0.0, 0], [2, 0], [2, 4]]), 4), [[0, 0], [2, 0], [2, 2], [2, 4]]
    )


def test_what_stands_out_by_hand():
    curve = np.stack([np.arange(101.0), np.zeros(101)], axis=1)
    outward = np.tile([0.0, 1.0], (101, 1))
    np.testing.assert_allclose(standing_out(curve, 0.3, outward), 0, atol=1e-9)
    curve[50, 1] = 1.0
    out = standing_out(curve, 0.3, outward)
    assert int(np.argmax(out)) == 50 and 0.9 < out[50] < 1
    # A wave of the very length that is halved keeps half of its height in the copy.
    curve[:, 1] = np.sin(2 * np.pi * np.arange(101) / (0.2 * 101))
    out = standing_out(curve, 0.2, outward)
    np.testing.assert_allclose(out[30:70], curve[30:70, 1] / 2, atol=0.03)


def test_normals_point_away_from_the_chest_wall():
    # From the top, rightwards and down: the breast is below and to the left of it.
    curve = np.array([[0.0, 0], [3, 4], [6, 8]])
    np.testing.assert_allclose(outward_normals(curve), [[0.8, -0.6]] * 3)
    assert outward_normals(np.zeros((3, 2))).tolist() == [[0, 0]] * 3
