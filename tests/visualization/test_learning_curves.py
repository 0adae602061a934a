import json
import runpy
from pathlib import Path

import numpy as np
import pytest

from agn_d2.visualization.learning_curves import (
    curve,
    learning_curves,
    read_metrics,
    stage_starts,
)

LINES = """{"iteration": 19, "total_loss": 2.0, "stage": 0, "lr": 0.1}
{"iteration": 59, "total_loss": 1.0, "stage": 1, "lr": 0.1, "val_loss": 3.0, "froc/recall@1": 50}
{"iteration": 39, "total_loss": 1.5, "stage": 0, "lr": 0.1}
{"iteration": 79, "tot"""


@pytest.fixture
def rows(tmp_path):
    (tmp_path / "metrics.json").write_text(LINES)
    return read_metrics(tmp_path / "metrics.json")


def test_curves_are_read_in_order_and_where_measured(rows):
    assert np.array_equal(curve(rows, "total_loss"), [[19, 39, 59], [2.0, 1.5, 1.0]])
    assert np.array_equal(curve(rows, "val_loss"), [[59], [3.0]])
    assert stage_starts(rows) == [(0, 19.0), (1, 59.0)]


def test_the_figure_shows_losses_recall_and_stages(rows):
    figure = learning_curves(rows, stages=["heads", "agn"])
    loss, recall, rate = figure.axes
    drawn = {line.get_label(): line.get_xydata().tolist() for line in loss.get_lines()}
    assert drawn["total_loss"] == [[19, 2.0], [39, 1.5], [59, 1.0]]
    assert recall.get_lines()[0].get_ydata().tolist() == [50]
    assert [text.get_text() for text in loss.texts] == ["heads", "agn"]
    assert rate.get_xlabel() == "iteration"
    late = learning_curves(rows, since=50)
    assert late.axes[0].get_lines()[0].get_xydata().tolist() == [[59, 1.0]]


def test_bad_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.json"):
        read_metrics(tmp_path / "none.json")
    (tmp_path / "empty.json").write_text("")
    with pytest.raises(ValueError, match="holds no metrics"):
        read_metrics(tmp_path / "empty.json")


def test_the_tool_draws_a_run_of_plain_detectron2(tmp_path, monkeypatch, capsys):
    """Whose config has no stages."""
    tool = str(Path(__file__).resolve().parents[2] / "tools/plot_learning_curves.py")
    row = {"iteration": 19, "total_loss": 1.0, "loss_cls": 0.5, "lr": 0.1}
    (tmp_path / "metrics.json").write_text(json.dumps(row) + "\n")
    (tmp_path / "config.yaml").write_text("SOLVER:\n  MAX_ITER: 20\n")
    for name in ("new/curves.png", "curves.bmp"):
        arguments = ["plot_learning_curves.py", str(tmp_path), "--output", str(tmp_path / name)]
        monkeypatch.setattr("sys.argv", arguments)
        with pytest.raises(SystemExit) as end:
            runpy.run_path(tool, run_name="__main__")
        assert end.value.code == (2 if name.endswith("bmp") else 0)
    assert "curves.bmp: a figure must end in" in capsys.readouterr().err
    assert (tmp_path / "new/curves.png").stat().st_size > 1000
    assert not (tmp_path / "curves.bmp").exists()
