"""Pictures of what the graph does: which panel shows what, and on which scale."""

import numpy as np
import pytest

from agn_d2.landmarks.nodes import NodeLayout, place_nodes
from agn_d2.structures import ViewInside
from agn_d2.visualization.figure_files import write_figure
from agn_d2.visualization.inside_figure import (
    cells_in_breast,
    correspondence_figure,
    features_figure,
    figure_pixels,
    map_span,
    strongest_pairs,
)

from ..conftest import toy_landmarks

LAYOUT = NodeLayout(13, 17)


def inside(laterality, view, level=1.0, *, auxiliary=None, names=(), matrix=None):
    record = {
        "laterality": laterality,
        "view": view,
        "height": 96,
        "width": 64,
        "pixels": np.full((96, 64), 120, np.uint8),
        "landmarks": toy_landmarks(view),
    }
    names = names or ("original", "enhanced", "difference")
    maps = {name: np.full((24, 16), level, np.float32) for name in names}
    return ViewInside(record, "p3", maps, auxiliary, matrix)


def test_a_row_per_view_and_a_panel_per_map():
    views = [inside("L", "MLO"), inside("R", "CC", names=("original", "enhanced", "attention"))]
    figure = features_figure("P1", views)
    titles = [axes.get_title() for axes in figure.axes]
    assert len(titles) == 2 * 7
    assert (titles[0], titles[7]) == ("R CC", "L MLO")
    shown = [len(axes.images) for axes in figure.axes]
    # R CC: film, features, no F_B, no F_I, attention, enhanced, no difference.
    assert shown == [1, 1, 0, 0, 1, 1, 0] + [1, 1, 0, 0, 0, 1, 1]
    assert figure.get_suptitle() == "P1, level p3"
    assert figure_pixels(figure).shape[2] == 3


def test_before_and_after_share_a_scale_which_the_dark_film_does_not_set():
    low, high = inside("L", "CC", 1.0), inside("R", "CC", 3.0)
    low.maps["enhanced"][:] = 2.0
    outside = ~cells_in_breast(low.record, (24, 16))
    assert outside.any() and not outside.all()
    low.maps["original"][outside] = 100.0
    assert map_span([low, high], ("original", "enhanced")) == pytest.approx((1, 3))
    assert map_span([low, high], ("attention",)) == (0, 0)
    figure = features_figure("P1", [low, high])
    by_title = {axes.get_title(): axes for axes in figure.axes[7:]}
    for name in ("features $F_e$", "enhanced $Y$"):
        assert by_title[name].images[0].get_clim() == pytest.approx((1, 3))


def test_cells_in_the_breast_by_hand():
    """Half an ellipse: 0.7 of the width at the middle, 0.4 of the height to each side."""
    cells = cells_in_breast(inside("L", "CC").record, (24, 16))
    assert cells[12].tolist() == [x + 0.5 < 0.7 * 16 for x in range(16)]
    assert cells[:, 0].tolist() == [abs(y + 0.5 - 12) < 0.4 * 24 for y in range(24)]


def test_lines_join_the_nodes_that_read_each_other():
    matrix = np.zeros((13, 17))
    matrix[0, 0], matrix[5, 9], matrix[2, 3] = 0.5, 0.3, 0.1
    cc = inside("L", "CC", auxiliary=1, matrix=matrix)
    mlo = inside("L", "MLO", auxiliary=0, matrix=matrix.T)
    figure = correspondence_figure("P1", [cc, mlo, inside("R", "CC")], LAYOUT, lines=2)
    (axes,) = figure.axes
    lines = [line.get_xydata() for line in axes.lines if len(line.get_xydata()) == 2]
    places = [place_nodes(view.record["landmarks"], LAYOUT) / 96 for view in (cc, mlo)]
    gap = np.array([64 / 96 + 0.02, 0])
    assert len(lines) == 2
    np.testing.assert_allclose(lines[0], [places[0][5], places[1][9] + gap])
    np.testing.assert_allclose(lines[1], [places[0][0], places[1][0] + gap])


def test_strongest_pairs():
    matrix = np.array([[0.1, 0.0], [0.4, 0.2]])
    assert strongest_pairs(matrix, 2) == [(1, 1), (1, 0)]
    assert strongest_pairs(matrix, 9) == [(0, 0), (1, 1), (1, 0)]


def test_a_case_without_a_pair_says_so():
    (axes,) = correspondence_figure("P1", [inside("L", "CC")], LAYOUT).axes
    assert [text.get_text() for text in axes.texts] == ["no breast with both views"]


def test_a_case_with_dollars_is_no_formula(tmp_path):
    views = [inside("L", "CC")]
    write_figure(features_figure("P$_$1", views), tmp_path / "a.png", dpi=20)
    write_figure(correspondence_figure("P$_$1", views, LAYOUT), tmp_path / "b.png", dpi=20)
