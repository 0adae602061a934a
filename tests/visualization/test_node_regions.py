"""The node figures: which cells are whose, and what is drawn where."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from agn_d2.landmarks.nodes import NodeLayout, guide_lines, place_nodes
from agn_d2.visualization.figure_files import write_figure
from agn_d2.visualization.node_regions import (
    GROUP_COLOURS,
    node_colors,
    node_figure,
    node_regions,
    region_borders,
    region_picture,
)
from tests.conftest import toy_landmarks


@pytest.mark.parametrize("k", [1, 2, 5])
def test_regions_against_the_distances_of_every_cell(k):
    nodes = np.random.default_rng(0).random((5, 2)) * [90, 130]
    regions, side = node_regions(nodes, (130, 90), k, cells=13)
    assert side == 10
    assert regions.shape == (13, 9, 5) and regions.dtype == bool
    for row in range(13):
        for column in range(9):
            away = np.hypot(*(nodes - [10 * column + 5, 10 * row + 5]).T)
            assert set(np.flatnonzero(regions[row, column])) == set(np.argsort(away)[:k])


@pytest.mark.parametrize(("width", "columns"), [(94, 9), (96, 10), (100, 10), (3, 1)])
def test_the_grid_holds_the_cells_whose_center_is_in_the_image(width, columns):
    regions, side = node_regions(np.array([[1.0, 1]]), (130, width), 1, cells=13)
    assert regions.shape == (13, columns, 1) and side == 10


def test_bad_numbers_are_refused():
    nodes = np.zeros((4, 2))
    for k in (0, 5):
        with pytest.raises(ValueError, match=f"k = {k}"):
            node_regions(nodes, (50, 50), k)
    with pytest.raises(ValueError, match="cell"):
        node_regions(nodes, (50, 50), 1, cells=0)


@pytest.mark.parametrize("view", ["CC", "MLO"])
def test_colors_tell_the_line_and_neighbors_on_it(view):
    layout = NodeLayout(22, 26)
    colors = node_colors(layout, view)
    assert colors.shape == (layout.count(view), 3)
    for name, nodes in layout.groups(view).items():
        full = np.array(to_rgb(GROUP_COLOURS[name]))
        of_line = colors[nodes]
        np.testing.assert_allclose(of_line[::2], np.broadcast_to(full, of_line[::2].shape))
        assert (np.abs(np.diff(of_line, axis=0)).max(axis=1) > 0.1).all()
        hue = of_line / of_line.max(axis=1, keepdims=True)
        np.testing.assert_allclose(hue, np.broadcast_to(hue[0], hue.shape))


def test_a_cell_has_the_mean_color_of_its_nodes():
    regions = np.array([[[True, False], [True, True], [False, False]]])
    picture = region_picture(regions, np.array([[1.0, 0, 0], [0, 0.5, 0]]))
    assert picture.tolist() == [[[1, 0, 0, 1], [0.5, 0.25, 0, 1], [0, 0, 0, 0]]]


def test_borders_by_hand():
    # Cells a a / a b of 10 px: the border runs around the lower right one.
    regions = np.array([[[1, 0], [1, 0]], [[1, 0], [0, 1]]], dtype=bool)
    borders = {tuple(map(tuple, line)) for line in region_borders(regions, 10).tolist()}
    assert borders == {((10, 10), (10, 20)), ((10, 10), (20, 10))}
    assert region_borders(regions[:1], 10).shape == (0, 2, 2)


@pytest.mark.parametrize(("view", "k"), [("CC", 1), ("MLO", 3)])
def test_landmarks_lines_nodes_and_regions_are_drawn(view, k):
    landmarks = toy_landmarks(view)
    image = np.random.default_rng(0).integers(0, 65536, landmarks.image_size, dtype=np.uint16)
    figure = node_figure(image, landmarks, (13, 17), k=k, cells=24, title="a title")
    assert figure.get_suptitle() == "a title"
    assert len(figure.axes) == (2 if k == 1 else 3)
    lines, *maps = figure.axes
    drawn = [np.column_stack(line.get_data()) for line in lines.lines]
    expected = [landmarks.contour, *guide_lines(landmarks), landmarks.nipple[None]]
    for points in expected:
        assert any(d.shape == points.shape and np.allclose(d, points) for d in drawn)
    assert len(drawn) == len(expected)
    nodes = place_nodes(landmarks, (13, 17))
    np.testing.assert_allclose(lines.collections[0].get_offsets(), nodes)
    assert [t.get_text() for t in lines.texts] == [str(n) for n in range(len(nodes))]
    colors = node_colors(NodeLayout(13, 17), view)
    for axes, near in zip(maps, (1, k), strict=False):
        regions, side = node_regions(nodes, landmarks.image_size, near, 24)
        shown = axes.images[1]
        half = [1, 1, 1, 0.5]  # the image shines through
        np.testing.assert_allclose(shown.get_array(), region_picture(regions, colors) * half)
        assert shown.get_extent() == pytest.approx([0, 16 * side, 24 * side, 0])
        assert (axes.get_xlim(), axes.get_ylim()) == ((0, 64), (96, 0))
        # One bundle of borders; with overlapping regions two nodes are framed.
        bundles = [c for c in axes.collections if len(c.get_paths()) and "Line" in str(type(c))]
        assert len(bundles) == (1 if near == 1 else 3)


def test_many_nodes_have_no_numbers():
    landmarks = toy_landmarks("CC")
    figure = node_figure(np.zeros((96, 64), np.uint8), landmarks, "100,105", k=1)
    assert not figure.axes[0].texts


def test_landmarks_of_another_image_are_refused():
    with pytest.raises(ValueError, match=r"\(96, 64\).*\(64, 96\)"):
        node_figure(np.zeros((64, 96), np.uint8), toy_landmarks("CC"))


def test_a_file_name_with_dollars_is_no_formula(tmp_path):
    landmarks = toy_landmarks("CC")
    figure = node_figure(np.zeros((96, 64), np.uint8), landmarks, k=1, title="a$^$.png")
    write_figure(figure, tmp_path / "a.png", dpi=20)
