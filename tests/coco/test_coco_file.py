"""A COCO annotation file: what is read as what, and what is refused with which message."""

import gzip
import itertools
import json
import logging

import numpy as np
import pytest

from agn_d2.coco.file import read_coco, require_keys

NAN = float("nan")


def test_values_come_as_coco_wants_them(content, write):
    content["images"][0] |= {
        "file_name": "./a/../b.png", "height": 100.0, "patient_id": 7.0, "case_id": NAN,
        "view": "CC", "density": 2.0,
    }  # fmt: skip
    content["images"][1]["patient_id"] = ""
    content["annotations"][0] |= {"iscrowd": "0", "lesion_id": 0, "image_id": 1.0}
    content["annotations"][1] |= {"iscrowd": True, "lesion_id": NAN}
    coco = read_coco(write(content))
    first, second = coco.images
    assert (first["file_name"], first["height"], first["patient_id"]) == ("b.png", 100, "7")
    assert (first["case_id"], first["density"], second["patient_id"]) == (None, "2", None)
    assert isinstance(first["height"], int)
    assert [(a["iscrowd"], a["lesion_id"]) for a in coco.annotations] == [(0, "0"), (1, None)]
    assert coco.annotations[0]["bbox"] == [10, 20, 10, 20]
    assert [category["name"] for category in coco.categories] == ["mass"]


def test_byte_order_mark_and_gzip(content, tmp_path):
    plain = json.dumps(content).encode()
    (tmp_path / "bom.json").write_bytes(b"\xef\xbb\xbf" + plain)
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(plain))
    for name in ("bom.json", "a.json.gz"):
        assert [image["id"] for image in read_coco(tmp_path / name).images] == [1, 2]


def test_masks_that_are_not_those_of_their_boxes(content, write, caplog):
    """As where an image was scaled with its boxes, but without its masks."""
    first, second = content["annotations"]
    first["segmentation"] = [[10, 20, 20, 20, 20, 40, 10, 40]]
    second["segmentation"] = [[5, 10, 10.5, 10, 10.5, 20.5, 5, 20.5]]
    with caplog.at_level(logging.WARNING):
        read_coco(write(content))
    assert "1 of 2 masks have another box than the one stated" in caplog.text
    assert "the first is annotation 2: [10" in caplog.text
    mask = np.zeros((100, 200), np.uint8)
    mask[10:20, 5:10] = 1  # touches the box at a corner
    counts = [len(list(run)) for _, run in itertools.groupby(mask.T.ravel())]
    for other in ([[5, 10, 10, 10, 10, 20, 5, 20]], {"size": [100, 200], "counts": counts}):
        second["segmentation"] = other
        with pytest.raises(ValueError, match=r"entry 1 .*segmentation lies beside its bbox \[10"):
            read_coco(write(content))


def image(**values):
    return lambda content: content["images"][1].update(values)


