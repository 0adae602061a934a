import json
from dataclasses import replace

import numpy as np
import pytest

from agn_d2.landmarks.record import Landmarks, read_landmarks, write_landmarks


def make(**changes) -> Landmarks:
    values = {
        "view": "MLO",
        "chest_wall": "left",
        "nipple": [80.5, 60],
        "pectoral_line": [[30, 0], [0, 70]],
        "contour": [[50, 0], [80, 60], [0, 99]],
        "image_size": (100, 90),
        "status": "nipple: farthest point",
    }
    return Landmarks(**{**values, **changes})


def assert_same(a: Landmarks, b: Landmarks) -> None:
    assert a.to_dict() == b.to_dict()


def test_record_keys_and_values_are_those_of_the_format():
    assert make().to_dict() == {
        "status": "nipple: farthest point",
        "view": "MLO",
        "width": 90,
        "height": 100,
        "chest_wall": "left",
        "nipple": [80.5, 60.0],
        "pectoral_line": [[30.0, 0.0], [0.0, 70.0]],
        "contour": [[50.0, 0.0], [80.0, 60.0], [0.0, 99.0]],
    }


def test_mirroring_maps_x_to_width_minus_x_and_undoes_itself():
    mirrored = make().mirrored()
    assert mirrored.chest_wall == "right"
    np.testing.assert_array_equal(mirrored.nipple, [9.5, 60])
    np.testing.assert_array_equal(mirrored.pectoral_line, [[60, 0], [90, 70]])
    np.testing.assert_array_equal(mirrored.contour, [[40, 0], [10, 60], [90, 99]])
    assert_same(mirrored.mirrored(), make())


def test_file_round_trip_and_nodes(tmp_path):
    path = tmp_path / "deep" / "landmarks.json"
    both = {"a.png": make(), "b/c.jpg": make(status="ok").mirrored()}
    write_landmarks(path, both, nodes={"a.png": np.array([[1.23456, 2]])})
    back = read_landmarks(path)
    assert list(back) == ["a.png", "b/c.jpg"]
    for name in both:
        assert_same(back[name], both[name])
    raw = json.loads(path.read_text())
    assert raw["a.png"]["nodes"] == [[1.235, 2.0]]
    assert "nodes" not in raw["b/c.jpg"]
    assert back["b/c.jpg"].ok and not back["a.png"].ok


def test_a_write_that_fails_leaves_the_old_file_and_no_part(tmp_path):
    path = tmp_path / "landmarks.json"
    write_landmarks(path, {"a.png": make()})
    before = path.read_bytes()
    with pytest.raises(TypeError):
        write_landmarks(path, {"a.png": make(), 3.5j: make()})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["landmarks.json"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"view": "LAT"}, "view"),
        ({"chest_wall": "L"}, "chest_wall"),
        ({"nipple": [1, 2, 3]}, "nipple"),
        ({"nipple": [1, float("nan")]}, "nipple.*finite"),
        ({"nipple": ["x", 2]}, "nipple"),
        ({"pectoral_line": [[1, 2]]}, "pectoral_line"),
        ({"contour": []}, "contour"),
        ({"contour": [[1, 2], [3]]}, "contour"),
        ({"image_size": (0, 5)}, "image_size"),
    ],
)
def test_a_bad_value_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        make(**changes)


def test_a_bad_file_is_named_with_its_record(tmp_path):
    path = tmp_path / "landmarks.json"
    record = make().to_dict()
    del record["nipple"], record["status"]
    path.write_text(json.dumps({"good.png": make().to_dict(), "bad.png": record}))
    with pytest.raises(ValueError, match=r"landmarks\.json.*bad\.png.*nipple, status"):
        read_landmarks(path)
    path.write_text("{")
    with pytest.raises(ValueError, match=r"landmarks\.json: is not JSON"):
        read_landmarks(path)
    path.write_bytes('{"Müller.png": {}}'.encode("cp1252"))
    with pytest.raises(ValueError, match=r"landmarks\.json: is not JSON in UTF-8"):
        read_landmarks(path)
    path.write_text("[1]")
    with pytest.raises(ValueError, match=r"landmarks\.json"):
        read_landmarks(path)
    path.write_text('{"x.png": [1]}')
    with pytest.raises(ValueError, match=r"x\.png"):
        read_landmarks(path)


def test_points_cannot_be_changed_in_place():
    with pytest.raises(ValueError, match="read-only"):
        make().nipple[0] = 3


def test_confidences_come_back_and_follow_the_image(tmp_path):
    sure = {"contour": 1.0, "nipple": 0.25, "pectoral_line": 0.5}
    judged = replace(make(), confidence=sure)
    assert judged.lowest_confidence == 0.25
    assert judged.mirrored().confidence == judged.cropped((0, 0, 50, 50)).confidence == sure
    write_landmarks(tmp_path / "a.json", {"a": judged, "b": make()})
    back = read_landmarks(tmp_path / "a.json")
    assert back["a"].confidence == sure
    assert back["b"].confidence is None and back["b"].lowest_confidence is None


@pytest.mark.parametrize(
    "confidence",
    [
        {"nipple": 1.0},
        {"contour": 1.0, "nipple": 1.2, "pectoral_line": 0.5},
        {"contour": 1.0, "nipple": float("nan"), "pectoral_line": 0.5},
        {"contour": 1.0, "nipple": "sure", "pectoral_line": 0.5},
        0.5,
    ],
)
def test_a_confidence_that_is_none_is_refused(confidence):
    with pytest.raises(ValueError, match="confidence"):
        replace(make(), confidence=confidence)
