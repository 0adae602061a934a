"""Reading of COCO files: what is read, and what is refused with which message."""

import numpy as np
import pytest

from agn_d2.evaluation.coco_results import ImageFacts, read_detections, read_ground_truth
from agn_d2.evaluation.records import by_image


def test_ground_truth(coco_gt, write):
    coco_gt["annotations"][3]["iscrowd"] = 1
    coco_gt["images"][3].pop("patient_id")
    truth = read_ground_truth(write("gt.json", coco_gt))
    assert truth.image_ids == (10, 11, 12, 13)
    assert truth.image_index == {10: 0, 11: 1, 12: 2, 13: 3}
    assert truth.patients == ("p1", "p1", "p2", None)
    assert truth.lesions.num_images == 4
    assert truth.lesions.images.tolist() == [0, 1, 1, 3]
    assert truth.lesions.boxes[2].tolist() == [50, 50, 70, 70]
    assert truth.lesions.ignored.tolist() == [False, False, False, True]


def test_detections(coco_gt, coco_dt, write):
    coco_dt[1]["bbox"] = [1.5, 2, 0, 4]  # no width: allowed, it hits nothing
    for entry in coco_dt[:2]:
        entry.pop("category_id")
    detections = read_detections(
        write("dt.json", coco_dt), read_ground_truth(write("gt.json", coco_gt))
    )
    assert detections.images.tolist() == [0, 1, 2, 1, 1, 0]
    assert detections.scores.tolist() == [0.8, 0.5, 0.7, 0.6, 0.8, 0.9]
    assert detections.boxes[1].tolist() == [1.5, 2, 1.5, 6]


def test_boxes_outside_of_their_image_are_counted(coco_gt, coco_dt, write, caplog):
    for image in coco_gt["images"]:
        image |= {"height": 100, "width": 90}
    del coco_gt["images"][2]["height"]  # image 12: its size is not known
    truth = read_ground_truth(write("gt.json", coco_gt))
    read_detections(write("dt.json", coco_dt), truth)
    # At the border, and reaching out: detectors make such boxes.
    for entry, box in zip(coco_dt, ([90, 0, 0, 5], [-5, 90, 9, 20], [500, 0, 5, 5]), strict=False):
        entry["bbox"] = box
    read_detections(write("dt.json", coco_dt), truth)
    assert not caplog.records
    coco_dt[2]["bbox"] = [-50, 0, 5, 5]
    for entry, box in zip(coco_dt[3:], ([91, 0, 5, 5], [0, -9, 5, 5], [0, 101, 5, 5]), strict=True):
        entry["bbox"] = box
    read_detections(write("dt.json", coco_dt), truth)
    assert "3 of 6 boxes lie outside of their image, the first is entry 3" in caplog.text
    assert "90 x 100 px (w x h)" in caplog.text


def test_facts_of_the_images(coco_gt, write):
    coco_gt["images"][0] |= {
        "case_id": "visit 2", "laterality": "L", "view": "CC", "density": 3, "mm_per_pixel": 0.5
    }  # fmt: skip
    coco_gt["images"][1] |= {"case_id": "p1", "breast_density": "4"}
    coco_gt["annotations"][1]["lesion_id"] = 5
    coco_gt["context_images"] = [{"file_name": "x.png", "patient_id": "p1", "view": "MLO"}]
    truth = read_ground_truth(write("gt.json", coco_gt))
    assert truth.images[0] == ImageFacts(
        file_name="a.png", size=(99, 99), patient="p1", case="p1/visit 2", laterality="L",
        view="CC", density="3", mm_per_pixel=0.5,
    )  # fmt: skip
    assert (truth.images[1].case, truth.images[1].density) == ("p1", "4")
    assert truth.images[2].mm_per_pixel is None
    assert truth.lesion_ids == (None, "5", None, None)
    assert truth.category_ids == {1}
    assert [image.view for image in truth.context_images] == ["MLO"]
    for spacing in (0, -1, "0.1"):
        coco_gt["images"][3]["mm_per_pixel"] = spacing
        with pytest.raises(ValueError, match="images, entry 3 .*mm_per_pixel must be"):
            read_ground_truth(write("gt.json", coco_gt))


def test_without_categories_none_is_asked_for(coco_gt, coco_dt, write):
    coco_gt.pop("categories")
    coco_dt[0]["category_id"] = 7
    truth = read_ground_truth(write("gt.json", coco_gt))
    assert len(read_detections(write("dt.json", coco_dt), truth).scores) == 6


def test_ids_may_be_strings(coco_gt, write):
    for image in coco_gt["images"]:
        image["id"] = f"case {image['id']}"
    coco_gt["annotations"] = []
    entry = {"image_id": "case 12", "bbox": [0, 0, 1, 1], "score": 1}
    truth = read_ground_truth(write("gt.json", coco_gt))
    assert read_detections(write("dt.json", [entry]), truth).images.tolist() == [2]


