"""datasets/prepare_cbis_ddsm_coco.py on a made-up release: corrections by hand."""

import json
import re
import sys
from pathlib import Path

import cv2
import joblib
import numpy as np
import pytest

from agn_d2.evaluation.coco_results import read_ground_truth
from agn_d2.evaluation.groups import image_groups
from agn_d2.landmarks import read_landmarks
from agn_d2.prepare import open_files
from agn_d2.prepare.cbis_ddsm import image_800

from ...programs import load_program
from ..helpers import another_process_holds

TOOL = Path(__file__).parents[3] / "datasets" / "prepare_cbis_ddsm_coco.py"
HEADER = "patient,breast,view,split,file,n_mass_boxes,original_width,original_height,annotation"


@pytest.fixture
def main():
    return load_program(TOOL).main


@pytest.fixture
def release(tmp_path):
    """A release of two training images: half an ellipse, chest wall at the left, one box each."""
    folder = tmp_path / "mass_800px"
    names = ["1_LEFT_CC.jpg", "1_LEFT_MLO.jpg"]
    y, x = np.mgrid[0:200, 0:200]
    breast = (x / 110) ** 2 + ((y - 100) / 80) ** 2 < 1
    rows = [HEADER]
    for split in ("train", "test"):
        (folder / split).mkdir(parents=True)
        chosen = names if split == "train" else []
        boxes = [{"image_id": k, "bbox": [40, 90, 20, 20]} for k in range(len(chosen))]
        content = {
            "images": [
                {"id": k, "file_name": n, "height": 200, "width": 200} for k, n in enumerate(chosen)
            ],
            "annotations": boxes,
        }
        (folder / split / "_annotations.coco.json").write_text(json.dumps(content))
    for name in names:
        cv2.imwrite(str(folder / "train" / name), np.where(breast, 150, 0).astype(np.uint8))
        view = name[:-4].rpartition("_")[2]
        rows.append(f"P_1,LEFT,{view},train,train/{name},1,200,200,box only")
    (folder / "views.csv").write_text("\n".join(rows) + "\n")
    return folder


def run(main, monkeypatch, release, output, *options):
    arguments = ["--source", release, "--output", output, "--val-share", 0, "--workers", 1]
    monkeypatch.setattr(sys, "argv", [str(TOOL), *map(str, arguments), *map(str, options)])
    return main()


def prepare(main, monkeypatch, release, output, *options):
    assert run(main, monkeypatch, release, output, *options) == 0
    return read_landmarks(output / "annotations" / "landmarks.json")


def test_corrections_change_the_landmarks_and_the_prior_but_not_the_crop(
    main, monkeypatch, release, tmp_path, capsys
):
    before = prepare(main, monkeypatch, release, tmp_path / "before")
    cc = next(name for name in before if "CC" in name)
    notes = tmp_path / "notes.csv"
    notes.write_text(f"file_name,nipple_x,nipple_y\n{cc},60,30\ngone.png,1,1\n")
    output = tmp_path / "after"
    after = prepare(main, monkeypatch, release, output, "--corrections", notes)
    assert "no such image: gone.png" in capsys.readouterr().err
    assert after[cc].nipple.tolist() == [60, 30]
    assert after[cc].status == "nipple: by hand"
    assert after[cc].image_size == before[cc].image_size
    (other,) = set(before) - {cc}
    assert after[other].to_dict() == before[other].to_dict()
    crops, priors = [], []
    for folder in (tmp_path / "before", output):
        images = json.loads((folder / "annotations" / "train.json").read_text())["images"]
        crops.append([image["crop"] for image in images])
        priors.append((folder / "annotations" / "prior_22_26.json").read_text())
    assert crops[0] == crops[1]
    assert priors[0] != priors[1]  # the mass now lies at another node


