"""Which data sets are registered, and what is said where one is not found."""

import gzip
import shutil

import pytest
from detectron2.data import DatasetCatalog

from agn_d2.data.build import check_landmarks, load_cases
from agn_d2.data.builtin import check_registered, register_builtin_datasets


@pytest.fixture
def root(toy_root, tmp_path, monkeypatch):
    """A root with the data sets ``mine`` (all splits) and ``external`` (test only)."""
    for name in ("mine", "external"):
        shutil.copytree(toy_root / "phantom", tmp_path / name)
    for split in ("train", "val"):
        (tmp_path / f"external/annotations/{split}.json").unlink()
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    return tmp_path


def test_a_data_set_with_a_test_set_alone_is_found(root):
    assert "external_test" in register_builtin_datasets()
    assert len(DatasetCatalog.get("external_test")) == 9
    with pytest.raises(FileNotFoundError, match=r"external_train: no file .*train\.json"):
        DatasetCatalog.get("external_train")


def test_a_gzipped_file_is_found_where_there_is_no_plain_one(root):
    plain = root / "external/annotations/test.json"
    gzipped = plain.parent / "test.json.gz"
    gzipped.write_bytes(b"not read where there is a plain one")
    register_builtin_datasets()
    assert len(DatasetCatalog.get("external_test")) == 9
    gzipped.write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    register_builtin_datasets()
    assert len(DatasetCatalog.get("external_test")) == 9


def test_landmarks_are_not_needed_before_somebody_asks_for_them(root):
    (root / "mine/annotations/landmarks.json").unlink()
    register_builtin_datasets()
    assert {image["landmarks"] for image in DatasetCatalog.get("mine_train")} == {None}
    with pytest.raises(ValueError, match="AGN needs them.*annotations/landmarks.json"):
        check_landmarks(load_cases(["mine_train"]))
    assert None not in [image["landmarks"] for image in DatasetCatalog.get("external_test")]


def test_other_files_make_no_data_set(root):
    (root / "other/annotations").mkdir(parents=True)
    (root / "other/annotations/train.json.part").write_text("{}")
    assert not [name for name in register_builtin_datasets() if name.startswith("other")]


def test_a_data_set_that_is_there_but_not_registered_is_answered_by_the_call(root):
    (root / "mine").rename(root / "forgotten")
    with pytest.raises(ValueError, match=r"DATASETS: data set 'forgotten_train' .*not reg.*_data"):
        check_registered(["forgotten_train"], "DATASETS")
    register_builtin_datasets()
    check_registered(["forgotten_train"])


def test_an_unknown_name_is_answered_by_what_is_there(root):
    register_builtin_datasets()
    with pytest.raises(ValueError, match="unknown data set 'mine_tset'") as caught:
        load_cases(["mine_tset"])
    message = str(caught.value)
    assert f"Looked in {root} (DETECTRON2_DATASETS), which has external_test, mine_train" in message
    assert "coco" not in message


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("/no/such/folder", r"Looked in /no/such/folder \(DETECTRON2_DATASETS\), which is no f"),
        ("", r"/datasets \(DETECTRON2_DATASETS is empty, so the default\), which is no folder"),
        (None, r"/datasets \(DETECTRON2_DATASETS is not set, so the default\), which is no folder"),
        (".", "where no folder has annotations/train.json, val.json or test.json"),
    ],
)
def test_a_wrong_root_is_named(tmp_path, monkeypatch, value, message):
    monkeypatch.chdir(tmp_path)
    if value is None:
        monkeypatch.delenv("DETECTRON2_DATASETS", raising=False)
    else:
        monkeypatch.setenv("DETECTRON2_DATASETS", value)
    with pytest.raises(ValueError, match=f"DATASETS: unknown data set 'x_train'.*{message}"):
        check_registered(["x_train"], "DATASETS")


def test_blanks_around_the_root_are_no_part_of_it(root, monkeypatch):
    monkeypatch.setenv("DETECTRON2_DATASETS", f" {root} ")
    assert "mine_train" in register_builtin_datasets()
    assert len(DatasetCatalog.get("mine_train")) == 9
