"""What is found in the data sets of a run before its first step."""

import json
import logging
import shutil

import cv2
import numpy as np
import pytest
from detectron2.data import DatasetCatalog

from agn_d2.data.builtin import register_builtin_datasets
from agn_d2.engine.dataset_checks import check_datasets
from agn_d2.engine.setup import load_cfg


@pytest.fixture
def root(toy_root, tmp_path, monkeypatch):
    """``mine`` with a patient each in train, val and test; ``other`` with other images."""
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    for name in ("mine", "other"):
        shutil.copytree(toy_root / "phantom", tmp_path / name)
        for split, patient in {"train": "P1", "val": "P2", "test": "P4"}.items():
            edit(tmp_path / name, split, lambda content, patient=patient: keep(content, patient))
    rng = np.random.default_rng(1)
    for path in (tmp_path / "other/images").iterdir():
        cv2.imwrite(str(path), rng.integers(0, 65536, (96, 64), dtype=np.uint16))
    return tmp_path


def edit(folder, split, change):
    path = folder / f"annotations/{split}.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    # The names of the classes are kept from the first reading on.
    register_builtin_datasets()


def keep(content, patient):
    content["images"] = [i for i in content["images"] if i["patient_id"] == patient]
    ids = {image["id"] for image in content["images"]}
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] in ids]


def name_classes(*names):
    categories = [{"id": number, "name": name} for number, name in enumerate(names, 1)]
    return lambda content: content.update(categories=categories)


def config(train=("mine_train",), test=("mine_test",), *options):
    sets = ["DATASETS.TRAIN", str(train), "DATASETS.TEST", str(test)]
    return load_cfg(None, [*sets, "MODEL.ROI_HEADS.NUM_CLASSES", "1", *options])


def test_a_right_data_set_passes_without_a_word(root, caplog):
    with caplog.at_level(logging.WARNING):
        check_datasets(config())
    assert caplog.text == ""


def test_the_test_set_is_checked_too(root):
    edit(root / "mine", "test", lambda c: c["annotations"][0].update(bbox=[1, 1, 0, 1]))
    with pytest.raises(ValueError, match=r"test\.json: annotations, entry 0 .*must be above 0"):
        check_datasets(config())


def test_the_validation_set_is_checked_where_it_is_used(root):
    edit(root / "mine", "val", lambda c: c["annotations"][0].update(iscrowd=None))
    check_datasets(config())
    watch = ["TEST.VALIDATION.EPOCHS", "1.0", "TEST.VALIDATION.DATASET", "mine_val"]
    with pytest.raises(ValueError, match=r"val\.json: annotations, entry 0 .*has no iscrowd"):
        check_datasets(config(("mine_train",), ("mine_test",), *watch))
    check_datasets(config(("mine_train",), ("mine_test",), *watch), training=False)
    watch[-1] = "mine_vla"
    with pytest.raises(ValueError, match="TEST.VALIDATION.DATASET: unknown data set 'mine_vla'"):
        check_datasets(config(("mine_train",), ("mine_test",), *watch))


def test_the_validation_loss_of_masks_needs_masks(root):
    watch = ["TEST.VALIDATION.EPOCHS", "1.0", "TEST.VALIDATION.DATASET", "mine_val"]
    masks = [*watch, "MODEL.MASK_ON", "True"]
    sets = ("mine_train",), ("mine_test",)
    edit(root / "mine", "test", lambda c: c["annotations"][0].pop("segmentation"))
    check_datasets(config(*sets, *masks))
    edit(root / "mine", "val", lambda c: c["annotations"][0].pop("segmentation"))
    with pytest.raises(ValueError, match="mine_val: no masks for 1 of 2 masses, .*MODEL.MASK_ON"):
        check_datasets(config(*sets, *masks))
    check_datasets(config(*sets, *masks), training=False)
    check_datasets(config(*sets, *watch))
    edit(root / "mine", "val", lambda c: c["annotations"][0].update(iscrowd=1))
    check_datasets(config(*sets, *masks))


def test_classes_landmarks_and_images_of_the_test_set(root):
    three = ["MODEL.ROI_HEADS.NUM_CLASSES", "3"]
    with pytest.raises(ValueError, match="mine_train has the classes mass"):
        check_datasets(config(("mine_train",), ("mine_test",), *three))
    (root / "mine/images/P4_LMLO.png").unlink()
    with pytest.raises(FileNotFoundError, match="mine_test: 1 images are missing.*P4_LMLO.png"):
        check_datasets(config())
    edit(root / "mine", "test", lambda c: c["images"].clear() or c["annotations"].clear())
    with pytest.raises(ValueError, match="mine_test has no images"):
        check_datasets(config())