def test_the_method_changes_the_landmarks_but_not_the_images(main, monkeypatch, release, tmp_path):
    ours = prepare(main, monkeypatch, release, tmp_path / "ours")
    folder = tmp_path / "thesis"
    thesis = prepare(main, monkeypatch, release, folder, "--method", "thesis")
    images = json.loads((folder / "annotations" / "train.json").read_text())
    assert images == json.loads((tmp_path / "ours" / "annotations" / "train.json").read_text())
    for name, found in thesis.items():
        pictures = [cv2.imread(str(f / "images" / name)) for f in (tmp_path / "ours", folder)]
        np.testing.assert_array_equal(*pictures)
        assert found.image_size == ours[name].image_size == pictures[0].shape[:2]
        assert not np.array_equal(found.contour, ours[name].contour)
        # Half an ellipse of 110 x 80 px around (0, 100) of the uncut film.
        image = next(i for i in images["images"] if i["file_name"] == name)
        uncut = found.contour + image["crop"][:2]
        off = np.hypot(uncut[:, 0] / 110, (uncut[:, 1] - 100) / 80) - 1
        assert np.median(np.abs(off)) < 0.03


@pytest.mark.parametrize(
    ("text", "message"),
    [("file_name,nipple\n", "unknown column 'nipple'"), ("", "no column file_name")],
)
def test_bad_corrections_stop_it_before_it_writes(
    main, monkeypatch, release, tmp_path, capsys, text, message
):
    notes = tmp_path / "notes.csv"
    notes.write_text(text)
    assert run(main, monkeypatch, release, tmp_path / "out", "--corrections", notes) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


CSV_HEADER = (
    "patient_id,breast_density,left or right breast,image view,abnormality id,abnormality type,"
    "mass shape,mass margins,assessment,pathology,subtlety,image file path,"
    "cropped image file path,ROI mask file path"
)


def write_csvs(folder, rows):
    """The CSVs of the mass subset; rows of (patient, density, view, abnormality)."""
    folder.mkdir()
    lines = [
        f"{patient},{density},LEFT,{view},{number},mass,OVAL,N/A,4,BENIGN,3,"
        f"{patient}{view}/s/i/0.dcm,a/b/c/0.dcm,a/b/c/1.dcm"
        for patient, density, view, number in rows
    ]
    for split, chosen in (("train", lines), ("test", ["P_9,1" + lines[0].partition("P_1,3")[2]])):
        text = "\n".join([CSV_HEADER, *chosen]) + "\n"
        (folder / f"mass_case_description_{split}_set.csv").write_text(text)


def test_densities_are_added_and_nothing_else_changes(main, monkeypatch, release, tmp_path, capsys):
    # The rows of the MLO film disagree: none is taken.
    rows = [("P_1", 3, "CC", 1), ("P_1", 3, "CC", 2), ("P_1", 2, "MLO", 1), ("P_1", 4, "MLO", 2)]
    write_csvs(tmp_path / "csv", rows)
    prepare(main, monkeypatch, release, tmp_path / "without")
    prepare(main, monkeypatch, release, tmp_path / "with", "--csv", tmp_path / "csv")
    assert "breast density of 1 of 2 images" in capsys.readouterr().out
    path = Path("annotations") / "train.json"
    before = json.loads((tmp_path / "without" / path).read_text())
    after = json.loads((tmp_path / "with" / path).read_text())
    assert all("breast_density" not in image for image in before["images"])
    assert {i["view"]: i.pop("breast_density") for i in after["images"]} == {"CC": 3, "MLO": None}
    assert json.dumps(after) == json.dumps(before)
    groups = image_groups(read_ground_truth(tmp_path / "with" / path), "density")
    assert {name: group.sum() for name, group in groups.items()} == {"3": 1, "not stated": 1}


def test_missing_csvs_stop_it_before_it_writes(main, monkeypatch, release, tmp_path, capsys):
    assert run(main, monkeypatch, release, tmp_path / "out", "--csv", tmp_path) == 2
    assert "mass_case_description_train_set.csv" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def add_image(release, patient, data):
    """A third training image with a box."""
    name = f"{patient}_LEFT_CC.jpg"
    (release / "train" / name).write_bytes(data)
    with (release / "views.csv").open("a") as file:
        file.write(f"P_{patient},LEFT,CC,train,train/{name},1,200,200,box only\n")
    path = release / "train" / "_annotations.coco.json"
    content = json.loads(path.read_text())
    content["images"].append({"id": 9, "file_name": name})
    content["annotations"].append({"image_id": 9, "bbox": [40, 90, 20, 20]})
    path.write_text(json.dumps(content))


