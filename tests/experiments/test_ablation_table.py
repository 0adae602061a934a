"""Joining runs over seeds."""

import pytest

from agn_d2.experiments.ablation_table import format_markdown, summarize


def result(row, seed, recall, **changes):
    report = {"fppi": [0.5], "recall": [recall], "images": 3, "lesions": 2, "iou": 0.2}
    report |= {"hit": "iou", "duplicates": "ignore", "lesion_images_only": False} | changes
    return {"row": row, "seed": seed, "commit": "c0", "datasets": {"d": report}}


def test_spread_is_the_sample_deviation():
    (row,) = summarize([result("a", s, r) for s, r in ((1, 0.2), (2, 0.4), (3, 0.9))], ["a"])["d"]
    # Mean 0.5; squares 0.09 + 0.01 + 0.16 = 0.26, over n - 1 = 2: sqrt(0.13).
    assert row["mean"] == pytest.approx([0.5]) and row["spread"] == pytest.approx([0.13**0.5])


def test_no_lesion_and_no_run_leave_a_dash():
    summary = summarize([result("a", 1, None, lesions=0)], ["a", "b"])
    a, b = summary["d"]
    assert a["mean"] == b["mean"] == [None] and b["seeds"] == []
    assert "| b | – | 0 | 3 | not run |" in format_markdown(summary)


@pytest.mark.parametrize("changes", [{"iou": 0.5}, {"images": 4}, {"fppi": [1.0]}])
def test_runs_of_different_rules_or_images_are_not_joined(changes):
    with pytest.raises(ValueError, match="d: the runs were evaluated differently"):
        summarize([result("a", 1, 0.5), result("b", 1, 0.5, **changes)], ["a", "b"])
