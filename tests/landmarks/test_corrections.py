"""Corrections by hand: what they change, what they refuse, and the files that hold them."""

import json

import pytest

from agn_d2.landmarks.correction_files import COLUMNS, read_corrections
from agn_d2.landmarks.corrections import Correction, apply_correction, apply_corrections
from agn_d2.landmarks.record import Landmarks

HEADER = ",".join(COLUMNS)


def make(view="MLO", **changes) -> Landmarks:
    values = {
        "view": view,
        "chest_wall": "left",
        "nipple": [80, 60],
        "pectoral_line": [[30, 0], [0, 70]] if view == "MLO" else [[2, 5], [2, 95]],
        "contour": [[50, 4], [80, 60], [3, 97]],
        "image_size": (100, 90),
        "confidence": {"contour": 0.9, "nipple": 0.2, "pectoral_line": 0.3},
    }
    return Landmarks(**{**values, **changes})


def write(tmp_path, text, name="c.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_only_what_is_given_changes():
    before = make(status="pectoral: default line; nipple: farthest point")
    after = apply_correction(before, Correction(nipple=[70, 50]))
    expected = before.to_dict() | {
        "nipple": [70, 50],
        "status": "pectoral: default line; nipple: by hand",
        "confidence": {"contour": 0.9, "nipple": 1.0, "pectoral_line": 0.3},
    }
    assert after.to_dict() == expected
    assert before.nipple.tolist() == [80, 60]


def test_all_parts():
    correction = Correction(
        nipple=[0, 100], pectoral_line=[[5, 60], [40, 1]], contour=[[1, 1], [60, 50]]
    )
    after = apply_correction(make(), correction)
    assert after.pectoral_line.tolist() == [[40, 1], [5, 60]]  # the upper point first
    assert after.nipple.tolist() == [0, 100]  # the border belongs to the image
    assert after.contour.tolist() == [[1, 1], [60, 50]]
    assert after.status == "contour: by hand; pectoral: by hand; nipple: by hand"
    assert set(after.confidence.values()) == {1.0}


def test_a_correction_applied_twice_is_the_correction_applied_once():
    correction = Correction(nipple=[70, 50], pectoral_line=[[5, 60], [40, 1]])
    once = apply_correction(make(status="nipple: farthest point"), correction)
    assert apply_correction(once, correction).to_dict() == once.to_dict()


def test_without_confidences_none_are_made_up():
    after = apply_correction(make(confidence=None), Correction(nipple=[1, 1]))
    assert after.confidence is None


@pytest.mark.parametrize("correction", [Correction(), Correction(chest_wall="left")])
def test_nothing_to_correct(correction):
    before = make()
    assert apply_correction(before, correction) is before


def test_a_moved_chest_wall_of_mlo_needs_nipple_and_line():
    moved = {"chest_wall": "right", "source": "c.csv, line 3"}
    with pytest.raises(ValueError, match=r"c\.csv, line 3.*nipple and the pectoral_line.*MLO"):
        apply_correction(make(), Correction(**moved))
    with pytest.raises(ValueError, match="the pectoral_line must"):
        apply_correction(make(), Correction(nipple=[5, 5], **moved))
    after = apply_correction(
        make(), Correction(nipple=[5, 50], pectoral_line=[[60, 0], [90, 70]], **moved)
    )
    assert after.chest_wall == "right"
    assert after.status == "chest wall: by hand; pectoral: by hand; nipple: by hand"
    assert dict(after.confidence) == {"contour": 0.0, "nipple": 1.0, "pectoral_line": 1.0}


def test_a_moved_chest_wall_of_cc_makes_the_line_itself():
    with pytest.raises(ValueError, match="the nipple must be given too"):
        apply_correction(make("CC"), Correction(chest_wall="right"))
    after = apply_correction(make("CC"), Correction(chest_wall="right", nipple=[5, 50]))
    assert after.pectoral_line.tolist() == [[80, 4], [80, 97]]
    assert dict(after.confidence) == {"contour": 0.0, "nipple": 1.0, "pectoral_line": 1.0}
    assert after.status == "chest wall: by hand; nipple: by hand"
    back = apply_correction(after, Correction(chest_wall="left", nipple=[80, 60]))
    assert back.pectoral_line.tolist() == [[3, 4], [3, 97]]
    contour = [[40, 10], [20, 40], [85, 90]]
    after = apply_correction(
        make("CC"), Correction(chest_wall="right", nipple=[20, 40], contour=contour)
    )
    assert after.pectoral_line.tolist() == [[85, 10], [85, 90]]
    assert after.confidence["contour"] == 1.0


@pytest.mark.parametrize(
    ("view", "changes", "message"),
    [
        ("MLO", {"nipple": [90.01, 5]}, "nipple lies outside the image of 90 x 100 px"),
        ("MLO", {"nipple": [5, -0.1]}, "nipple lies outside"),
        ("MLO", {"pectoral_line": [[5, 5], [6, 100.5]]}, "pectoral_line lies outside"),
        ("MLO", {"contour": [[5, 5], [6, 101]]}, "contour lies outside"),
        ("MLO", {"nipple": [5, 5], "image_size": (90, 100)}, "read off an image of 100 x 90 px"),
        ("CC", {"pectoral_line": [[5, 5], [6, 90]]}, "vertical"),
    ],
)
def test_what_does_not_fit_the_image_is_refused_by_file_and_row(view, changes, message):
    with pytest.raises(ValueError, match=f"^notes.csv, line 7: .*{message}"):
        apply_correction(make(view), Correction(**changes, source="notes.csv, line 7"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"chest_wall": "L"}, "chest_wall must be left or right, got 'L'"),
        ({"nipple": [1, 2, 3]}, r"nipple must have the shape \(2,\)"),
        ({"nipple": [1, float("inf")]}, "not finite"),
        ({"pectoral_line": [[3, 4], [3, 4]]}, "are the same"),
        ({"contour": [[1, 2], [3]]}, "contour"),
    ],
)
def test_a_correction_that_cannot_be(values, message):
    with pytest.raises(ValueError, match=f"row 1: .*{message}"):
        Correction(**values, source="row 1")


