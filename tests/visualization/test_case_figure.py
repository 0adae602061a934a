"""The picture of a case: what is drawn, and what is said to be missing."""

import cv2
import numpy as np
import pytest

from agn_d2.visualization.case_figure import ViewPanel, attention_span, case_figure
from agn_d2.visualization.figure_files import write_figure


def panel(attention=None):
    return ViewPanel(
        image=np.full((40, 30), 0.5),
        predicted=np.array([[5.0, 6, 15, 16], [1, 2, 3, 4]]),
        scores=np.array([0.75, 0.5]),
        truth=np.array([[4.0, 6, 14, 16]]),
        nodes=np.array([[10.0, 20], [15, 25], [3, 3]]),
        attention=attention,
    )


def test_boxes_scores_and_nodes_are_drawn():
    figure = case_figure("P1", {("L", "MLO"): panel()}, with_attention=False)
    axes = {ax.get_title(): ax for ax in figure.axes}
    assert list(axes) == ["R CC", "L CC", "R MLO", "L MLO"]
    drawn = axes["L MLO"]
    boxes = [(p.get_x(), p.get_y(), p.get_width(), p.get_height()) for p in drawn.patches]
    assert boxes == [(4, 6, 10, 10), (5, 6, 10, 10), (1, 2, 2, 2)]
    assert [text.get_text() for text in drawn.texts] == ["0.75", "0.50"]
    assert len(drawn.lines[0].get_xdata()) == 3
    assert [text.get_text() for text in axes["R CC"].texts] == ["no such view"]


def test_pixels_lie_where_boxes_and_nodes_count_them():
    """0, 0 is the corner of the first pixel, whose center is 0.5, 0.5."""
    figure = case_figure("P1", {("L", "CC"): panel(np.ones((4, 3)))}, with_attention=True)
    pictures = [image.get_extent() for axes in figure.axes for image in axes.images]
    assert [tuple(extent) for extent in pictures] == [(0, 30, 40, 0)] * 3


def test_attention_has_one_scale_for_the_case():
    low, high = np.full((4, 3), 0.2), np.full((4, 3), 0.6)
    panels = {("L", "CC"): panel(low), ("R", "CC"): panel(high), ("L", "MLO"): panel()}
    assert attention_span(panels.values()) == pytest.approx((0.2, 0.6))
    figure = case_figure("P1", panels, with_attention=True)
    axes = {ax.get_title(): ax for ax in figure.axes}
    assert axes["L CC attention"].images[1].get_clim() == pytest.approx((0.2, 0.6))
    assert "L MLO attention\n(no contralateral view)" in axes
    assert attention_span([panel()]) == (0, 1)


def test_the_legend_has_what_is_drawn():
    def legend(shown, **keys):
        (_, text) = case_figure("P1", {("L", "CC"): shown}, **keys).texts
        return text.get_text().split("    ")

    found = ViewPanel(np.full((40, 30), 0.5), np.array([[5.0, 6, 15, 16]]), np.array([0.75]))
    assert legend(found, with_attention=False) == ["orange: prediction and score"]
    everything = ["green: truth", "orange: prediction and score", "blue: nodes"]
    assert legend(panel(), with_attention=False) == everything
    attention = legend(panel(np.full((4, 3), 0.2)), with_attention=True)
    assert attention == [*everything, "attention: dark 0.20 to bright 0.20"]


def test_a_name_with_dollars_is_no_formula(tmp_path):
    figure = case_figure("P$_$1", {("L", "MLO"): panel()}, with_attention=False)
    write_figure(figure, tmp_path / "a.png", dpi=20)


def test_a_file_is_written(tmp_path):
    write_figure(case_figure("P1", {}, with_attention=False), tmp_path / "a.png", dpi=100)
    assert cv2.imread(str(tmp_path / "a.png")).shape == (860, 580, 3)
