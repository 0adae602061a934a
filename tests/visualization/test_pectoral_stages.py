"""The figure of the eight stages of [S]'s pectoral line."""

import numpy as np
import pytest

from agn_d2.landmarks.thesis.pectoral import find_pectoral_stages, pectoral_line
from agn_d2.visualization.figure_files import write_figure
from agn_d2.visualization.pectoral_stages import stages_figure

BOX = (20, 10, 420, 910)


def stages(muscle=True):
    y, x = np.mgrid[0:1024, 0:640]
    inside = muscle & ((x - 20) / 110 + (y - 10) / 390 < 1)
    image = np.where(inside, 190, 90).astype(np.uint8)
    if muscle:
        image[470:500] = 190  # a level band, whose edges do not lean
    return find_pectoral_stages(image, BOX)


def test_each_stage_has_its_picture():
    found = stages()
    assert len(found.segments) > len(found.leaning) >= 1
    figure = stages_figure(found, "a title")
    assert figure.get_suptitle() == "a title"
    names = [axes.get_title() for axes in figure.axes]
    assert [name.split()[0] for name in names] == list("12345678")
    pictures = [axes.images[0].get_array() for axes in figure.axes]
    expected = [found.region, found.enhanced, found.thresholded, found.cleaned, found.edges]
    for picture, stage in zip(pictures, expected, strict=False):
        np.testing.assert_array_equal(picture, stage)
    for axes, segments in zip(
        figure.axes[5:], (found.segments, found.leaning, found.best[None]), strict=True
    ):
        # Hough counts from the center of the first pixel.
        drawn = axes.collections[0].get_segments()
        np.testing.assert_allclose(np.reshape(drawn, (-1, 4)), segments + 0.5)
    assert figure.axes[5].get_xlabel() == f"{len(found.segments)} segments"
    assert figure.axes[7].get_xlabel() == f"score {found.confidence:.2f}"
    line = np.column_stack(figure.axes[7].lines[0].get_data())
    np.testing.assert_allclose(line + BOX[:2], pectoral_line(found, (1024, 640)))
    assert all(axes.get_xlim() == (0, 160) for axes in figure.axes)
    assert all(axes.get_ylim() == (540, 0) for axes in figure.axes)


def test_without_a_segment_the_diagonal_is_drawn_and_said():
    figure = stages_figure(stages(muscle=False))
    last = figure.axes[7]
    assert last.get_xlabel() == "no segment: the diagonal"
    np.testing.assert_allclose(np.column_stack(last.lines[0].get_data()), [[160, 0], [0, 540]])
    assert figure.axes[6].get_xlabel() == "0 segments"


@pytest.mark.parametrize("box", [(0, 0, 0, 0), (5, 5, 30, 900)])
def test_a_region_too_small_is_drawn_too(box):
    figure = stages_figure(find_pectoral_stages(np.zeros((1024, 640), np.uint8), box))
    assert len(figure.axes) == 8
    assert bool(figure.axes[0].texts) == (box[2] == 0)


def test_a_file_name_with_dollars_is_no_formula(tmp_path):
    write_figure(stages_figure(stages(), "a$^$.png"), tmp_path / "a.png", dpi=20)
