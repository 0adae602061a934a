"""The whole preparation on a download with planted faults."""

import csv
import json
import shutil

import cv2
import numpy as np
import pydicom
import pytest
from pycocotools import mask as coco_mask

from agn_d2.data.cases import group_cases
from agn_d2.data.multi_view_coco import load_multi_view_coco
from agn_d2.evaluation.coco_results import read_ground_truth
from agn_d2.evaluation.groups import image_groups, lesion_sizes
from agn_d2.images import read_gray
from agn_d2.phantom.cbis_fixture.build import phantom_film
from agn_d2.phantom.cbis_fixture.faults import EXPECTED, FILM_FAULTS
from agn_d2.prepare.cbis_ddsm.release import ReleaseOptions, prepare_release
from agn_d2.prepare.core_film import FilmOptions
from agn_d2.prepare.frames import boxes_from_film, boxes_to_film


def options(folder, out, **changes):
    return ReleaseOptions(folder / "download", folder / "csv", out, **changes)


def iou(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    inter = max(width, 0) * max(height, 0)
    return inter / (sum((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)) - inter)


@pytest.fixture(scope="module")
def prepared(fixture, tmp_path_factory):
    """(folder of the prepared data set, result, manifest)."""
    folder, manifest = fixture
    out = tmp_path_factory.mktemp("prepared") / "cbis_ddsm"
    return out, prepare_release(options(folder, out)), manifest


def planted(prepared):
    """(film, finding, record of the film, record of the finding) of every examined finding."""
    out, _, manifest = prepared
    for film in manifest["films"]:
        path = out / "work" / "records" / f"{film['name']}.json"
        record = json.loads(path.read_text())["record"] if path.is_file() else None
        if record is None or not record["findings"]:
            continue
        for truth, found in zip(film["findings"], record["findings"], strict=True):
            yield film, truth, record, found


def test_every_planted_fault_is_handled_as_stated(prepared):
    seen = set()
    for film, truth, record, found in planted(prepared):
        seen |= {film["fault"], truth["fault"]}
        name = (film["name"], film["fault"], truth["fault"])
        assert found["method"] == truth["method"], name
        if truth["method"] == "lost":
            assert found["annotation"] is None
            continue
        x, y, width, height = found["annotation"]["bbox"]
        (box,) = boxes_to_film(np.array([[x, y, x + width, y + height]]), record["entry"])
        assert iou(box, truth["box"]) >= 0.95, name
        rle = found["annotation"]["segmentation"]
        assert rle["size"] == [record["entry"]["height"], record["entry"]["width"]]
        assert coco_mask.toBbox(rle).tolist() == pytest.approx([x, y, width, height])
    assert seen == {*EXPECTED, *FILM_FAULTS}


def test_faults_are_named_where_they_were_seen(prepared):
    kinds = {
        "roles swapped": "role by content",
        "mask truncated": "file unreadable",
        "mask is garbage": "file unreadable",
        "mask blank": "blank file",
        "mask twice": "duplicate file",
        "crop twice": "duplicate file",
        "mask inverted": "mask cleaned",
        "mask with specks": "mask cleaned",
        "second mask of another size": "second mask",
        "crop missing": "no crop",
        "both missing": "files missing",
        "empty folder": "files missing",
        "mask missing": "mask recovered",
        "mask smaller, same aspect": "mask of another size",
        "mask of another aspect": "mask of another size",
    }
    films = {
        "MONOCHROME1": "film converted",
        "negative slope": "film converted",
        "12 bits": "film bit depth",
        "film twice": "second film file",
        "film missing": "film missing",
        "film truncated": "film unreadable",
        "film blank": "film unreadable",
    }
    for film, truth, record, found in planted(prepared):
        if truth["fault"] in kinds:
            assert kinds[truth["fault"]] in {note["kind"] for note in found["notes"]}
        if film["fault"] in films:
            assert films[film["fault"]] in {note["kind"] for note in record["notes"]}
        if film["fault"] is None and truth["fault"] is None:
            assert not found["notes"] and found["confidence"] > 0.99


def test_sixteen_bits_arrive_whatever_the_coding(prepared):
    out, _, manifest = prepared
    seen = set()
    for number, film in enumerate(manifest["films"]):
        path = out / "images" / f"{film['name']}.png"
        if film["fault"] not in ("MONOCHROME1", "12 bits", "negative slope") or not path.is_file():
            continue
        seen.add(film["fault"])
        record = json.loads((out / "work" / "records" / f"{film['name']}.json").read_text())
        entry = record["record"]["entry"]
        truth = phantom_film(entry["view"], entry["laterality"], manifest["height"], number)
        x0, y0, x1, y1 = entry["crop"]
        shift = 4 if film["fault"] == "12 bits" else 0
        same = (read_gray(path) >> shift) == (truth[y0:y1, x0:x1] >> shift)
        # The rest is what cleaning filled, and the lesions that the fixture painted.
        assert same.mean() > 0.4
        assert entry["frame_size"] == film["size"]
    assert seen == {"MONOCHROME1", "12 bits", "negative slope"}


def test_the_summary_accounts_for_everything(prepared, fixture):
    out, result, manifest = prepared
    summary = result.summary
    mass = [f for f in manifest["films"] if f["name"].startswith("Mass")]
    gone = [f for f in mass if f["fault"] in ("film missing", "film truncated", "film blank")]
    aside = [f for f in mass if f not in gone and any(t["method"] == "lost" for t in f["findings"])]
    assert (len(mass), len(gone), len(aside)) == (22, 3, 3)
    assert summary["films examined"] == 22 - 3
    assert summary["films that are context only, as a finding is lost"] == 3
    assert summary["findings"] == sum(len(f["findings"]) for f in mass) == 33
    lost = [t for f in mass for t in f["findings"] if t["method"] == "lost"]
    assert summary["findings lost"] == len(lost)
    assert sum(summary["findings by source of the mask"].values()) == 33
    unused = sum(t["method"] != "lost" for f in aside for t in f["findings"])
    assert summary["findings of such films that are not lost"] == unused == 2
    lesions = sum(s["lesions"] for s in summary["splits"].values())
    assert summary["findings lost"] + unused + lesions == 33
    images = sum(s["images"] for s in summary["splits"].values())
    assert images == 22 - 3 - summary["films lost"]
    assert summary["files"]["unknown"] == 1
    downloaded = len(list((fixture[0] / "download").rglob("*.dcm")))
    sorted_in = [summary["files"][key] for key in ("by header", "by folder", "unknown")]
    assert sum(sorted_in) == downloaded
    with (out / "report" / "decisions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert sum(row["decision"] == "finding" for row in rows) == 33
    assert {row["film"] for row in rows} >= {f["name"] for f in mass}
    set_aside = {row["film"]: row for row in rows if row["decision"] == "context only"}
    assert set(set_aside) == {f["name"] for f in aside}
    assert all(row["detail"].startswith("a finding is lost: ") for row in set_aside.values())
    assert sum(row["decision"] == "left out" for row in rows) == 4
    assert any("would leak" in row["detail"] for row in rows)
    assert [p.suffix for p in sorted((out / "report").glob("repaired_*"))] == [".jpg"]
    assert json.loads((out / "report" / "summary.json").read_text()) == summary


def test_the_loaders_take_it(prepared):
    out, result, _ = prepared
    annotations = out / "annotations"
    context = 0
    for split in ("train", "val", "test"):
        dicts = load_multi_view_coco(
            annotations / f"{split}.json", out / "images", None, annotations / "landmarks.json"
        )
        cases = group_cases(dicts)
        context += sum(len(case) - len(case.examined) for case in cases)
        for image in (image for case in cases for image in case.images):
            assert read_gray(image["file_name"]).shape == (image["height"], image["width"])
            assert image["landmarks"].image_size == (image["height"], image["width"])
    assert context == 2 + 3  # borrowed from the calcifications, and set aside for a lost finding
    assert (annotations / "prior_22_26.json").is_file()
    files = [json.loads((annotations / f"{s}.json").read_text()) for s in ("train", "val")]
    lesions = [annotation for content in files for annotation in content["annotations"]]
    assert all(a["pathology"] == "MALIGNANT" and a["assessment"] == 4 for a in lesions)
    assert {a["mass_shape"] for a in lesions} == {"OVAL", "ROUND"}
    rules = {a["lesion_match"] for a in lesions}
    assert rules <= {"same facts", "unsure", "one view", "only lesion"}


def test_orientation_on_request_mirrors_image_boxes_masks_and_landmarks(small_fixture, tmp_path):
    plain = prepare_release(options(small_fixture, tmp_path / "a", val_share=0.0))
    turned = prepare_release(
        options(small_fixture, tmp_path / "b", val_share=0.0, film=FilmOptions(orientation="right"))
    )
    assert plain.summary["films examined"] == turned.summary["films examined"] == 5
    mirrored = 0
    for split in ("train", "test"):
        a, b = (
            json.loads((tmp_path / n / "annotations" / f"{split}.json").read_text()) for n in "ab"
        )
        landmarks = json.loads((tmp_path / "b" / "annotations" / "landmarks.json").read_text())
        for i, j in zip(a["images"], b["images"], strict=True):
            assert landmarks[j["file_name"]]["chest_wall"] == "right"
            assert j["mirrored"] == (i["chest_wall_as_released"] == "left")
            mirrored += j["mirrored"]
            one, two = (read_gray(tmp_path / n / "images" / i["file_name"]) for n in "ab")
            assert np.array_equal(one[:, ::-1] if j["mirrored"] else one, two)
        for i, j in zip(a["annotations"], b["annotations"], strict=True):
            x, y, width, height = i["bbox"]
            p, q = a["images"][i["image_id"] - 1], b["images"][j["image_id"] - 1]
            corners = [np.array([[x, y, x + width, y + height]])]
            x, y, width, height = j["bbox"]
            corners.append(np.array([[x, y, x + width, y + height]]))
            on_film = boxes_to_film(corners[0], p)
            assert np.array_equal(on_film, boxes_to_film(corners[1], q))
            assert np.array_equal(boxes_from_film(on_film, q), corners[1])
            window = coco_mask.decode(j["segmentation"])
            assert np.array_equal(
                coco_mask.decode(i["segmentation"]), window[:, ::-1] if q["mirrored"] else window
            )
    assert mirrored


def test_without_crop_and_cleaning_the_film_is_untouched(small_fixture, tmp_path):
    plain = FilmOptions(crop=False, clean=False)
    prepare_release(options(small_fixture, tmp_path, film=plain))
    manifest = json.loads((small_fixture / "manifest.json").read_text())
    film = manifest["films"][0]
    image = read_gray(tmp_path / "images" / f"{film['name']}.png")
    truth = phantom_film("CC", "L", manifest["height"], 0)
    x0, y0, x1, y1 = film["findings"][0]["box"]
    outside = np.ones(truth.shape, dtype=bool)
    outside[y0:y1, x0:x1] = False
    assert np.array_equal(image[outside], truth[outside])


def test_ddsm_pictures_stand_in_for_missing_views(small_fixture, tmp_path):
    ddsm = tmp_path / "ddsm" / "cases" / "case1"
    ddsm.mkdir(parents=True)
    picture = phantom_film("CC", "R", 320, 3)
    assert cv2.imwrite(str(ddsm / "A_1_1.RIGHT_CC.png"), picture)
    table = tmp_path / "table.csv"
    rows = "cases/case1/A_1_1.LEFT_CC.png,315.2"
    table.write_text(
        "cbis_image,ddsm_case_path,difference\n"
        f"Mass-Training_P_00000_LEFT_CC,{rows}\n"
        f"Mass-Training_P_00001_LEFT_CC,{rows[:-5]}9000\n"
    )
    out = tmp_path / "out"
    result = prepare_release(
        options(small_fixture, out, val_share=0.0, ddsm=tmp_path / "ddsm", ddsm_table=table)
    )
    train = json.loads((out / "annotations" / "train.json").read_text())
    (view,) = train["context_images"]
    assert (view["source"], view["patient_id"], view["laterality"]) == ("ddsm", "P_00000", "R")
    assert (out / "images" / view["file_name"]).is_file()
    assert result.summary["splits"]["train"]["links"]["both"] == 1
    text = (out / "report" / "decisions.csv").read_text()
    assert "RIGHT_CC: doubtful match: difference 9000" in text
    # The right MLO of the three patients; P_00002 has its left CC among the calcifications.
    assert result.summary["views not taken from DDSM"] == {
        "doubtful match": 1,
        "not in the table": 3,
    }
    assert "RIGHT_MLO: not in the table" in text


def test_ddsm_pictures_that_come_later_are_taken_by_the_next_run(small_fixture, tmp_path):
    cases = tmp_path / "ddsm" / "cases"
    cases.mkdir(parents=True)
    table = tmp_path / "table.csv"
    row = "Mass-Training_P_00000_LEFT_CC,cases/A_1_1.LEFT_CC.png,315.2"
    table.write_text(f"cbis_image,ddsm_case_path,difference\n{row}\n")
    given = {"ddsm": tmp_path / "ddsm", "ddsm_table": table, "val_share": 0.0}
    given = options(small_fixture, tmp_path / "out", **given)
    before = prepare_release(given)
    assert before.summary["views not taken from DDSM"]["no file"] == 1
    assert prepare_release(given).prepared == 0
    assert cv2.imwrite(str(cases / "A_1_1.RIGHT_CC.png"), phantom_film("CC", "R", 320, 3))
    after = prepare_release(given)
    assert after.prepared == 1
    assert "no file" not in after.summary["views not taken from DDSM"]
    assert after.summary["splits"]["train"]["context images"] == 1


def test_the_other_subsets(small_fixture, tmp_path, caplog):
    out = tmp_path / "out"
    calc = prepare_release(options(small_fixture, out, subset="calc", val_share=0.0)).summary
    assert (calc["films examined"], calc["splits"]["test"]["context images"]) == (2, 1)
    test = json.loads((out / "annotations" / "test.json").read_text())
    assert [c["name"] for c in test["categories"]] == ["calcification"]
    assert [a["category_id"] for a in test["annotations"]] == [1]
    assert test["annotations"][0]["calc_type"] == "OVAL"
    both = prepare_release(options(small_fixture, out, subset="all", val_share=0.0)).summary
    assert both["films examined"] == 7
    assert both["findings on films of the subset left out"] == 0
    test = json.loads((out / "annotations" / "test.json").read_text())
    assert [c["name"] for c in test["categories"]] == ["mass", "calcification"]
    assert sorted(a["category_id"] for a in test["annotations"]) == [1, 2]
    assert "that this run does not use" not in caplog.text
    prepare_release(options(small_fixture, out, val_share=0.0))
    assert "1 images that this run does not use" in caplog.text


def test_density_and_millimeters_reach_the_comparison(small_fixture, tmp_path):
    download = tmp_path / "download"
    shutil.copytree(small_fixture / "download", download)
    for path in sorted(download.rglob("*.dcm")):
        data = pydicom.dcmread(path)
        data.PixelSpacing = [0.05, 0.05]
        data.save_as(path)
    contents = []
    for root, out in ((small_fixture / "download", "without"), (download, "with")):
        prepare_release(ReleaseOptions(root, small_fixture / "csv", tmp_path / out, val_share=0.0))
        contents.append(json.loads((tmp_path / out / "annotations" / "train.json").read_text()))
    without, content = contents
    assert all("mm_per_pixel" not in image for image in without["images"])
    assert [image.pop("mm_per_pixel") for image in content["images"]] == [0.05] * 4
    assert content["images"] == without["images"]
    assert content["annotations"] == without["annotations"]

    truth = read_ground_truth(tmp_path / "with" / "annotations" / "train.json")
    assert {name: list(group) for name, group in image_groups(truth, "density").items()} == {
        "2": [True] * 4  # as in each row of the CSV
    }
    sizes, unit = lesion_sizes(truth)
    boxes = np.array([a["bbox"] for a in content["annotations"]])
    assert unit == "mm"
    np.testing.assert_allclose(sizes, 0.05 * np.sqrt(boxes[:, 2] * boxes[:, 3]))
