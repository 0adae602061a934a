"""[S]'s pectoral line: what each of the eight stages makes."""

import numpy as np
import pytest

from agn_d2.landmarks.thesis.pectoral import (
    ROI,
    PectoralStages,
    find_pectoral_stages,
    hough_segments,
    lean_angle,
    leans_away,
    pectoral_line,
    score_segments,
    threshold,
)

BOX = (20, 10, 420, 910)  # of the breast: the region is its 160 x 540 px corner
TOP, BOTTOM = 130.0, 400.0  # of the muscle's edge: x at the top, y at the chest wall


def muscle(shape=(1024, 640)):
    """Tissue of 90 with a bright triangle in the corner of the breast's box, (1024, 640) uint8."""
    y, x = (grid + 0.5 for grid in np.mgrid[0 : shape[0], 0 : shape[1]])
    inside = (x - BOX[0]) / (TOP - BOX[0]) + (y - BOX[1]) / (BOTTOM - BOX[1]) < 1
    return np.where(inside, 190, 90).astype(np.uint8)


@pytest.fixture(scope="module")
def stages():
    return find_pectoral_stages(muscle(), BOX)


def triangle_px(threshold_at=1.0):
    """Which pixels of the region lie in the muscle."""
    y, x = (grid + 0.5 for grid in np.mgrid[0:540, 0:160])
    return x / (TOP - BOX[0]) + y / (BOTTOM - BOX[1]) < threshold_at


def test_1_region_is_the_upper_corner_of_the_breast(stages):
    assert ROI == (0.4, 0.6)
    assert stages.box == (20, 10, 180, 550)
    np.testing.assert_array_equal(stages.region, muscle()[10:550, 20:180])


def test_2_clahe_keeps_the_shape_and_raises_faint_contrast(stages):
    assert stages.enhanced.shape == (540, 160) and stages.enhanced.dtype == np.uint8
    rng = np.random.default_rng(0)
    faint = 100 + 3.0 * triangle_px() + rng.normal(0, 1, (540, 160))
    image = np.zeros((1024, 640), np.uint8)
    image[10:550, 20:180] = faint
    found = find_pectoral_stages(image, BOX)
    assert found.enhanced.std() > 2 * found.region.std()


def test_3_threshold_asks_for_both_otsu_and_adaptive(stages):
    assert set(np.unique(stages.thresholded)) == {0, 255}
    assert not stages.thresholded[~triangle_px(1.05)].any()
    # Within 50 px of the edge the muscle is brighter than its surroundings.
    edge = triangle_px() & ~triangle_px(0.8)
    assert (stages.thresholded[edge] == 255).mean() > 0.95
    # Columns of 40, 150 and 220; Otsu's threshold lies between the first two. Within 50 px of
    # the brightest, 150 is darker than its surroundings; evenly bright surroundings do no harm.
    steps = np.repeat(np.array([40, 150, 220], np.uint8), 200)[None].repeat(300, axis=0)
    bright = threshold(steps)
    assert not bright[:, :200].any()
    assert (bright[:, 200:348] == 255).all()
    assert not bright[:, 352:400].any()
    assert (bright[:, 400:] == 255).all()


def test_4_morphology_removes_specks_and_closes_holes(stages):
    image = muscle()
    image[460:464, 120:124] = 255  # a speck of 4 px beyond the muscle
    image[150:153, 60:63] = 0  # a hole of 3 px within
    found = find_pectoral_stages(image, BOX)
    assert found.thresholded[450:454, 100:104].all() and not found.cleaned[440:470, 90:120].any()
    assert not found.thresholded[140:143, 40:43].any() and found.cleaned[135:148, 35:48].all()
    assert set(np.unique(found.cleaned)) == {0, 255}


def test_5_edges_lie_where_the_cleaned_picture_changes(stages):
    rows, columns = np.nonzero(stages.edges)
    assert rows.size > 100
    for row, column in zip(rows, columns, strict=True):
        near = stages.cleaned[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3]
        assert near.min() == 0 and near.max() == 255


def test_6_segments_are_hough_lines_on_the_edges(stages):
    assert stages.segments.shape[1:] == (4,) and stages.segments.dtype == np.float64
    assert len(stages.segments) >= 1
    ends = stages.segments.reshape(-1, 2).astype(int)
    assert (ends >= 0).all() and (ends < [160, 540]).all()
    for x, y in ends:
        assert stages.edges[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3].any()
    drawn = np.zeros((200, 100), np.uint8)
    drawn[np.arange(20, 180), (np.arange(20, 180) * 0.5).astype(int)] = 255
    longest = max(hough_segments(drawn), key=lambda s: np.hypot(s[2] - s[0], s[3] - s[1]))
    assert abs(longest[3] - longest[1]) > 120
    assert abs((longest[2] - longest[0]) / (longest[3] - longest[1])) == pytest.approx(0.5, abs=0.1)
    assert hough_segments(np.zeros((50, 50), np.uint8)).shape == (0, 4)
    short = np.zeros((200, 100), np.uint8)
    short[50:80, 40] = 255  # 30 px; the shortest that counts has 40
    assert len(hough_segments(short)) == 0


