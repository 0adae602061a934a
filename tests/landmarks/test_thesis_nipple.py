"""[S]'s nipple: farthest from the chest wall (CC), highest curvature lower outside (MLO)."""

import numpy as np
import pytest

from agn_d2.landmarks.thesis.contour import ThesisContour
from agn_d2.landmarks.thesis.nipple import dominance, find_nipple


def contour(points, bend=None, box=(10, 0, 110, 200)):
    """A skin line in a breast of 100 x 200 px whose chest wall is at x = 10."""
    points = np.asarray(points, dtype=float)
    bend = np.zeros(len(points)) if bend is None else np.asarray(bend, dtype=float)
    return ThesisContour(points, bend, box, 1.0)


LINE = [(20, 10), (60, 40), (90, 70), (109, 90), (100, 120), (88, 150), (50, 190)]


def test_cc_is_the_farthest_point():
    point, confidence, found = find_nipple(contour(LINE, [9, 9, 9, 0, 9, 9, 9]), "CC")
    assert point.tolist() == [109, 90] and found
    assert confidence == 1  # no other point within 2 px of the farthest


def test_a_flat_front_makes_the_farthest_point_uncertain():
    # 99 px from the wall; 97.5 is nearly as far (2 % are 1.98 px), 97.0 is not. 80 of 180 rows.
    points = [(20, 10), (107, 50), (107.5, 60), (109, 90), (107.5, 140), (107, 150), (50, 190)]
    _, confidence, _ = find_nipple(contour(points), "CC")
    assert confidence == pytest.approx(1 - 80 / 180)


def test_mlo_is_the_highest_curvature_in_the_lower_outer_part():
    # x - 10 >= 75 and y >= 100 holds for (100, 120) and (88, 150) only.
    bend = [0.9, 0.8, 0.7, 0.6, 0.1, -0.3, 0.5]
    point, _, found = find_nipple(contour(LINE, bend), "MLO")
    assert point.tolist() == [88, 150] and found
    point, _, _ = find_nipple(contour(LINE, [0, 0, 0, 0, 0.4, 0.3, 0]), "MLO")
    assert point.tolist() == [100, 120]


@pytest.mark.parametrize("point", [(84.9, 150), (86, 99.9)])
def test_mlo_without_skin_line_there_falls_back_to_the_farthest_point(point):
    points = [(20, 10), (109, 90), point, (50, 190)]
    nipple, confidence, found = find_nipple(contour(points, [0, 0, 5, 0]), "MLO")
    assert (nipple.tolist(), confidence, found) == ([109, 90], 0, False)


@pytest.mark.parametrize("point", [(85, 150), (109, 100)])
def test_the_bounds_belong_to_the_part(point):
    points = [(20, 10), (84, 90), point, (50, 190)]
    nipple, _, found = find_nipple(contour(points, [5, 5, 0.1, 5]), "MLO")
    assert nipple.tolist() == list(point) and found


def test_dominance_by_hand():
    bend = np.array([0, 2.0, 0, 4.0, 0, 3.9, 0, 1.0, 0])
    inside = np.array([0, 1, 2, 3, 4, 6, 7, 8])
    # Maxima inside: 2 and 1 beside the best; 3.9 lies outside.
    assert dominance(bend, inside, 3) == pytest.approx(0.5)
    assert dominance(bend, np.array([2, 3, 4]), 3) == 1
    assert dominance(np.zeros(9), inside, 3) == 0
    # The slope beside the highest is no rival.
    assert dominance(np.array([0, 1, 3, 4, 3, 1, 0.0]), np.arange(7), 3) == 1