def annotation(**values):
    return lambda content: content["annotations"][1].update(values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["images"][1].pop("id"), "images, entry 1 .*'id' is missing"),
        (lambda c: c["images"].append(3), "images, entry 2 .*must be an object"),
        (image(id=1), r"image id 1 stands there more than once: .* 0 and 1 \(from 0\)"),
        (image(id="2"), "the image ids must be all numbers or all texts"),
        (image(id=NAN), "images, entry 1 .*id must be a number or a string"),
        (image(file_name=3), "images, entry 1 .*file_name must be the name of a file, got 3"),
        (image(file_name=" "), "images, entry 1 .*file_name must be the name of a file"),
        (image(height="100"), "images, entry 1 .*height must be a whole number above 0"),
        (image(width=0), "images, entry 1 .*width must be a whole number above 0"),
        (image(width=99.5), "images, entry 1 .*width must be a whole number above 0"),
        (image(patient_id=[1]), "images, entry 1 .*patient_id must be a text or a number"),
        (image(bits=17), "images, entry 1 .*bits must be a whole number from 1 to 16, got 17"),
        (image(bits="12"), "images, entry 1 .*bits must be a whole number"),
        (image(bits=12.5), "images, entry 1 .*bits must be a whole number"),
        (image(mm_per_pixel=0), "images, entry 1 .*mm_per_pixel must be a number above 0"),
        (annotation(image_id=9), "annotations, entry 1 .*image_id 9 is not in the ground truth$"),
        (annotation(image_id="2"), r"image_id '2' is not in .*, where it is 2 \(a number\)"),
        (annotation(id=1), "annotation id 1 stands there more than once"),
        (annotation(bbox=[1, 2, 3]), "annotations, entry 1 .*bbox must be 4 finite numbers"),
        (annotation(bbox=[NAN] * 4), "annotations, entry 1 .*bbox must be 4 finite numbers"),
        (annotation(bbox=[1, 2, 0, 4]), "annotations, entry 1 .*must be above 0"),
        # The image is 200 wide and 100 high: each touches its border from outside.
        (annotation(bbox=[200, 2, 5, 5]), r"entry 1 .*outside of its image of \(100, 200\)"),
        (annotation(bbox=[2, 100, 5, 5]), "entry 1 .*outside of its image"),
        (annotation(bbox=[-5, 2, 5, 5]), "entry 1 .*outside of its image"),
        (annotation(category_id=5), r"category_id 5 is not in .*, which has 1 \(number\)"),
        (annotation(category_id="1"), r"category_id '1' is not in .*, which has 1 \(number\)"),
        (annotation(iscrowd="False"), "annotations, entry 1 .*iscrowd must be 0 or 1"),
        (annotation(area=NAN), "annotations, entry 1 .*area must be a number from 0 on"),
        (annotation(ignore=1), "annotations, entry 1 .*ignore is not read: .*iscrowd 1"),
        (annotation(lesion_id={}), "annotations, entry 1 .*lesion_id must be a text"),
        (annotation(segmentation=[1, 2, 3, 4, 5, 6]), "entry 1 .*must be a list of polygons"),
        (annotation(segmentation={"size": [50, 100], "counts": "a"}), "entry 1 .*its mask is lost"),
        (lambda c: c["categories"].append({"id": "2"}), "the category ids must be all numbers"),
        (lambda c: c["categories"].append({"id": 1}), "category id 1 stands there more than once"),
        (lambda c: c["categories"].append({"id": [1]}), "categories, entry 1 .*id must be"),
        (lambda c: c["categories"].append({"id": 2, "name": 2}), "entry 1 .*name must be a text"),
        (lambda c: c.update(context_images=3), "context_images must be a list, got 3"),
        (lambda c: c.update(context_images=["a"]), "context_images, entry 0 .*must be an object"),
    ],
)
def test_what_is_refused(content, write, change, message):
    change(content)
    with pytest.raises(ValueError, match=rf"train\.json: .*{message}"):
        read_coco(write(content))


def test_keys_that_have_to_be_there(content, write):
    content["annotations"][1]["iscrowd"] = None
    content["images"][1].pop("height")
    coco = read_coco(write(content))
    require_keys(coco, "annotations", ("area",), "why")
    with pytest.raises(ValueError, match=r"annotations, entry 1 .*annotation 2 has no iscrowd.*wh"):
        require_keys(coco, "annotations", ("area", "iscrowd"), "why")
    with pytest.raises(ValueError, match=r"images, entry 1 .*image 2\.png has no height"):
        require_keys(coco, "images", ("height", "width"), "why")


def test_boxes_that_leave_their_image_are_counted(content, write, caplog):
    content["annotations"][0]["bbox"] = [190, 90, 11, 11]  # one pixel over: not worth a word
    with caplog.at_level(logging.WARNING):
        read_coco(write(content))
    assert caplog.text == ""
    content["annotations"][0]["bbox"] = [150, 20, 160, 40]
    with caplog.at_level(logging.WARNING):
        read_coco(write(content))
    assert "1 of 2 boxes reach out of their image" in caplog.text
    assert "look like" not in caplog.text  # the other one, 10, 20, 10, 20, cannot be
    content["annotations"][1]["bbox"] = [10, 20, 30, 50]
    with caplog.at_level(logging.WARNING):
        read_coco(write(content))
    assert "these look like x0, y0, x1, y1" in caplog.text


def test_polygons_that_are_left_out_are_counted(content, write, caplog):
    content["annotations"][0]["segmentation"] = [[1, 2, 3, 4], [10, 20, 20, 20, 20, 40]]
    content["annotations"][1]["segmentation"] = [[10, 20, 20, 20, 20, 40]]
    with caplog.at_level(logging.WARNING):
        coco = read_coco(write(content))
    assert coco.annotations[0]["segmentation"] == [[10, 20, 20, 20, 20, 40]]
    assert "1 masks have polygons of fewer than three points" in caplog.text
