"""What is read of a metrics.json."""

import numpy as np
import pytest

from agn_d2.visualization.training_metrics import curve, read_metrics, stage_starts

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


def test_bad_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.json"):
        read_metrics(tmp_path / "none.json")
    (tmp_path / "empty.json").write_text("")
    with pytest.raises(ValueError, match="holds no metrics"):
        read_metrics(tmp_path / "empty.json")
