"""What is said of landmarks that do not fit: only where it helps, to extract them again."""

import cv2
import numpy as np
import pytest

from agn_d2.data.landmark_fit import landmarks_of
from tests.conftest import toy_landmarks

AGAIN = "run tools/extract_landmarks.py on the images again"
IMAGE = {"file_name": "a.png", "height": 96, "width": 64, "view": "CC"}


@pytest.fixture
def root(tmp_path):
    """A folder with a.png of 96 x 64 (h x w)."""
    assert cv2.imwrite(str(tmp_path / "a.png"), np.zeros((96, 64), dtype=np.uint8))
    return tmp_path


def message(root, image, records):
    with pytest.raises(ValueError, match=image["file_name"]) as caught:
        landmarks_of(image, root, records)
    return str(caught.value)


def test_those_that_fit(root):
    records = {"a.png": toy_landmarks("CC")}
    assert landmarks_of(IMAGE, root, records) is records["a.png"]


def test_none_for_a_file_that_is_there(root):
    assert AGAIN in message(root, IMAGE, {})


def test_none_for_a_name_that_is_no_file(root):
    said = message(root, IMAGE | {"file_name": "images/a.png"}, {"a.png": toy_landmarks("CC")})
    assert AGAIN not in said
    assert f"no such file in {root}: file_name must be relative to that folder" in said
    assert "(the landmarks know a.png)" in said


def test_another_size_than_the_file(root):
    said = message(root, IMAGE, {"a.png": toy_landmarks("CC", 97, 64)})
    assert "landmarks are for a CC view of (97, 64)" in said
    assert AGAIN in said


def test_annotations_of_another_size_than_the_file(root):
    records = {"a.png": toy_landmarks("CC")}
    said = message(root, IMAGE | {"height": 64, "width": 96}, records)
    assert "The file is (96, 64): correct height and width" in said
    assert "swapped" in said
    assert AGAIN not in said
    said = message(root, IMAGE | {"height": 90}, records)
    assert "correct height and width" in said
    assert "swapped" not in said


def test_another_view(root):
    said = message(root, IMAGE | {"view": "MLO"}, {"a.png": toy_landmarks("CC")})
    assert "for a CC view of (96, 64) (h, w), the annotations say a MLO view" in said
    assert "Correct the view in the annotations; if they are right" in said