def split_of(folder, split="train"):
    return json.loads((folder / "annotations" / f"{split}.json").read_text())


@pytest.mark.parametrize("workers", [1, 2])
def test_a_cut_off_image_is_left_out_and_named(
    main, monkeypatch, release, tmp_path, capsys, workers
):
    whole = (release / "train" / "1_LEFT_CC.jpg").read_bytes()
    add_image(release, 2, whole[: len(whole) // 2])
    out = tmp_path / "out"
    with joblib.parallel_config(backend="threading"):
        assert run(main, monkeypatch, release, out, "--workers", workers) == 1
    assert "2_LEFT_CC.jpg cannot be read" in capsys.readouterr().err.splitlines()[-1]
    assert [i["patient_id"] for i in split_of(out)["images"]] == ["P_1", "P_1"]
    assert sorted(p.name for p in (out / "images").iterdir()) == ["1_LEFT_CC.png", "1_LEFT_MLO.png"]


@pytest.mark.parametrize(("times", "status"), [(2, 0), (100, 1)])
def test_an_image_that_cannot_be_read_now_is_tried_again(
    main, monkeypatch, release, tmp_path, capsys, times, status
):
    add_image(release, 2, (release / "train" / "1_LEFT_CC.jpg").read_bytes())
    failures = []

    def fails(path):
        if path.name == "2_LEFT_CC.jpg" and len(failures) < times:
            failures.append(path)
            raise OSError(116, "Stale file handle", str(path))
        return real(path)

    real = image_800.read_gray
    monkeypatch.setattr(image_800, "read_gray", fails)
    monkeypatch.setattr(open_files, "PAUSES", (0.0, 0.0))
    assert run(main, monkeypatch, release, tmp_path / "out") == status
    images = split_of(tmp_path / "out")["images"]
    assert [i["patient_id"] for i in images] == (
        ["P_1", "P_1", "P_2"] if status == 0 else ["P_1"] * 2
    )
    if status:
        first, last = capsys.readouterr().err.splitlines()[-2:]
        assert first.startswith("left out: ") and first.endswith("2_LEFT_CC.jpg: Stale file handle")
        assert "1 images cannot be read now; run it again" in last


def test_a_release_without_a_readable_image_writes_no_annotations(
    main, monkeypatch, release, tmp_path, capsys
):
    for path in (release / "train").glob("*.jpg"):
        path.write_bytes(b"")
    assert run(main, monkeypatch, release, tmp_path / "out") == 2
    assert "no image can be read: " in capsys.readouterr().err
    assert not (tmp_path / "out" / "annotations" / "train.json").exists()


def test_an_image_whose_mass_lies_outside_of_the_crop_is_left_out_and_named(
    main, monkeypatch, release, tmp_path, capsys
):
    """The breast ends at x = 110; training refuses a file with a box outside of its image."""
    path = release / "train" / "_annotations.coco.json"
    content = json.loads(path.read_text())
    content["annotations"][0]["bbox"] = [180, 2, 10, 10]
    path.write_text(json.dumps(content))
    output = tmp_path / "out"
    assert run(main, monkeypatch, release, output) == 1
    assert "1_LEFT_CC.jpg: a mass is lost, as it lies outside of the" in capsys.readouterr().err
    truth = read_ground_truth(output / "annotations" / "train.json")
    assert [image.file_name for image in truth.images] == ["1_LEFT_MLO.png"]
    assert run(main, monkeypatch, release, output, "--no-crop") == 0


def test_what_another_run_or_program_writes_is_not_written_over(
    main, monkeypatch, release, tmp_path, capsys
):
    output = tmp_path / "out"
    with another_process_holds(output / ".preparation.lock") as process:
        assert run(main, monkeypatch, release, output) == 2
        assert re.search(rf"at work in .*out .*{process.pid}", capsys.readouterr().err)
        assert not list((output / "annotations").iterdir())
    assert run(main, monkeypatch, release, output) == 0
    (output / "work").mkdir()
    assert run(main, monkeypatch, release, output) == 2
    assert "made by datasets/prepare.py" in capsys.readouterr().err
