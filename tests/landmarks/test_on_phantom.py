"""The detector against the truth of the phantom, film borders and labels on."""

import cv2
import numpy as np
import pytest

from agn_d2.landmarks.detect import detect_landmarks
from agn_d2.landmarks.errors import breast_height, landmark_errors, summarize_errors
from agn_d2.landmarks.nodes import place_nodes
from agn_d2.landmarks.record import Landmarks
from agn_d2.phantom import PhantomParams, generate_case

PARAMS = PhantomParams(size=512, border_share=1.0, label_share=1.0, tape_share=0.5)


@pytest.fixture(scope="module")
def views():
    return [view for index in range(6) for view in generate_case(11, index, PARAMS).views]


@pytest.fixture(scope="module")
def errors(views):
    return {
        view.file_name: landmark_errors(
            detect_landmarks(view.image, view.view), Landmarks.from_dict(view.landmarks)
        )
        for view in views
    }


@pytest.mark.parametrize("projection", ["CC", "MLO"])
def test_landmarks_lie_where_they_are(views, errors, projection):
    found = summarize_errors([errors[v.file_name] for v in views if v.view == projection])
    assert found["nipple_median"] < 0.01
    assert found["contour_dice_mean"] > 0.98
    assert found["chest_wall_right"] == 1
    assert found["node_agreement"] > 0.9
    assert found["node_distance_median"] < 0.03
    if projection == "MLO":
        assert found["pectoral_angle_median"] < 3


def test_low_confidence_marks_the_nipples_that_are_wrong(views, errors):
    confidence = [
        detect_landmarks(v.image, v.view).confidence["nipple"] for v in views if v.view == "CC"
    ]
    wrong = [errors[v.file_name].nipple > 0.03 for v in views if v.view == "CC"]
    assert any(wrong) and not all(wrong)
    right = [c for c, bad in zip(confidence, wrong, strict=True) if not bad]
    assert max(c for c, bad in zip(confidence, wrong, strict=True) if bad) < np.median(right)


@pytest.mark.parametrize("height", [1024, 4000])
@pytest.mark.parametrize("index", [0, 1, 2, 3])
def test_the_same_film_at_any_resolution_has_the_same_nodes(views, index, height):
    view = views[index]
    width = round(view.image.shape[1] * height / view.image.shape[0])
    large = cv2.resize(view.image, (width, height), interpolation=cv2.INTER_CUBIC)
    small = detect_landmarks(view.image, view.view)
    scale = np.array(view.image.shape[::-1]) / [width, height]
    nodes = place_nodes(detect_landmarks(large, view.view), (22, 26)) * scale
    apart = np.hypot(*(nodes - place_nodes(small, (22, 26))).T)
    assert apart.max() < 0.01 * breast_height(small)


@pytest.mark.parametrize("index", [0, 1, 2, 3])
def test_a_mirrored_film_and_eight_bits_change_nothing(views, index):
    view = views[index]
    found = detect_landmarks(view.image, view.view)
    assert detect_landmarks(view.image[:, ::-1], view.view).to_dict() == found.mirrored().to_dict()
    eight = detect_landmarks((view.image / 257).round().astype(np.uint8), view.view)
    apart = np.hypot(*(place_nodes(eight, (22, 26)) - place_nodes(found, (22, 26))).T)
    assert apart.max() < 0.01 * breast_height(found)