def test_nothing_is_lost():
    records = {"a.png": make(), "b.png": make("CC")}
    corrections = {"x.png": Correction(nipple=[1, 1]), "b.png": Correction(nipple=[2, 3])}
    corrected, unknown = apply_corrections(records, corrections)
    assert list(corrected) == ["a.png", "b.png"]
    assert corrected["a.png"] is records["a.png"]
    assert corrected["b.png"].nipple.tolist() == [2, 3]
    assert unknown == ["x.png"]


def test_csv_by_hand(tmp_path):
    # A mark of a spreadsheet program, another order, spaces, empty rows and missing columns.
    text = (
        "\ufeffnipple_y, file_name,nipple_x,chest_wall\r\n"
        '60.5,"sub/a, b_CC.png",70,\r\n'
        ",,,\r\n"
        "\r\n"
        ", c.png,, right\r\n"
    )
    found = read_corrections(write(tmp_path, text))
    assert list(found) == ["sub/a, b_CC.png", "c.png"]
    first, second = found.values()
    assert first.parts == ("nipple",) and first.nipple.tolist() == [70, 60.5]
    assert second.parts == ("chest_wall",) and second.chest_wall == "right"
    assert first.image_size is None
    assert first.source.endswith("c.csv, line 2 (sub/a, b_CC.png)")
    assert second.source.endswith("line 5 (c.png)")


def test_every_column_of_a_csv(tmp_path):
    text = f"{HEADER}\nb.png,right,1,2.5,5,6,7.25,8,90,100\n"
    found = read_corrections(write(tmp_path, text))["b.png"]
    assert (found.chest_wall, found.nipple.tolist()) == ("right", [1, 2.5])
    assert found.pectoral_line.tolist() == [[5, 6], [7.25, 8]]
    assert found.image_size == (100, 90)


