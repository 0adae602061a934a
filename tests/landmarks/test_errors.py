"""Errors of found landmarks, by hand."""

import dataclasses
import math

import numpy as np
import pytest

from agn_d2.landmarks.errors import compare_landmarks, landmark_errors, summarize_errors
from agn_d2.landmarks.record import Landmarks

ANGLES = np.linspace(-np.pi / 2, np.pi / 2, 181)
ARC = np.stack([100 * np.cos(ANGLES), 150 + 100 * np.sin(ANGLES)], axis=1)  # 200 px high


def landmarks(view="MLO", **changes):
    line = [(50.0, 50.0), (0.0, 150.0)] if view == "MLO" else [(0.0, 50.0), (0.0, 250.0)]
    values = {
        "view": view,
        "chest_wall": "left",
        "nipple": (100.0, 150.0),
        "pectoral_line": line,
        "contour": ARC,
        "image_size": (300, 200),
    }
    return Landmarks(**values | changes)


@pytest.mark.parametrize("view", ["CC", "MLO"])
def test_the_truth_itself_has_no_error(view):
    errors = landmark_errors(landmarks(view), landmarks(view))
    assert errors.nipple == errors.node_distance == 0
    assert errors.pectoral_distance == pytest.approx(0, abs=1e-12)
    assert errors.contour_dice == errors.node_agreement == errors.chest_wall == 1
    assert math.isnan(errors.pectoral_angle) if view == "CC" else errors.pectoral_angle == 0


def test_lengths_are_shares_of_the_true_breast_height():
    found = landmarks("CC", nipple=(94.0, 158.0), pectoral_line=[(6.0, 50.0), (6.0, 250.0)])
    errors = landmark_errors(found, landmarks("CC"))
    assert errors.nipple == pytest.approx(10 / 200)
    assert errors.pectoral_distance == pytest.approx(6 / 200)


def test_the_angle_between_two_lines_is_acute_whatever_their_direction():
    steep = landmarks(pectoral_line=[(0.0, 50.0), (0.0, 250.0)])
    expected = math.degrees(math.atan2(50, 100))
    assert landmark_errors(steep, landmarks()).pectoral_angle == pytest.approx(expected)
    turned = landmarks(pectoral_line=[(0.0, 250.0), (0.0, 50.0)])
    assert landmark_errors(turned, landmarks()).pectoral_angle == pytest.approx(expected)


def test_dice_of_half_a_disc():
    lower = landmarks(contour=ARC[90:])  # the quarter below the nipple: half of the area
    dice = landmark_errors(lower, landmarks()).contour_dice
    assert dice == pytest.approx(2 * 0.5 / 1.5, abs=0.01)


def test_wrong_side_and_far_nodes():
    errors = landmark_errors(landmarks("CC").mirrored(), landmarks("CC"))
    assert errors.chest_wall == 0
    assert errors.node_agreement < 0.5
    assert errors.node_distance > 0.2


def test_a_summary_counts_medians_over_images_and_angles_over_mlo_only():
    base = landmark_errors(landmarks(), landmarks())
    errors = [
        dataclasses.replace(base, nipple=n, pectoral_angle=a)
        for n, a in zip((0.01, 0.02, 0.06), (2.0, 4.0, 12.0), strict=True)
    ]
    cc = landmark_errors(landmarks("CC"), landmarks("CC"))
    summary = summarize_errors([*errors, cc])
    assert summary["images"] == 4
    assert summary["nipple_median"] == pytest.approx(0.015)
    assert summary["pectoral_angle_median"] == 4
    assert summary["pectoral_angle_within_8"] == pytest.approx(2 / 3)
    assert summarize_errors([cc])["pectoral_angle_median"] is None
    assert summarize_errors([])["nipple_median"] is None


def test_what_cannot_be_compared_is_refused_and_named():
    with pytest.raises(ValueError, match="MLO"):
        landmark_errors(landmarks("CC"), landmarks("MLO"))
    with pytest.raises(ValueError, match="b.png"):
        compare_landmarks({"a.png": landmarks()}, {"a.png": landmarks(), "b.png": landmarks()})
    with pytest.raises(ValueError, match=r"a.png.*\(300, 200\)"):
        compare_landmarks({"a.png": landmarks()}, {"a.png": landmarks(image_size=(300, 100))})