@pytest.mark.parametrize("number", ["1", "2"])
def test_no_number_of_classes_suits_sets_of_different_ones(root, number):
    edit(root / "mine", "train", name_classes("mass", "calcification"))
    edit(root / "mine", "train", lambda c: c["annotations"][0].update(category_id=2))
    message = (
        rf"NUM_CLASSES is {number}; give the files of all data sets the same list of categories, "
        r".* \(mine_train has mass, calcification; mine_test has mass\)"
    )
    with pytest.raises(ValueError, match=message):
        check_datasets(
            config(("mine_train",), ("mine_test",), "MODEL.ROI_HEADS.NUM_CLASSES", number)
        )
    with pytest.raises(ValueError, match=r"NUM_CLASSES is 1: set it to 2 \(mass, calcification\)"):
        check_datasets(config(("mine_train",), ()))


def test_an_evaluation_does_not_need_the_training_set(root):
    (root / "mine/annotations/train.json").unlink()
    check_datasets(config(), training=False)
    with pytest.raises(FileNotFoundError, match="mine_train: no file"):
        check_datasets(config())


def test_training_sets_whose_classes_differ_are_refused(root):
    both = ("mine_train", "other_train")
    check_datasets(config(both, ()))
    edit(root / "other", "train", name_classes("Mass "))
    check_datasets(config(both, ()))
    edit(root / "other", "train", name_classes("calcification"))
    message = "mean different things: mine_train has mass, other_train has calcification"
    with pytest.raises(ValueError, match=message):
        check_datasets(config(both, ()))


def test_a_test_set_may_call_its_class_otherwise_but_not_swap_classes(root, caplog):
    edit(root / "other", "test", name_classes("lesion"))
    with caplog.at_level(logging.WARNING):
        check_datasets(config(test=("other_test",)))
    assert "other_test has lesion (by rising category id); they are taken for" in caplog.text
    edit(root / "mine", "train", name_classes("mass", "calcification"))
    edit(root / "other", "test", name_classes("calcification", "mass"))
    two = ["MODEL.ROI_HEADS.NUM_CLASSES", "2"]
    with pytest.raises(ValueError, match="mean different things"):
        check_datasets(config(("mine_train",), ("other_test",), *two))


@pytest.mark.parametrize("training", [True, False])
def test_patients_in_train_and_test_are_named(root, caplog, training):
    shutil.copy(root / "mine/annotations/train.json", root / "mine/annotations/test.json")
    with caplog.at_level(logging.WARNING):
        check_datasets(config(), training=training)
    assert (
        "same patients in train and test: 1 of 1 patients of mine_test are in mine_train too (P1)"
        in caplog.text
    )
    assert (
        "same images in train and test: 4 images of mine_test are in mine_train too" in caplog.text
    )


def test_numbers_of_patients_are_compared_within_a_data_folder_and_pixels_everywhere(root, caplog):
    shutil.copy(root / "other/annotations/train.json", root / "other/annotations/test.json")
    with caplog.at_level(logging.WARNING):
        check_datasets(config(test=("other_test",)))
    assert caplog.text == ""
    shutil.copy(root / "mine/images/P1_LCC.png", root / "other/images/P1_RCC.png")
    with caplog.at_level(logging.WARNING):
        check_datasets(config(test=("other_test",)))
    assert "same patients" not in caplog.text
    assert "1 images of other_test are in mine_train too" in caplog.text
    assert f"the first: {root / 'other/images/P1_RCC.png'} is" in caplog.text


def test_a_training_set_that_cannot_be_read_does_not_stop_an_evaluation(root, caplog):
    (root / "mine/annotations/train.json").write_text("{")
    with caplog.at_level(logging.WARNING):
        check_datasets(config(), training=False)
    assert "mine_train is not compared with the test sets" in caplog.text


def test_data_sets_of_another_kind_are_left_alone(root, caplog):
    if "plain_dicts" in DatasetCatalog:
        DatasetCatalog.remove("plain_dicts")
    DatasetCatalog.register("plain_dicts", lambda: DatasetCatalog.get("mine_train"))
    with caplog.at_level(logging.WARNING):
        check_datasets(config(("plain_dicts",)))
    assert caplog.text == ""
    DatasetCatalog.remove("plain_dicts")
