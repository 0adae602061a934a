"""Losses about the beginning of a stage."""

import json
from pathlib import Path

import numpy as np
import pytest

from agn_d2.visualization.line_styles import STYLES
from agn_d2.visualization.stage_change import (
    change_table,
    running_median,
    stage_change_figure,
    stage_start,
)

from ..programs import load_program

ROOT = Path(__file__).resolve().parents[2]


def rows(offset=0.0, start=60, end=270):
    """Loss 1 before step 60, then 2 + offset; stages 0 and 1."""
    return [
        {"iteration": i, "stage": int(i >= 60), "total_loss": 1.0 if i < 60 else 2.0 + offset}
        for i in range(start, end)
    ]


def test_means_before_and_in_the_stage():
    runs = {"a": rows(start=0), "b": rows(0.5, end=100)}
    runs["a"][60]["total_loss"] = 12.0
    table = dict(change_table(runs, 2))
    assert table["before"] == [1.0]
    # By hand: one step of 12, the others 2.
    assert table["a"] == pytest.approx([12.0, 3.0, 2.2, 2.05])
    assert table["b"][:2] == [2.5, 2.5]
    assert np.isnan(table["b"][2:]).all()


def test_a_stage_that_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"no stage 3 in the metrics, only \[1, 2\]"):
        stage_start(rows(start=0), 3)


def test_running_median():
    assert running_median(np.array([5.0, 1, 9, 2, 2]), 3).tolist() == [3, 5, 2, 2, 2]
    assert running_median(np.array([5.0, 1]), 1).tolist() == [5, 1]


def test_the_difference_is_drawn_step_by_step():
    figure = stage_change_figure({"a": rows(start=0), "b": rows(0.5)}, 2, before=30, after=50)
    top, bottom = figure.axes
    difference = bottom.lines[0]
    assert [text.get_text() for text in bottom.get_legend().get_texts()] == ["a - b"]
    assert np.array_equal(difference.get_xdata(), np.arange(60, 110))
    assert np.allclose(difference.get_ydata(), -0.5)
    # The running median does not reach across the beginning.
    medians = [line for line in top.lines if line.get_linewidth() == 1.6]
    assert medians[0].get_xdata()[-1] == 59
    assert set(medians[0].get_ydata()) == {1.0}
    assert set(medians[1].get_ydata()) == {2.0}


def test_more_controls_than_line_styles_and_any_names():
    names = ["_a", "$b$", *(f"c{n}" for n in range(len(STYLES)))]
    runs = {name: rows(start=0) for name in names}
    top, bottom = stage_change_figure(runs, 2, before=30, after=50).axes
    assert [text.get_text() for text in top.get_legend().get_texts()] == names
    differences = [text.get_text() for text in bottom.get_legend().get_texts()]
    assert differences == [f"_a - {name}" for name in names[1:]]


def test_the_tool(tmp_path, capsys):
    tool = load_program("tools/plot_stage_change.py")
    for name, content in (("a", rows(start=0)), ("b", rows(0.5))):
        (tmp_path / name).mkdir()
        text = "".join(json.dumps(row) + "\n" for row in content)
        (tmp_path / name / "metrics.json").write_text(text)
    runs = [f"{name}={tmp_path / name}" for name in "ab"]
    output = ["--output", str(tmp_path / "c.png")]
    assert tool.main([*runs, "--stage", "2", *output]) == 0
    assert "  b: 2.5000, 2.5000, 2.5000, 2.5000" in capsys.readouterr().out
    assert (tmp_path / "c.svg").is_file()
    assert tool.main([*runs, "--stage", "5", *output]) == 2
    assert "plot_stage_change: no stage 5" in capsys.readouterr().err
