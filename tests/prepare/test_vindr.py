"""datasets/prepare.py vindr, from the download to a FROC row of the trainer."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from agn_d2.data.cases import count_links, group_cases
from agn_d2.prepare.vindr import read_vindr

from .helpers import ROOT, decisions_of, film_boxes, load, prepare, split_of, summary_of
from .vindr_fixture import CUT_OFF, MISSING, MONOCHROME1, build_vindr, image_id

TABLES = Path(os.environ.get("AGN_TEST_DATA", "")).parent / "tables"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """``<root>/vindr_mammo``, without a validation split."""
    folder = tmp_path_factory.mktemp("vindr")
    build_vindr(folder / "download")
    out = folder / "datasets" / "vindr_mammo"
    assert prepare("vindr", "--root", folder / "download", "--out", out, "--val-share", 0) == 0
    return out


def png(study, view):
    return f"{image_id(study, view)}.png"


def test_boxes(prepared):
    train, test = film_boxes(split_of(prepared, "train")), film_boxes(split_of(prepared, "test"))
    assert {name: boxes for name, boxes in train.items() if boxes} == {
        png("s0", "L CC"): [[30.25, 60.5, 60.75, 90.5]],
        png("s0", "L MLO"): [[25, 70, 50, 100]],
        # Of two categories one is a mass; over the edge of the film there is nothing.
        png("s1", "R CC"): [[0, 80, 30, 110]],
        png("s2", "L CC 2"): [[40, 0, 60, 90]],
    }
    assert len(train) == 12
    assert {name: boxes for name, boxes in test.items() if boxes} == {
        png("s3", "L CC"): [[50, 80, 150, 110]],
        png("s3", "L MLO"): [[10, 60, 30, 80], [10, 150, 30, 200]],
        png("s4", "R CC"): [[20, 80, 45, 110]],
    }
    # The mass without a box: its film serves others only. A missing and a damaged file are out.
    context = [image["file_name"] for image in split_of(prepared, "test")["context_images"]]
    assert context == [png("s3", "R MLO")]
    assert len(test) == 8 - 1 - 2


def test_facts(prepared):
    content = split_of(prepared, "train")
    image = next(i for i in content["images"] if i["file_name"] == png("s1", "R CC"))
    assert (image["patient_id"], image["laterality"], image["view"]) == ("s1", "R", "CC")
    assert (image["breast_density"], image["breast_birads"]) == (3, "2")
    assert image["mm_per_pixel"] == 0.085
    (lesion,) = (a for a in content["annotations"] if a["image_id"] == image["id"])
    assert lesion["finding_categories"] == ["Mass", "Suspicious Calcification"]
    assert lesion["finding_birads"] == "5"
    missing = [a["finding_birads"] for a in split_of(prepared, "test")["annotations"]]
    assert sorted(map(str, missing)) == ["3", "5", "None", "None"]


def test_monochrome1_is_turned(prepared):
    entry = next(
        image
        for image in split_of(prepared, "train")["images"]
        if image["file_name"] == png(*MONOCHROME1)
    )
    pixels = cv2.imread(str(prepared / "images" / entry["file_name"]), cv2.IMREAD_UNCHANGED)
    left, right = np.array_split(pixels, 2, axis=1)
    assert left.mean() > 1.5 * right.mean()


def test_links_and_lesions_seen_twice(prepared):
    # s2 has two L CC: both read R CC, neither an L MLO; R MLO reads R CC alone.
    assert count_links(group_cases(load(prepared, "train"))) == {
        "both": 9,
        "auxiliary only": 1,
        "contralateral only": 2,
        "neither": 0,
        "total": 12,
    }
    ids = Counter(a["lesion_id"] for a in split_of(prepared, "train")["annotations"])
    assert sorted(ids.values()) == [1, 1, 2]
    summary = summary_of(prepared)
    assert summary["priors, lesions seen in both views"]["prior_22_26.json"] == 1
    assert summary["lesion ids by rule"]["only lesion"] == 2


def test_account(prepared):
    summary = summary_of(prepared)
    assert summary["films in the tables"] == 20
    assert (summary["lesions"], summary["lesions used"]) == (9, 8)
    assert summary["films that are context only, as a lesion is lost"] == 1
    assert summary["left out"] == {"film unreadable": 2}
    # xmin, ymin, xmax, ymax
    assert summary["decisions"]["box clipped"] == 4
    assert summary["decisions"]["other finding"] == 2
    reasons = {row["film"]: row["detail"] for row in decisions_of(prepared)}
    assert "its file is not there" in reasons[image_id(*MISSING)]
    assert "film unreadable" in reasons[image_id(*CUT_OFF)]


def test_keep(prepared, tmp_path):
    root = prepared.parents[1] / "download"
    assert prepare("vindr", "--root", root, "--out", tmp_path / "out", "--keep") == 0
    assert film_boxes(split_of(tmp_path / "out", "test"))[png("s3", "R MLO")] == []


def test_other_findings_become_the_class(prepared):
    root = prepared.parents[1] / "download"
    source = read_vindr(root, findings=["Suspicious Calcification", "Skin Thickening"])
    assert source.category == "lesion"
    boxes = {film.name: [x.box for x in film.lesions] for film in source.films if film.lesions}
    assert boxes == {
        image_id("s1", "L CC"): [(20, 70, 40, 90)],
        image_id("s1", "R CC"): [(-4.5, 80, 30, 110), (1, 90, 30, 120)],
    }


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\"['Mass', 'Susp", "\"['Mass' 'Susp", "expected a list such as ['Mass'] of Mass"),
        ("['Skin Thickening']", "['Skin']", "finding_categories is \"['Skin']\""),
        ("30.25", "left", "finding_annotations.csv, line 2: xmin is 'left', expected a number"),
        ("xmax", "right", "finding_annotations.csv: no column xmax"),
    ],
)
def test_bad_tables(tmp_path, capsys, old, new, message):
    build_vindr(tmp_path / "download")
    path = tmp_path / "download" / "finding_annotations.csv"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    out = tmp_path / "out"
    assert prepare("vindr", "--root", tmp_path / "download", "--out", out) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.skipif(
    not (TABLES / "vindr_like_finding_annotations.csv").is_file(),
    reason="AGN_TEST_DATA names no folder with tables of VinDr-Mammo's form beside it",
)
def test_tables_of_the_real_form(tmp_path):
    """Sixty studies; the expected numbers are counted from the text of the tables."""
    for name in ("breast-level_annotations.csv", "finding_annotations.csv"):
        (tmp_path / name).write_bytes((TABLES / f"vindr_like_{name}").read_bytes())
    source = read_vindr(tmp_path)
    assert len(source.films) == 240 and source.left_out == ()
    assert Counter(film.split for film in source.films) == {"train": 192, "test": 48}
    text = (tmp_path / "finding_annotations.csv").read_text()
    masses = [line for line in text.splitlines() if "'Mass'" in line]
    lesions = [lesion for film in source.films for lesion in film.lesions]
    assert len(lesions) == len(masses) and all(lesion.box for lesion in lesions)
    views = [
        {"patient_id": f.patient_id, "laterality": f.laterality, "view": f.view}
        for f in source.films
    ]
    # All studies have four views but the one with two L CC and no L MLO.
    assert list(count_links(group_cases(views)).values()) == [59 * 4 + 1, 1, 2, 0, 240]


def test_training_gives_a_froc_row(prepared, tmp_path):
    """A tiny model, two steps: what counts is that the trainer takes the data set."""
    options = ["INPUT.SIZE", "(96, 64)", "DATALOADER.NUM_WORKERS", 0, "MODEL.DEVICE", "cpu"]
    options += ["MODEL.TIMM.WEIGHTS", "", "SOLVER.MAX_ITER", 2, "OUTPUT_DIR", tmp_path / "out"]
    options += ["DATASETS.TRAIN", "('vindr_mammo_train',)", "MODEL.MASK_ON", False]
    options += ["DATASETS.TEST", "('vindr_mammo_test',)"]
    options += ["MODEL.AGN.BGN.PRIOR", "vindr_mammo/annotations/prior_{layout}.json"]
    config = ROOT / "configs" / "agrcnn_phantom_demo.yaml"
    environment = os.environ | {"DETECTRON2_DATASETS": str(prepared.parent), "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    tool = [sys.executable, ROOT / "tools" / "train_net.py", "--config-file", config]
    done = subprocess.run(
        [*map(str, [*tool, *options])], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "out" / "inference" / "vindr_mammo_test"
    report = json.loads((folder / "froc_vindr_mammo_test.json").read_text())
    assert (report["images"], report["lesions"]) == (5, 4)
    assert all(0 <= recall <= 1 for recall in report["recall"])