def test_empty_lists(coco_gt, write):
    truth = read_ground_truth(write("gt.json", coco_gt))
    assert read_detections(write("dt.json", []), truth).boxes.shape == (0, 4)
    truth = read_ground_truth(write("gt.json", {"images": [], "annotations": []}))
    assert truth.lesions.boxes.shape == (0, 4)


def put(key, value):
    return lambda entries: entries[2].update({key: value})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: e[2].pop("image_id"), r"entry 2 \(from 0\): the key 'image_id' is missing"),
        (lambda e: e[2].pop("bbox"), "entry 2 .*'bbox' is missing"),
        (lambda e: e[2].pop("score"), "entry 2 .*'score' is missing"),
        (lambda e: e.__setitem__(2, [1, 2]), "entry 2 .*must be an object"),
        (put("image_id", 99), "entry 2 .*image_id 99 is not in the ground truth"),
        (put("image_id", "12"), "entry 2 .*image_id '12' is not in"),
        (put("image_id", [12]), r"entry 2 .*image_id \[12\] is not in"),
        (put("score", float("nan")), "entry 2 .*score must be a finite number, got nan"),
        (put("score", float("inf")), "entry 2 .*score"),
        (put("score", 10**400), "entry 2 .*score"),
        (put("score", "0.5"), "entry 2 .*score"),
        (put("score", True), "entry 2 .*score"),
        (put("score", None), "entry 2 .*score"),
        (put("category_id", 7), "entry 2 .*category_id 7 is not in the ground truth, which has 1"),
        (put("category_id", 0), "entry 2 .*category_id 0 is not"),
        (put("category_id", [1]), r"entry 2 .*category_id \[1\] is not"),
        (put("bbox", [0, 0, -1, 5]), "entry 2 .*width and height .*must not be negative"),
        (put("bbox", [0, 0, 5, -1]), "entry 2 .*must not be negative"),
        (put("bbox", [0, 0, 5]), "entry 2 .*bbox must be 4 finite numbers"),
        (put("bbox", [0, 0, 5, float("nan")]), "entry 2 .*bbox must be 4 finite numbers"),
        (put("bbox", "0 0 5 5"), "entry 2 .*bbox must be 4 finite numbers"),
    ],
)
def test_bad_detection_is_named(coco_gt, coco_dt, write, change, message):
    truth = read_ground_truth(write("gt.json", coco_gt))
    change(coco_dt)
    with pytest.raises(ValueError, match=f"dt.json: {message}"):
        read_detections(write("dt.json", coco_dt), truth)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda gt: gt.pop("images"), "ground truth needs a list under the key 'images'"),
        (lambda gt: gt.pop("annotations"), "ground truth needs a list under the key 'annotations'"),
        (lambda gt: gt["images"][1].pop("id"), "images, entry 1 .*'id' is missing"),
        (lambda gt: gt["images"][1].update(id=None), "images, entry 1 .*id must be"),
        (lambda gt: gt["images"][1].update(id=10), "image id 10 stands there more than once"),
        (lambda gt: gt["annotations"][1].update(image_id=9), "annotations, entry 1 .*image_id 9"),
        (lambda gt: gt["annotations"][1].pop("bbox"), "annotations, entry 1 .*'bbox' is missing"),
        (
            lambda gt: gt["annotations"][1].update(bbox=[1, 1, 0, 1]),
            "annotations, entry 1 .*must be above 0",
        ),
    ],
)
def test_bad_ground_truth_is_named(coco_gt, write, change, message):
    change(coco_gt)
    with pytest.raises(ValueError, match=f"gt.json: {message}"):
        read_ground_truth(write("gt.json", coco_gt))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("image_id,score", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_not_json(coco_gt, write, content, message):
    with pytest.raises(ValueError, match=f"gt.json: {message}"):
        read_ground_truth(write("gt.json", content))


def test_no_file_and_a_folder(tmp_path):
    with pytest.raises(ValueError, match="absent.json: cannot be read: No such file"):
        read_ground_truth(tmp_path / "absent.json")
    with pytest.raises(ValueError, match="cannot be read: Is a directory"):
        read_ground_truth(tmp_path)


def test_files_in_each_other_s_place(coco_gt, coco_dt, write):
    gt, dt = write("gt.json", coco_gt), write("dt.json", coco_dt)
    with pytest.raises(ValueError, match="dt.json: ground truth must be a COCO object"):
        read_ground_truth(dt)
    with pytest.raises(ValueError, match="gt.json: predictions must be a list"):
        read_detections(gt, read_ground_truth(gt))


def test_detections_by_image():
    parts = by_image(np.array([2, 0, 2, 0, 3]), 5)
    assert [part.tolist() for part in parts] == [[1, 3], [], [0, 2], [4], []]
    assert [part.tolist() for part in by_image(np.zeros(0, int), 2)] == [[], []]
    assert by_image(np.zeros(0, int), 0) == []
