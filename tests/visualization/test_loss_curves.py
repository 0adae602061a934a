"""Loss curves: what is read of a run, and the figure."""

import json

import numpy as np
import pytest

from agn_d2.visualization.loss_curves import plot_losses, read_losses, running_median


def write(path, entries, end="\n"):
    path.write_text("\n".join(map(json.dumps, entries)) + end)
    return path


def test_read(tmp_path):
    entries = [
        {"iteration": 19, "total_loss": 2.0, "loss_cls": 1.0, "lr": 0.1},
        {"iteration": 39, "total_loss": 1.5, "loss_cls": float("nan")},
        {"iteration": 39, "total_loss": 1.25},
        {"iteration": 59, "bbox/AP": 3.0},
    ]
    curves = read_losses(write(tmp_path / "metrics.json", entries))
    assert {k: (x.tolist(), y.tolist()) for k, (x, y) in curves.items()} == {
        "total_loss": ([19, 39], [2.0, 1.25]),
        "loss_cls": ([19], [1.0]),
    }
    cut = write(tmp_path / "cut.json", entries[:2], end='\n{"itera')
    assert read_losses(cut)["total_loss"][1].tolist() == [2.0, 1.5]


def test_refused(tmp_path):
    with pytest.raises(ValueError, match="absent.json: cannot be read"):
        read_losses(tmp_path / "absent.json")
    with pytest.raises(ValueError, match="there is no loss"):
        read_losses(write(tmp_path / "a.json", [{"iteration": 3, "lr": 1}]))
    with pytest.raises(ValueError, match="b.json: line 1 is no entry"):
        read_losses(write(tmp_path / "b.json", [{"lr": 1}, {"iteration": 3, "loss": 1}]))
    with pytest.raises(ValueError, match="no run"):
        plot_losses({}, tmp_path / "x.png")


def test_running_median():
    assert running_median(np.array([5.0, 1, 9, 2, 2]), 3).tolist() == [3, 5, 2, 2, 2]
    assert running_median(np.array([5.0, 1]), 1).tolist() == [5, 1]


def test_figure(tmp_path):
    x = np.arange(40)
    runs = {
        "a": {"total_loss": (x, 1 / (x + 1)), "loss_b": (x, x)},
        "b": {"loss_b": (x[:3], x[:3])},
    }
    written = plot_losses(runs, tmp_path / "new" / "losses.png")
    assert [path.suffix for path in written] == [".png", ".svg"]
    text = written[1].read_text()
    assert text.index("total_loss") < text.index("loss_b")