def test_json_by_hand(tmp_path):
    content = {
        "a.png": {"nipple": [1, 2], "contour": [[0, 0], [5, 5], [0, 9]], "width": 9, "height": 10},
        "b.png": {"pectoral_line": [[1, 2], [3, 4]], "chest_wall": "left"},
        "c.png": {},
    }
    found = read_corrections(write(tmp_path, json.dumps(content), "c.json"))
    assert found["a.png"].parts == ("contour", "nipple")
    assert found["a.png"].image_size == (10, 9)
    assert found["b.png"].parts == ("chest_wall", "pectoral_line")
    assert found["c.png"].parts == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file_name,nipple\na,1\n", "unknown column 'nipple'; the columns are file_name, "),
        ('file_name,chest_wall\n"a.png,left\nb.png,left\n', "not readable as CSV"),
        ("file_name;nipple_x\na;1\n", "separated by semicolons; expected commas"),
        ("file_name\tnipple_x\na\t1\n", "separated by tabs; expected commas"),
        ("nipple_x,nipple_y\n1,2\n", "no column file_name"),
        ("", "no column file_name"),
        ("file_name,width,width\n", "twice"),
        ("file_name,nipple_x,nipple_y\na,1\n", "line 2: 2 cells, but 3 columns"),
        ("file_name,nipple_x,nipple_y\na,1,\n", r"line 2 \(a\): nipple_y is empty"),
        ("file_name,nipple_x\na,1\n", r"line 2 \(a\): nipple_y is empty"),
        ("file_name,nipple_x,nipple_y\na,1,2\nb,x,2\n", r"line 3 \(b\): nipple_x .* got 'x'"),
        ("file_name,nipple_x,nipple_y\na,1,nan\n", "nipple_y must be a number, got 'nan'"),
        (f"{HEADER}\na,,,,1,2,3,,,\n", "pectoral_y2 is empty"),
        (f"{HEADER}\na,up,,,,,,,,\n", r"line 2 \(a\): chest_wall must be left or right"),
        (f"{HEADER}\na,,,,,,,,90,\n", "width and height"),
        (f"{HEADER}\na,,,,,,,,90,1.5\n", "whole numbers"),
        (f"{HEADER}\n,left,,,,,,,,\n", "line 2: no file_name"),
        ("file_name,chest_wall\na,left\n\na,right\n", "line 4: a stands in line 2 already"),
    ],
)
def test_a_bad_csv_is_named_by_file_and_row(tmp_path, text, message):
    with pytest.raises(ValueError, match=rf"c\.csv.*{message}"):
        read_corrections(write(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a JSON file"),
        ("[1]", "one JSON object"),
        ('{"a": 3}', "a: must be a JSON object, got int"),
        ('{"a": {"view": "CC"}}', "a: unknown key 'view'; the keys are chest_wall, "),
        ('{"a": {"nipple": [1]}}', "a: nipple must have the shape"),
        ('{"a": {"width": 5}}', "a: width and height"),
        ('{"a": {}, "b": {}, "a": {}}', "a stands twice"),
    ],
)
def test_a_bad_json_is_named(tmp_path, text, message):
    with pytest.raises(ValueError, match=rf"c\.json.*{message}"):
        read_corrections(write(tmp_path, text, "c.json"))


def test_other_files(tmp_path):
    with pytest.raises(ValueError, match=r"none\.csv: no such file"):
        read_corrections(tmp_path / "none.csv")
    with pytest.raises(ValueError, match=r"c\.txt: .*\.csv or a \.json"):
        read_corrections(write(tmp_path, "", "c.txt"))
    (tmp_path / "latin.csv").write_bytes(b"file_name\nr\xf6ntgen.png\n")
    with pytest.raises(ValueError, match=r"latin\.csv: not UTF-8"):
        read_corrections(tmp_path / "latin.csv")
