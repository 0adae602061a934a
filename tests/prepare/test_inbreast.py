"""datasets/prepare.py inbreast, from the download to FROC, and the report on the pectoral lines."""

import csv
import json
import sys
import types

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from agn_d2.data.cases import count_links, group_cases
from agn_d2.landmarks.record import Landmarks, read_landmarks
from agn_d2.prepare.inbreast import read_inbreast
from agn_d2.prepare.inbreast_pectoral import muscle_line

from ..conftest import toy_landmarks
from .helpers import (
    decisions_of,
    film_boxes,
    froc_of_made_up_detections,
    load,
    prepare,
    split_of,
    summary_of,
)
from .inbreast_fixture import ANNA, BEA, CLEO, NO_DICOM, build_inbreast, write_xml


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A data set with ANNA to train on, BEA and CLEO to test on."""
    folder = tmp_path_factory.mktemp("inbreast")
    build_inbreast(folder / "download")
    splits = folder / "splits.csv"
    splits.write_text(f"patient,split\n{ANNA},train\n{BEA},test\n{CLEO},test\n")
    arguments = ["--root", folder / "download", "--out", folder / "inbreast", "--splits", splits]
    assert prepare("inbreast", *arguments, "--val-share", 0) == 0
    return folder / "inbreast"


def test_masses_are_boxes_and_masks(prepared):
    train = split_of(prepared, "train")
    boxes = film_boxes(train)
    assert boxes == {
        "20000001.png": [[20, 60, 41, 91]],
        # Corners in the middles of pixels; what lies beside the film is no part of the mask.
        "20000002.png": [[10, 80, 51, 121], [0, 60, 21, 81]],
        "20000003.png": [],
        "20000005.png": [],
    }
    areas = {}
    for annotation in train["annotations"]:
        image = next(i for i in train["images"] if i["id"] == annotation["image_id"])
        mask = coco_mask.decode(annotation["segmentation"])
        assert mask.shape == (image["height"], image["width"])
        areas[image["file_name"], annotation["lesion"]] = int(mask.sum())
        assert annotation["area"] == mask.sum()
    assert areas["20000001.png", "1"] == 21 * 31
    # 41 rows of 41, 40, ... 1 pixels.
    assert areas["20000002.png", "1"] == 41 * 42 / 2
    assert areas["20000002.png", "2"] == 21 * 21


def test_lost_outlines_make_context(prepared):
    test = split_of(prepared, "test")
    assert film_boxes(test) == {"20000008.png": [[10, 80, 51, 121]], "20000010.png": []}
    context = {image["file_name"] for image in test["context_images"]}
    # Two points, no XML file though the table has a mass, and one that is no property list.
    assert context == {"20000006.png", "20000007.png", "20000009.png"}
    details = {
        row["film"]: row["detail"]
        for row in decisions_of(prepared)
        if row["decision"] == "context only"
    }
    assert "there is no XML file" in details["20000007"]
    assert "no property list with Images[0].ROIs" in details["20000009"]


def test_facts_and_links(prepared):
    images = {i["file_name"]: i for s in ("train", "test") for i in split_of(prepared, s)["images"]}
    first = images["20000001.png"]
    assert (first["patient_id"], first["laterality"], first["view"]) == (ANNA, "L", "CC")
    assert (first["breast_density"], first["birads"], first["mm_per_pixel"]) == (2, "4a", 0.07)
    assert "20000004.png" not in images and images["20000010.png"]["breast_density"] == 4
    cases = group_cases(load(prepared, "train"))
    # The left CC of her second visit is no partner of the first visit's films.
    assert [len(case) for case in cases] == [3, 1]
    assert list(count_links(cases).values()) == [1, 1, 1, 1, 4]
    assert count_links(group_cases(load(prepared, "test")))["auxiliary only"] == 1


def test_account(prepared):
    summary = summary_of(prepared)
    assert summary["films in the tables"] == 9
    assert summary["films examined without a lesion"] == 3
    assert summary["left out"] == {
        "no DICOM file, which alone tells the patient": 1,
        "row without a film, such as that of the sums": 1,
        "view FB, neither CC nor MLO": 1,
    }
    assert summary["decisions"]["other finding"] == 2
    assert summary["decisions"]["points missing"] == 1
    assert summary["decisions"]["mass in the XML file only"] == 1
    assert NO_DICOM in {row["film"] for row in decisions_of(prepared)}


def test_froc(prepared, tmp_path):
    assert froc_of_made_up_detections(prepared, "test", tmp_path) == {
        "recall": [0.0, 1.0],
        "images": 2,
        "lesions": 1,
    }


def test_keep(prepared, tmp_path):
    root = prepared.parent / "download"
    arguments = ["--root", root, "--out", tmp_path / "out", "--test-share", 0, "--keep"]
    assert prepare("inbreast", *arguments) == 0
    assert summary_of(tmp_path / "out")["films examined"] == 9


def test_a_table_without_the_masses(tmp_path):
    """As others hand it out: what has no XML file has no mass for certain only with Bi-Rads 1."""
    build_inbreast(tmp_path / "download")
    path = tmp_path / "download" / "INbreast.csv"
    lines = path.read_bytes().decode("cp1252").split("\r\n")
    path.write_text("\n".join(";".join(line.split(";")[:7]) for line in lines))
    films = {film.name: film for film in read_inbreast(tmp_path / "download").films}
    assert films["20000003"].lost == () and films["20000005"].lost == ()
    assert "does not say whether there is a mass" in films["20000007"].lost[0]


def test_the_table_of_excel(tmp_path, monkeypatch):
    build_inbreast(tmp_path / "download")
    path = tmp_path / "download" / "INbreast.csv"
    text = path.read_bytes().decode("cp1252")
    path.unlink()
    (tmp_path / "download" / "INbreast.xls").write_bytes(b"a workbook")
    cells = [line.split(";") for line in text.split("\r\n")]
    for row in cells[1:]:
        row[4] = float(row[4]) if row[4] else ""
    sheet = types.SimpleNamespace(nrows=len(cells), row_values=cells.__getitem__)
    book = types.SimpleNamespace(sheet_by_index=lambda number: sheet)
    reader = types.SimpleNamespace(open_workbook=lambda path: book, XLRDError=ValueError)
    monkeypatch.setitem(sys.modules, "xlrd", reader)
    assert len(read_inbreast(tmp_path / "download").films) == 9
    monkeypatch.setitem(sys.modules, "xlrd", None)
    with pytest.raises(ValueError, match=r"INbreast\.xls: pip install xlrd to read it, or save"):
        read_inbreast(tmp_path / "download")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--root", "nowhere"], "nowhere: neither INbreast.csv nor INbreast.xls in it"),
        (["--root", "{root}", "--table", "{root}/AllXML/20000001.xml"], "no column laterality"),
    ],
)
def test_bad_input(prepared, tmp_path, capsys, arguments, message):
    root = prepared.parent / "download"
    given = [text.format(root=root) for text in arguments]
    assert prepare("inbreast", *given, "--out", tmp_path / "out") == 2
    assert message in capsys.readouterr().err


def test_the_edge_of_a_muscle_is_a_line():
    """The muscle is a triangle in the upper left corner; the film is cut 10 px at its left."""
    entry = {"crop": [10, 0, 64, 96], "mirrored": False, "width": 54, "frame_size": [96, 64]}
    edge = [(50 - 50 * t, 80 * t) for t in np.linspace(0, 1, 21)]
    outline = np.array([*edge, (0, 60), (0, 20), (0, 0), (20, 0), (40, 0)])
    landmarks = toy_landmarks("MLO")
    line = muscle_line(outline, entry, landmarks)
    # x / 50 + y / 80 = 1 in the film, x + 10 for x in the cut image.
    np.testing.assert_allclose((line[:, 0] + 10) / 50 + line[:, 1] / 80, 1, atol=1e-3)
    assert line[0, 1] < line[1, 1]
    assert muscle_line(outline[-5:], entry, landmarks) is None
    assert muscle_line(np.array(()), entry, landmarks) is None  # a region without points


def test_pectoral_report(prepared, tmp_path):
    """Outlines made of the lines that are found, one of them moved by a tenth of the height."""
    root = tmp_path / "download"
    build_inbreast(root)
    landmarks = read_landmarks(prepared / "annotations" / "landmarks.json")
    entries = [*split_of(prepared, "train")["images"], *split_of(prepared, "test")["images"]]
    moved = {"20000002.png": 0.0, "20000008.png": 0.1}
    for name, share in moved.items():
        found: Landmarks = landmarks[name]
        entry = next(entry for entry in entries if entry["file_name"] == name)
        low, high = found.pectoral_line + entry["crop"][:2]
        height = np.ptp(found.contour[:, 1])
        normal = np.array([high[1] - low[1], low[0] - high[0]]) / np.hypot(*(high - low))
        points = [low + (high - low) * t + normal * share * height for t in np.linspace(0, 1, 30)]
        # What lies far to the chest wall makes the rim that is no edge.
        corner = (min(p[0] for p in points) - 40, min(p[1] for p in points) - 40)
        outline = [*points, (corner[0], points[-1][1]), corner, (points[0][0], corner[1])]
        path = root / "PectoralMuscle" / f"{name.removesuffix('.png')}_muscle.xml"
        write_xml(path, [("Pectoral Muscle", outline, len(outline))])
    splits = prepared.parent / "splits.csv"
    arguments = ["--root", root, "--out", tmp_path / "out", "--splits", splits, "--val-share", 0]
    assert prepare("inbreast", *arguments, "--pectoral-report") == 0
    report = json.loads((tmp_path / "out" / "report" / "pectoral.json").read_text())
    assert (report["images"], report["without an edge"]) == (2, 0)
    with (tmp_path / "out" / "report" / "pectoral.csv").open(newline="") as file:
        rows = {row["file_name"]: row for row in csv.DictReader(file)}
    for name, share in moved.items():
        assert float(rows[name]["pectoral_angle"]) < 0.5
        assert float(rows[name]["pectoral_distance"]) == pytest.approx(share, abs=0.01)


def test_pectoral_report_needs_outlines(prepared, tmp_path, capsys):
    root = prepared.parent / "download"
    arguments = ["--root", root, "--out", tmp_path / "out", "--pectoral-report"]
    assert prepare("inbreast", *arguments) == 2
    error = capsys.readouterr().err
    assert "no XML file of a pectoral muscle in it; leave out --pectoral-report" in error
    assert not (tmp_path / "out").exists()
