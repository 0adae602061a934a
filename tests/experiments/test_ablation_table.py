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
    assert "| b | – | – | 0 | 3 | not run |" in format_markdown(summary)


def test_the_mean_recall_stands_beside_the_recalls():
    runs = [result("a", seed, 0.5, mean_recall=mean) for seed, mean in ((1, 0.7), (2, 0.8))]
    summary = summarize([*runs, result("former", 1, 0.5)], ["a", "former"])
    text = format_markdown(summary)
    # Squares of 0.05 twice, over n - 1 = 1: sqrt(0.005) = 0.0707.
    assert "| a | 50.0 ± 0.0 | 75.0 ± 7.1 | 2 | 3 | 1, 2 | c0 |" in text
    assert "| former | 50.0 | – | 2 | 3 | 1 | c0 |" in text


@pytest.mark.parametrize("changes", [{"iou": 0.5}, {"images": 4}, {"fppi": [1.0]}])
def test_runs_of_different_rules_or_images_are_not_joined(changes):
    with pytest.raises(ValueError, match="d: the runs were evaluated differently"):
        summarize([result("a", 1, 0.5), result("b", 1, 0.5, **changes)], ["a", "b"])
