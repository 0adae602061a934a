"""The report of an evaluation, by hand."""

import json

import numpy as np
import pytest

from agn_d2.evaluation.coco_results import read_detections, read_ground_truth
from agn_d2.evaluation.froc import Detections, Lesions
from agn_d2.evaluation.report import curve_to_dict, describe_rule, evaluate_froc, format_report


@pytest.fixture
def data(coco_gt, coco_dt, write):
    truth = read_ground_truth(write("gt.json", coco_gt))
    return read_detections(write("dt.json", coco_dt), truth), truth.lesions


def twice(detections, lesions):
    """The same images once more, for two patients: every draw of them has the same curve."""
    size = lesions.num_images

    def both(values, further=0):
        return np.concatenate([values, values + further])

    return (
        Detections(both(detections.boxes), both(detections.scores), both(detections.images, size)),
        Lesions(both(lesions.boxes), both(lesions.images, size), 2 * size),
    )


def test_default_report(data):
    report, curve = evaluate_froc(*data)
    assert report == {
        "fppi": [0.5, 1, 2, 3, 4],
        "recall": [0.5] * 5,
        "mean_recall": pytest.approx(3.25 / 7),  # 0.25 at 1/8 FPPI, 0.5 at 1/4 to 8
        "truncated": [2, 3, 4],
        "max_fppi": 1,
        "images": 4,
        "lesions": 4,
        "detections": 6,
        "iou": 0.2,
        "hit": "iou",
        "duplicates": "ignore",
        "lesion_images_only": False,
    }
    assert curve_to_dict(curve) == {
        "fppi": [0, 0, 0.25, 1],
        "recall": [0, 0.25, 0.5, 0.5],
        "threshold": [None, 0.9, 0.8, 0.5],
    }
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_lesion_images_only(data):
    report, _ = evaluate_froc(*data, fppi=(0.3, 1 / 3), lesion_images_only=True)
    assert report["recall"] == [0.25, 0.5]
    assert (report["images"], report["detections"], report["max_fppi"]) == (3, 5, 1)
    assert report["truncated"] == []
    assert "FPPI over 3 images with a lesion, 4 lesions" in describe_rule(report)


def test_bootstrap_in_the_report(data):
    patients = [*"aaaabbbb"]
    report, _ = evaluate_froc(*twice(*data), fppi=(1,), patients=patients, draws=10, seed=3)
    assert report["bootstrap"] == {
        "draws": 10,
        "level": 0.95,
        "seed": 3,
        "patients": 2,
        "low": [0.5],
        "high": [0.5],
        "mean_low": pytest.approx(3.25 / 7),
        "mean_high": pytest.approx(3.25 / 7),
    }
    text = format_report(report)
    assert " 50.00 -  50.00" in text and " 46.43   46.43 -  46.43" in text
    assert "interval: bootstrap of 2 patients, 10 draws" in text
    report, _ = evaluate_froc(*data, fppi=(1,), patients=["a"] * 4, draws=10)
    assert report["recall"] == [0.5] and report["bootstrap"]["low"] == [None]
    assert "no interval: one patient says nothing of others" in format_report(report)
    with pytest.raises(ValueError, match="needs the patient of each image"):
        evaluate_froc(*data, draws=10)


def test_bootstrap_of_lesion_images_only():
    # A false positive and then a hit in one image, nothing in the other; so of two patients.
    lesions = Lesions([[0, 0, 10, 10]], [0], 2)
    detections = Detections([[50, 50, 60, 60], [0, 0, 10, 10]], [0.9, 0.8], [0, 0])
    for only, recall in ((False, 1), (True, 0)):  # 1/2 or 1/1 false positives an image
        report, _ = evaluate_froc(
            *twice(detections, lesions),
            fppi=(0.5,),
            lesion_images_only=only,
            patients=["a", "a", "b", "b"],
            draws=5,
        )
        assert report["recall"] == [recall]
        assert report["bootstrap"]["low"] == report["bootstrap"]["high"] == [recall]


def test_no_lesion_is_null():
    lesions = Lesions(np.zeros((0, 4)), np.zeros(0, int), 2)
    detections = Detections([[0, 0, 1, 1]], [0.5], [0])
    report, curve = evaluate_froc(detections, lesions, fppi=(0.5, 1), patients=["a", "b"], draws=3)
    assert report["recall"] == [None, None]
    assert report["truncated"] == [1]
    assert report["bootstrap"]["low"] == [None, None]
    assert (report["mean_recall"], report["bootstrap"]["mean_low"]) == (None, None)
    assert curve_to_dict(curve)["recall"] == [None, None]
    assert "recall is undefined: there is no lesion" in format_report(report)
    report, _ = evaluate_froc(detections, lesions, lesion_images_only=True)
    assert (report["images"], report["max_fppi"], report["recall"][0]) == (0, 0, None)


def test_text_states_the_rule_and_the_end_of_the_curve(data):
    report, _ = evaluate_froc(*data, fppi=(0.2, 1, 2))
    assert format_report(report).splitlines() == [
        "FROC  hit: IoU >= 0.2; duplicates ignored; all classes; FPPI over 4 images, 4 lesions",
        "  FPPI  recall",
        "   0.2   25.00",
        "     1   50.00",
        "     2   50.00 *",
        "  mean   46.43  (of 1/8, 1/4, 1/2, 1, 2, 4, 8 FPPI)",
        "* the curve ends at 1 FPPI: its last recall",
    ]
    report, _ = evaluate_froc(*data, hit="center", duplicates="fp")
    assert report["iou"] is None
    assert describe_rule(report).startswith("hit: center in box; duplicates are false positives;")
    report, _ = evaluate_froc(*data, duplicates="any")
    assert "any-to-any matching" in describe_rule(report)


def test_bad_fppi(data):
    with pytest.raises(ValueError, match="FPPI values"):
        evaluate_froc(*data, fppi=(-1,))
