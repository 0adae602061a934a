"""A case as a user hands it over."""

import logging
from dataclasses import replace

import cv2
import numpy as np
import pytest

from agn_d2.data.given_case import parse_view, positions_of, read_given_case
from agn_d2.landmarks.contour import breast_box
from agn_d2.landmarks.detect import detect_landmarks


def film(height=160, width=120, value=150, dtype=np.uint8):
    """Half an ellipse at the left, dark film around it."""
    ys, xs = np.mgrid[:height, :width]
    breast = (xs / (0.5 * width)) ** 2 + ((ys - 0.45 * height) / (0.3 * height)) ** 2 < 1
    return (breast * value).astype(dtype)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("L-CC", ("L", "CC")),
        ("R-MLO", ("R", "MLO")),
        ("RMLO", ("R", "MLO")),
        ("left_cc", ("L", "CC")),
        ("RIGHT MLO", ("R", "MLO")),
        (("L", "MLO"), ("L", "MLO")),
        (("right", "cc"), ("R", "CC")),
    ],
)
def test_a_key_names_side_and_view(key, expected):
    assert parse_view(key) == expected


@pytest.mark.parametrize("key", ["CC", "L", "L-ML", "XL-CC", "L-CC2", 3, ("L", "CC", "1"), ""])
def test_other_keys_are_refused(key):
    with pytest.raises(ValueError, match="names no view"):
        parse_view(key)


def test_views_are_linked_and_none_is_missing(tmp_path):
    assert cv2.imwrite(str(tmp_path / "a.png"), film())
    given = {"L-CC": tmp_path / "a.png", "R-CC": film(), "L-MLO": film(), "R-MLO": None}
    case, keys = read_given_case(given, crop=False)
    assert keys == ["L-CC", "R-CC", "L-MLO"]
    assert case.auxiliary == (2, None, 0)
    assert case.contralateral == (1, 0, None)
    assert [image["landmarks"].view for image in case.images] == ["CC", "CC", "MLO"]
    assert case.images[0]["file_name"] == str(tmp_path / "a.png")


def test_colored_marks_are_told(tmp_path, caplog):
    picture = np.repeat(film()[..., None], 3, axis=2)
    cv2.imwrite(str(tmp_path / "gray.png"), picture)
    picture[:4, :5] = (0, 0, 255)
    cv2.imwrite(str(tmp_path / "red.png"), picture)
    read_given_case({"L-CC": tmp_path / "gray.png"}, crop=False)
    assert "colored" not in caplog.text
    read_given_case({"L-CC": tmp_path / "red.png"}, crop=False)
    assert "red.png: 20 pixels (" in caplog.text and "turned gray" in caplog.text


def test_gray_values_arrive_as_they_are(tmp_path):
    deep = (film(dtype=np.uint16) * 301).astype(np.uint16)
    assert cv2.imwrite(str(tmp_path / "deep.png"), deep)
    given = {"L-CC": tmp_path / "deep.png", "L-MLO": deep, "R-CC": deep / 65535.0, "R-MLO": film()}
    case, _ = read_given_case(given, crop=False, needs_landmarks=False)
    for image in case.images[:3]:
        assert image["pixels"].dtype == np.uint16
        assert np.array_equal(image["pixels"], deep)
        assert "landmarks" not in image
    assert case.images[3]["pixels"].dtype == np.uint8


def test_a_film_is_cut_to_its_breast():
    image = film()
    box = breast_box(detect_landmarks(image, "CC"))
    assert box[2] < 100  # of 120
    (record,) = read_given_case({"L-CC": image}, crop=True)[0].images
    assert record["crop"] == list(box)
    assert record["frame_size"] == [160, 120]
    assert np.array_equal(record["pixels"], image[box[1] : box[3], box[0] : box[2]])
    assert record["landmarks"].image_size == (box[3] - box[1], box[2] - box[0])
    assert (record["height"], record["width"]) == record["pixels"].shape


def test_known_landmarks_are_taken():
    image = film()
    known = detect_landmarks(image[:, ::-1], "CC")
    given = {"L-CC": image, "L-MLO": image}
    case, _ = read_given_case(given, landmarks={("L", "CC"): known}, crop=False)
    assert case.images[0]["landmarks"] is known
    assert case.images[1]["landmarks"].chest_wall == "left"
    with pytest.raises(ValueError, match=r"'L-CC' are for a CC view of \(160, 120\)"):
        read_given_case({"L-CC": image[:100]}, landmarks={"L-CC": known})
    with pytest.raises(ValueError, match="no view R-CC"):
        read_given_case({"L-CC": image}, landmarks={"R-CC": known})


def test_an_image_without_a_breast_is_said(caplog):
    with caplog.at_level(logging.WARNING):
        read_given_case({"L-CC": np.zeros((100, 80), np.uint8)})
    assert "L-CC: landmarks fell back: contour: whole image" in caplog.text


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "give 1 to 4 views"),
        ({"L-CC": None}, "give 1 to 4 views"),
        ({"L-CC": film(), "LCC": film()}, r"more than one image of the view L-CC \('LCC'\)"),
        ({"L-CC": np.zeros((9, 9, 3), np.uint8)}, r"'L-CC' must be .* \(9, 9, 3\)"),
        ({"L-CC": np.zeros((9, 9), np.int32)}, "'L-CC' is an array of int32"),
        ({"L-CC": np.full((9, 9), 2.0)}, r"'L-CC' holds floats outside of \[0, 1\]"),
        ({"L-CC": np.full((9, 9), np.nan)}, r"'L-CC' holds floats outside"),
        ({"upper": film()}, "'upper' names no view"),
    ],
)
def test_bad_cases(given, message):
    with pytest.raises(ValueError, match=message):
        read_given_case(given)


@pytest.mark.parametrize("given", [film(), "lcc.png", ["lcc.png", "lmlo.png"]])
def test_images_without_their_views_are_refused(given):
    with pytest.raises(TypeError, match=f"mapping of 1 to 4 views .* {type(given).__name__};"):
        read_given_case(given)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.png"):
        read_given_case({"L-CC": tmp_path / "none.png"})


def test_positions_of_views_however_they_are_written():
    assert positions_of([("L", "MLO"), "rcc"], ["R-CC", "L-CC", "L-MLO"]) == [2, 0]
    with pytest.raises(ValueError, match="no view 'R-MLO'; it has R-CC"):
        positions_of(["R-MLO"], ["R-CC"])


def test_a_negative_is_warned_of(caplog, monkeypatch):
    found = replace(detect_landmarks(film(), "CC"), status="inverted: dark breast on white film")
    monkeypatch.setattr("agn_d2.data.given_case.detect_landmarks", lambda *_: found)
    with caplog.at_level(logging.WARNING):
        read_given_case({"L-CC": film()})
    assert "L-CC: landmarks fell back: inverted: dark breast on white film" in caplog.text
