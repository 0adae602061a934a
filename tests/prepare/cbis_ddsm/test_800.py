"""The 800-px release in canonical form, on a made-up release of two images and on the real one."""

import csv
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from agn_d2.data.cases import count_links, group_cases
from agn_d2.prepare.cbis_ddsm.image_800 import unsquash, unsquashed_size
from agn_d2.prepare.cbis_ddsm.source_800 import read_source

HEADER = "patient,breast,view,split,file,n_mass_boxes,original_width,original_height,annotation"


@pytest.fixture
def release(tmp_path):
    rows = ["P_1,LEFT,CC,train,train/1_LEFT_CC.jpg,1,100,200,box only"]
    for split, names in (("train", ["1_LEFT_CC.jpg"]), ("test", [])):
        (tmp_path / split).mkdir()
        images = [{"id": k, "file_name": n, "height": 80, "width": 80} for k, n in enumerate(names)]
        boxes = [{"image_id": k, "bbox": [8, 16, 8, 4]} for k in range(len(names))]
        (tmp_path / split / "_annotations.coco.json").write_text(
            json.dumps({"images": images, "annotations": boxes})
        )
        for name in names:
            cv2.imwrite(str(tmp_path / split / name), np.zeros((80, 80), np.uint8))
    (tmp_path / "views.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    return tmp_path


def test_unsquashed_size_keeps_every_pixel():
    assert unsquashed_size((800, 800), (4800, 2400)) == (1600, 800)
    assert unsquashed_size((800, 800), (2400, 4800)) == (800, 1600)


def test_boxes_are_stretched_with_the_image(release):
    (source,) = read_source(release)
    assert (source.patient_id, source.laterality, source.view) == ("P_1", "L", "CC")
    image, boxes = unsquash(source)
    assert image.shape == (160, 80)
    assert boxes.tolist() == [[8, 32, 8, 8]]


def test_a_row_that_contradicts_the_boxes_is_named(release):
    text = (release / "views.csv").read_text().replace(",1,100", ",2,100")
    (release / "views.csv").write_text(text)
    with pytest.raises(ValueError, match=r"views\.csv, line 2: 2 boxes, but 1"):
        read_source(release)


def edit(release, change, name="train/_annotations.coco.json"):
    path = release / name
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("LEFT,", "Left,", r"line 2: breast is 'Left', expected LEFT or RIGHT"),
        (",CC,", ",ML,", r"line 2: view is 'ML', expected CC or MLO"),
        (",train,", ",dev,", r"line 2: split is 'dev', expected train or test"),
        ("P_1,", ",", r"line 2: patient is empty"),
        (",100,", ",0,", r"line 2: original_width is '0', expected a whole number from 1 on"),
        (",200,", ",-5,", r"line 2: original_height is '-5'"),
        (",200,", ",nan,", r"line 2: original_height is 'nan'"),
        (",1,100", ",,100", r"line 2: n_mass_boxes is ''"),
        ("train/1_LEFT_CC", "train/2_LEFT_CC", r"line 2: train/2_LEFT_CC.jpg is not among the im"),
        ("patient,", "woman,", r"no column patient; the columns are: woman, breast"),
    ],
)
def test_a_row_that_is_wrong_is_named(release, old, new, message):
    text = (release / "views.csv").read_text().replace(old, new)
    (release / "views.csv").write_text(text)
    with pytest.raises(ValueError, match=r"views\.csv(, |: )" + message):
        read_source(release)


@pytest.mark.parametrize("separator", [",", ";"])
def test_what_spreadsheets_make_of_the_table_does_not_matter(release, separator):
    text = (release / "views.csv").read_text().replace(",", separator)
    (release / "views.csv").write_text(text, encoding="utf-8-sig")
    assert len(read_source(release)) == 1


def test_an_image_that_stands_there_twice_is_named(release):
    text = (release / "views.csv").read_text()
    (release / "views.csv").write_text(text + text.splitlines()[1] + "\n")
    with pytest.raises(ValueError, match=r"line 3: train/1_LEFT_CC.jpg: line 2 has an image of th"):
        read_source(release)


def test_a_table_without_rows(release):
    (release / "views.csv").write_text(HEADER + "\n")
    with pytest.raises(ValueError, match=r"views\.csv: no rows"):
        read_source(release)


@pytest.mark.parametrize(
    "box",
    [[8, 16, 0, 4], [8, 16, 8, -4], [float("nan")] * 4, [8, 16, float("inf"), 4], [8, 16, 8], None],
)
def test_a_box_that_is_none_is_named(release, box):
    edit(release, lambda content: content["annotations"][0].update(bbox=box))
    with pytest.raises(ValueError, match=r"_annotations\.coco\.json: annotations, entry 0 .*bbox"):
        read_source(release)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["annotations"][0].update(image_id=9999), "entry 0 .* image_id 9999 is not in"),
        (lambda c: c.pop("images"), "needs a list under the key 'images'"),
        (lambda c: c["images"][0].pop("file_name"), "images, entry 0 .* has no file_name"),
        (lambda c: c["images"].append(dict(c["images"][0])), "image id 0 stands there more than"),
        (lambda c: c["images"].append(c["images"][0] | {"id": 1}), "several images have one file"),
    ],
)
def test_a_coco_file_that_is_wrong_is_named(release, change, message):
    edit(release, change)
    with pytest.raises(ValueError, match=r"train/_annotations\.coco\.json.*" + message):
        read_source(release)


def test_images_without_a_row_are_counted(release, caplog):
    edit(release, lambda content: content["images"].append({"id": 7, "file_name": "7.jpg"}))
    assert len(read_source(release)) == 1
    assert "1 images of the COCO files stand in no row" in caplog.text and "7.jpg" in caplog.text


def test_missing_release(tmp_path):
    with pytest.raises(FileNotFoundError, match="mass_800px"):
        read_source(tmp_path)


REAL = Path(os.environ.get("AGN_TEST_DATA", "")) / "mass_800px"


@pytest.mark.skipif(
    not REAL.is_dir(), reason="AGN_TEST_DATA names no folder with mass_800px of CBIS-DDSM"
)
def test_links_of_the_real_release_are_those_of_its_documentation():
    sources = read_source(REAL)
    with (REAL / "views.csv").open(newline="") as file:
        assert len(sources) == sum(1 for _ in csv.DictReader(file)) == 1592
    expected = {"train": (87, 931, 13, 200, 1231), "test": (24, 278, 4, 55, 361)}
    for split, counts in expected.items():
        of_split = [
            {
                "file_name": s.name,
                "patient_id": s.patient_id,
                "laterality": s.laterality,
                "view": s.view,
            }
            for s in sources
            if s.split == split
        ]
        assert tuple(count_links(group_cases(of_split)).values()) == counts
    assert sum(len(s.boxes) for s in sources) == 1318 + 378
