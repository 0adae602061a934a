"""datasets/prepare.py cbis-kaggle: what is found, linked and repaired from Kaggle's files."""

from collections import Counter

import numpy as np
import pytest

from agn_d2.data.cases import count_links, group_cases
from agn_d2.prepare.frames import boxes_to_film

from ..helpers import (
    decisions_of,
    froc_of_made_up_detections,
    load,
    prepare,
    split_of,
    summary_of,
)
from .kaggle_fixture import UNLISTED, build_kaggle

SPLITS = ("train", "val", "test")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """(folder of the data set, manifest)"""
    folder = tmp_path_factory.mktemp("kaggle")
    manifest = build_kaggle(folder)
    out = folder / "cbis_ddsm_kaggle"
    assert prepare("cbis-kaggle", "--root", folder / "archive", "--out", out) == 0
    return out, manifest


def expected_findings(manifest):
    """(film, abnormality) -> (method, box) of the examined subset."""
    return {
        (film["name"], item["abnormality_id"]): (item["method"], item["box"])
        for film in manifest["films"]
        if film["name"].startswith("Mass-")
        for item in film["findings"]
    }


def test_every_finding_is_found_repaired_or_lost_as_from_the_release(prepared):
    out, manifest = prepared
    expected = expected_findings(manifest)
    found = {
        (row["film"], int(row["abnormality_id"])): row["mask_source"]
        for row in decisions_of(out)
        if row["decision"] == "finding"
    }
    assert found == {key: method for key, (method, _) in expected.items()}
    assert len(Counter(found.values())) == 5


def test_boxes_lie_where_the_lesions_are(prepared):
    out, manifest = prepared
    expected = expected_findings(manifest)
    checked = 0
    for split in SPLITS:
        content = split_of(out, split)
        for annotation in content["annotations"]:
            image = next(i for i in content["images"] if i["id"] == annotation["image_id"])
            x, y, width, height = annotation["bbox"]
            box = boxes_to_film(np.array([[x, y, x + width, y + height]]), image)[0]
            key = (image["file_name"].removesuffix(".png"), annotation["abnormality_id"])
            # A mask of another size is off by its rounding, one that JPEG has blurred by a pixel.
            np.testing.assert_allclose(box, expected[key][1], atol=3)
            assert "segmentation" in annotation
            checked += 1
    assert checked == sum(summary_of(out)["splits"][split]["lesions"] for split in SPLITS) > 15


def test_links_and_views_of_the_other_subset(prepared):
    out, _ = prepared
    cases = {split: group_cases(load(out, split)) for split in SPLITS}
    summary = summary_of(out)
    for split, of_split in cases.items():
        assert count_links(of_split) == summary["splits"][split]["links"]
    names = {i["file_name"] for s in SPLITS for i in split_of(out, s)["context_images"]}
    assert "Calc-Training_P_00000_RIGHT_CC.png" in names
    # Its patient is examined in the other split.
    assert "Calc-Training_P_00009_RIGHT_CC.png" not in names
    assert summary["priors, lesions seen in both views"]["prior_22_26.json"] > 0


def test_account(prepared):
    out, _ = prepared
    jpegs = len(list((out.parent / "archive").rglob("*.jpg")))
    files = summary_of(out)["files"]
    unlisted = sum(number % UNLISTED == 5 for number in range(jpegs))
    assert files["by header"] + files["by folder"] + files["unknown"] == jpegs
    assert (files["by folder"], files["unknown"]) == (unlisted, 1)
    kinds = Counter(row["decision"] for row in decisions_of(out))
    assert kinds["file missing"] == 1
    assert kinds["file without a header"] == unlisted
    # Masks and crops are what the table describes them as.
    assert kinds["role by content"] == 0
    assert kinds["film bit depth"] > 10


def test_froc(prepared, tmp_path):
    out, _ = prepared
    content = split_of(out, "test")
    assert froc_of_made_up_detections(out, "test", tmp_path) == {
        "recall": [0.0, 1.0],
        "images": len(content["images"]),
        "lesions": len(content["annotations"]),
    }


def test_keep_and_a_missing_table(prepared, tmp_path, capsys):
    archive = prepared[0].parent / "archive"
    out = tmp_path / "kept"
    assert prepare("cbis-kaggle", "--root", archive, "--out", out, "--keep") == 0
    summary = summary_of(out)
    assert summary["films that are context only, as a finding is lost"] == 0
    assert summary["films examined"] > summary_of(prepared[0])["films examined"]
    capsys.readouterr()
    (tmp_path / "csv").mkdir()
    arguments = ["cbis-kaggle", "--root", archive, "--csv", tmp_path / "csv", "--out", out]
    assert prepare(*arguments) == 2
    assert "dicom_info.csv: no such file" in capsys.readouterr().err