def test_7_only_lines_that_lean_away_from_the_wall_stay(stages):
    kept = {tuple(s) for s in stages.leaning}
    assert kept == {tuple(s) for s in stages.segments if 10 <= lean_angle(s[None])[0] <= 70}
    assert len(stages.scores) == len(stages.leaning) >= 1


def test_8_the_best_line_is_the_edge_of_the_muscle(stages):
    np.testing.assert_array_equal(stages.best, stages.leaning[np.argmax(stages.scores)])
    assert stages.confidence == stages.scores.max()
    (x0, y0), (x1, y1) = pectoral_line(stages, (1024, 640))
    assert (y0, x1) == (BOX[1], BOX[0])  # from the top of the breast to the chest wall
    assert x0 == pytest.approx(TOP, abs=6)
    assert y1 == pytest.approx(BOTTOM, abs=15)


def test_without_a_muscle_the_line_is_the_diagonal_of_the_region():
    found = find_pectoral_stages(np.full((1024, 640), 90, np.uint8), BOX)
    assert found.best is None and found.confidence == 0
    assert found.segments.shape == found.leaning.shape == (0, 4)
    assert pectoral_line(found, (1024, 640)).tolist() == [[180, 10], [20, 550]]


@pytest.mark.parametrize("box", [(0, 0, 30, 900), (0, 0, 500, 20), (5, 5, 5, 5)])
def test_a_region_too_small_to_work_on_gives_no_line(box):
    found = find_pectoral_stages(muscle(), box)
    assert found.best is None and len(found.segments) == 0
    x0, y0, x1, y1 = found.box
    assert found.region.shape == found.edges.shape == (y1 - y0, x1 - x0)


def test_lean_by_hand():
    # Towards the top it goes right by 10, 0, -10 of 10; level; and the same the other way round.
    segments = np.array([[0, 10, 10, 0], [0, 10, 0, 0], [10, 10, 0, 0], [0, 5, 10, 5.0]])
    np.testing.assert_allclose(lean_angle(segments)[:3], [45, 0, -45])
    assert abs(lean_angle(segments)[3]) == 90
    np.testing.assert_allclose(lean_angle(segments[:, [2, 3, 0, 1]])[:3], [45, 0, -45])
    tangents = np.tan(np.radians([9.5, 10.5, 69.5, 70.5, -30]))
    steep = np.array([[0, 100, 100 * t, 0] for t in tangents])
    assert leans_away(steep).tolist() == [False, True, True, False, False]
    assert leans_away(np.zeros((0, 4))).shape == (0,)


def test_score_by_hand():
    shape = (400, 300)  # its diagonal is 500
    tangent = np.tan(np.radians(30))
    centered = [150 - 50 * tangent, 250, 150 + 50 * tangent, 150]
    length = 100 / np.cos(np.radians(30)) / 500
    assert score_segments(np.array([centered]), shape) == pytest.approx([length])
    # The middle at (75, 300): 125 of the 250 px to a corner, so half of the place's share.
    moved = np.array(centered) + [-75, 100, -75, 100]
    assert score_segments(moved[None], shape) == pytest.approx([length * (0.5 * 0.5 + 0.5)])
    # Twice as long counts twice; 52.5 degrees is 22.5 of the 45 by which a line may be unusual.
    assert (
        score_segments(np.array([[100, 200 + 100 / tangent, 200, 200 - 100 / tangent]]), shape)[0]
        > score_segments(np.array([[125, 200 + 50 / tangent, 175, 200 - 50 / tangent]]), shape)[0]
    )
    slope = np.tan(np.radians(52.5))
    unusual = np.array([[150 - 50 * slope, 250, 150 + 50 * slope, 150]])
    expected = 100 / np.cos(np.radians(52.5)) / 500 * (0.5 + 0.5 * 0.5)
    assert score_segments(unusual, shape) == pytest.approx([expected])
    corner = np.array([[0, 400, 0, 400.0]])
    assert score_segments(corner, shape)[0] == 0
    assert score_segments(np.zeros((0, 4)), shape).shape == (0,)


def with_best(best, box=(20, 10, 180, 550)):
    empty, none = np.zeros((1, 1), np.uint8), np.zeros((0, 4))
    return PectoralStages(box, *[empty] * 5, none, none, np.array(best), np.ones(1))


def test_line_through_the_best_segment_by_hand():
    # Through (100, 100) and (60, 180) of the region, pixel centers: x falls by 1 every 2 rows.
    line = pectoral_line(with_best([100.0, 100, 60, 180]), (1024, 640))
    np.testing.assert_allclose(line, [[120.5 + 50.25, 10], [20, 110.5 + 201]])
    again = pectoral_line(with_best([60.0, 180, 100, 100]), (1024, 640))
    np.testing.assert_allclose(again, line)


def test_the_line_does_not_leave_the_image():
    # The same line; an image of 150 px width ends it at x = 150, 300 px height at y = 300.
    upper, lower = pectoral_line(with_best([100.0, 100, 60, 180]), (300, 150))
    np.testing.assert_allclose(upper, [150, 110.5 - 2 * (150 - 120.5)])
    np.testing.assert_allclose(lower, [120.5 - (300 - 110.5) / 2, 300])
