"""datasets/prepare.py ddsm: chain codes, headers, and from the cases to FROC."""

import os
import shutil

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from agn_d2.data.cases import count_links, group_cases
from agn_d2.prepare.ddsm import read_ddsm, read_ics
from agn_d2.prepare.ddsm_overlay import read_overlay

from .ddsm_fixture import (
    BENIGN,
    CALCIFICATION,
    MALIGNANT,
    abnormality,
    build_ddsm,
    overlay,
    rectangle,
)
from .helpers import (
    decisions_of,
    film_boxes,
    froc_of_made_up_detections,
    load,
    prepare,
    split_of,
    summary_of,
)

SPLITS = "patient,split\nA_0001_1,train\nB_0002_1,test\nC_0003_1,test\nD_0004_1,test\n"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A data set with the first case to train on."""
    folder = tmp_path_factory.mktemp("ddsm")
    build_ddsm(folder / "download")
    (folder / "splits.csv").write_text(SPLITS)
    arguments = ["--root", folder / "download", "--out", folder / "ddsm"]
    arguments += ["--splits", folder / "splits.csv", "--val-share", 0]
    assert prepare("ddsm", *arguments) == 0
    return folder / "ddsm"


def test_a_chain_code_walks_clockwise_from_above(tmp_path):
    path = tmp_path / "a.OVERLAY"
    # Up, up right, right, down right, down, down left, left, up left: around and home.
    path.write_text(overlay(abnormality(1, [MALIGNANT], "10 20 0 1 2 3 4 5 6 7")))
    (found,) = read_overlay(path)
    assert found.boundary == [
        *((10, 20), (10, 19), (11, 18), (12, 18), (13, 19)),
        *((13, 20), (12, 21), (11, 21), (10, 20)),
    ]
    assert found.fault((200, 150)) is None
    assert found.outline[0] == (10.5, 20.5)
    assert (found.types, found.number) == (["MASS"], 1)
    assert found.facts == {
        "shape": "IRREGULAR",
        "margins": "SPICULATED",
        "assessment": "4",
        "subtlety": "3",
        "pathology": "MALIGNANT",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("TOTAL_ABNORMALITIES 1\nBOUNDARY\n1 2 3 #\n", "'BOUNDARY' before the first ABNORMALITY"),
        (overlay(abnormality(1, [BENIGN], "5 5 8 0")), "no chain code of a start"),
        (overlay(abnormality(1, [BENIGN], "5 5 a 0")), "line 9: '5 5 a 0', expected whole numbers"),
        (overlay(abnormality(1, [BENIGN], "5 5 0 4")).rstrip("# \n"), "ends within a BOUNDARY"),
        (overlay(abnormality(1, [BENIGN], "5 5 0 4"), total=3), "3 abnormalities stated, 1 there"),
    ],
)
def test_overlays_that_are_none(tmp_path, text, message):
    path = tmp_path / "a.OVERLAY"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_overlay(path)


def test_headers(prepared):
    folder = prepared.parent / "download" / "cases" / "case0001"
    case, facts, films = read_ics(folder / "A-0001-1.ics")
    assert (case, facts) == ("A_0001_1", {"breast_density": 3, "digitizer": "LUMISYS LASER"})
    assert [film.place for film in films] == ["LEFT_CC", "LEFT_MLO", "RIGHT_CC", "RIGHT_MLO"]
    first, third = films[0], films[2]
    assert (first.size, first.bits, first.mm_per_pixel) == ((200, 150), 12, 0.0435)
    assert (first.overlay, third.overlay) == (True, False)


def test_masses_are_boxes_and_masks(prepared):
    train = split_of(prepared, "train")
    # The core and the calcification are no masses of their own.
    assert film_boxes(train) == {
        "A_0001_1.LEFT_CC.png": [[20, 60, 40, 90], [10, 110, 25, 130]],
        "A_0001_1.LEFT_MLO.png": [[15, 120, 25, 140], [25, 70, 45, 90]],
        "A_0001_1.RIGHT_CC.png": [],
        "A_0001_1.RIGHT_MLO.png": [],
    }
    for annotation in train["annotations"]:
        x, y, width, height = annotation["bbox"]
        mask = coco_mask.decode(annotation["segmentation"])
        assert annotation["area"] == mask.sum() == width * height
        inside = mask[int(y) : int(y + height), int(x - 0) : int(x + width)]
        assert inside.all()


def test_lesions_are_found_again_by_their_facts_in_whatever_order(prepared):
    train = split_of(prepared, "train")
    shapes = {}
    for annotation in train["annotations"]:
        shapes.setdefault(annotation["lesion_id"], []).append(annotation["mass_shape"])
        assert (annotation["assessment"], annotation["subtlety"]) == (4, 3)
        assert annotation["pathology"] == "MALIGNANT"
        assert annotation["lesion_match"].startswith("same facts")
    assert sorted(shapes.values()) == [["IRREGULAR"] * 2, ["OVAL"] * 2]
    assert summary_of(prepared)["priors, lesions seen in both views"]["prior_22_26.json"] == 2


def test_a_scaled_film_takes_its_outlines_along(prepared):
    test = split_of(prepared, "test")
    (annotation,) = test["annotations"]
    image = next(i for i in test["images"] if i["id"] == annotation["image_id"])
    assert image["file_name"] == "C_0003_1.LEFT_CC.png"
    # Pixels 30 to 49 and 80 to 99 at half the size.
    assert film_boxes(test)[image["file_name"]] == [[15, 40, 25, 50]]
    assert image["mm_per_pixel"] == pytest.approx(0.087)
    others = {i["mm_per_pixel"] for i in test["images"] if i is not image}
    assert others == {0.0435}


def test_lost_outlines_make_context_and_normals_are_examined(prepared):
    test = split_of(prepared, "test")
    examined = {image["file_name"].removesuffix(".png") for image in test["images"]}
    normal = {f"D_0004_1.{place}" for place in ("LEFT_CC", "LEFT_MLO", "RIGHT_CC")}
    assert examined == {"B_0002_1.RIGHT_CC", "C_0003_1.LEFT_CC"} | normal
    reasons = {
        row["film"]: row["detail"]
        for row in decisions_of(prepared)
        if row["decision"] == "context only"
    }
    for film, words in {
        "B_0002_1.RIGHT_MLO": "no .OVERLAY file, but the .ics file states one",
        "B_0002_1.LEFT_CC": "the outline is not closed: from (30, 90) to (33, 93)",
        "B_0002_1.LEFT_MLO": "the outline leaves the film of 150 x 200",
        "C_0003_1.LEFT_MLO": "2 abnormalities stated, 1 there",
        "C_0003_1.RIGHT_CC": "the file ends within a BOUNDARY",
        "C_0003_1.RIGHT_MLO": "its film has another aspect than stated",
    }.items():
        assert words in reasons.pop(film)
    assert not reasons
    assert {i["file_name"] for i in test["context_images"]} == {
        *("B_0002_1.RIGHT_MLO.png", "B_0002_1.LEFT_CC.png", "B_0002_1.LEFT_MLO.png"),
        *("C_0003_1.LEFT_MLO.png", "C_0003_1.RIGHT_CC.png", "C_0003_1.RIGHT_MLO.png"),
    }


def test_gray_values_of_all_kinds_of_files(prepared):
    folder = prepared / "images"
    tops = {
        path.name.split(".")[1]: cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        for path in folder.glob("A_0001_1.*")
    }
    # TIFF and PNG of 12 bits fill 16; the TIFF is taken, not the JPEG of the same film.
    assert {place: image.dtype.name for place, image in tops.items()} == {
        "LEFT_CC": "uint16",
        "LEFT_MLO": "uint16",
        "RIGHT_CC": "uint8",
        "RIGHT_MLO": "uint16",
    }
    assert tops["LEFT_CC"].max() == tops["LEFT_MLO"].max() == 65535


def test_links_account_and_froc(prepared, tmp_path):
    assert list(count_links(group_cases(load(prepared, "train"))).values()) == [4, 0, 0, 0, 4]
    # B and C read their context; the normal case lacks a view.
    links = count_links(group_cases(load(prepared, "test")))
    assert links == {
        "both": 3,
        "auxiliary only": 1,
        "contralateral only": 1,
        "neither": 0,
        "total": 5,
    }
    summary = summary_of(prepared)
    assert summary["films in the tables"] == 16
    assert summary["left out"] == {"film unreadable": 1, "no .ics file states A_0099_1 LEFT_CC": 1}
    assert summary["decisions"]["other finding"] == 2
    assert summary["decisions"]["second film file"] == 1
    assert summary["decisions"]["another size"] == 1
    assert froc_of_made_up_detections(prepared, "test", tmp_path) == {
        "recall": [0.0, 1.0],
        "images": 5,
        "lesions": 1,
    }


def test_keep_and_an_overlay_that_is_not_stated(prepared, tmp_path):
    root = tmp_path / "download"
    build_ddsm(root)
    text = overlay(abnormality(1, [CALCIFICATION, BENIGN], rectangle(30, 80, 20, 20)))
    (root / "cases" / "case0004" / "D_0004_1.LEFT_CC.OVERLAY").write_text(text)
    out = tmp_path / "ddsm"
    assert prepare("ddsm", "--root", root, "--out", out, "--keep", "--test-share", 0) == 0
    summary = summary_of(out)
    assert summary["films examined"] == 15
    assert summary["decisions"]["overlay not stated"] == 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("LINES 200", "LINES many", "A-0001-1.ics, line 12: expected numbers for LINES"),
        ("_CC LINES", "_XX LINES", None),
    ],
)
def test_bad_headers(tmp_path, capsys, old, new, message):
    root = tmp_path / "download"
    build_ddsm(root)
    path = root / "cases" / "case0001" / "A-0001-1.ics"
    path.write_text(path.read_text().replace(old, new))
    if message is None:
        assert len(read_ddsm(root).films) == 14
        return
    assert prepare("ddsm", "--root", root, "--out", tmp_path / "out") == 2
    assert message in capsys.readouterr().err


def test_files_that_macos_leaves_are_passed_over_and_links_followed(tmp_path):
    build_ddsm(tmp_path / "disk")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "cases").symlink_to(tmp_path / "disk")
    ics = next((tmp_path / "disk").rglob("*.ics"))
    ics.with_name(f"._{ics.name}").write_bytes(b"\0\5\x16\7\xff")
    films = read_ddsm(tmp_path / "root").films
    assert films and all(film.path is None or film.path.startswith("cases/") for film in films)


def test_written_images_below_the_root_are_no_films(prepared, tmp_path):
    """The default --out may be the folder that holds the download."""
    build_ddsm(tmp_path)
    before = read_ddsm(tmp_path)
    for name in ("images", "work"):
        shutil.copytree(prepared / name, tmp_path / name)
    assert any(path.suffix == ".png" for path in (tmp_path / "images").iterdir())
    assert read_ddsm(tmp_path) == before


def test_a_folder_without_cases(tmp_path, capsys):
    assert prepare("ddsm", "--root", tmp_path, "--out", tmp_path / "out") == 2
    assert "no .ics file in it" in capsys.readouterr().err


def test_regions_are_those_of_a_slower_count():
    """A slanted outline: the pixels of the chain itself belong to the lesion."""
    from agn_d2.prepare.region import outlined_region

    outline = np.array([(10.5, 10.5), (20.5, 20.5), (10.5, 30.5), (0.5, 20.5)])
    region = outlined_region(outline, (40, 40))
    y, x = np.mgrid[:40, :40]
    expected = np.abs(x - 10) + np.abs(y - 20) <= 10
    whole = np.zeros((40, 40), bool)
    x0, y0, x1, y1 = region.box
    whole[y0:y1, x0:x1] = region.window
    np.testing.assert_array_equal(whole, expected)


def test_a_folder_of_all_cases_is_listed_once(tmp_path, monkeypatch):
    """Not once for each film: DDSM has 10,480, and one folder may hold all of their files."""
    build_ddsm(tmp_path / "download")
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in (tmp_path / "download").rglob("*"):
        if path.is_file():
            path.rename(flat / path.name)
    listed = []
    for name in ("listdir", "scandir"):
        usual = getattr(os, name)
        monkeypatch.setattr(os, name, lambda path, usual=usual: listed.append(path) or usual(path))
    films = {film.name: film for film in read_ddsm(flat).films}
    assert len(films) > 8 and len(films["A_0001_1.LEFT_CC"].lesions) == 2
    assert len(listed) == 1
