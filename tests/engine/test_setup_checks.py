"""Settings without an effect, and classes that the detector lacks."""

import logging
from pathlib import Path

import pytest
import torch
from torch import nn

from agn_d2.engine.checkpoint import AGNCheckpointer
from agn_d2.engine.setup import check_classes, check_ignored_keys, load_cfg


def test_ignored_keys_are_said(caplog):
    with caplog.at_level(logging.WARNING):
        check_ignored_keys(load_cfg(None))
    assert caplog.text == ""
    options = [
        *("INPUT.CROP.ENABLED", "True", "INPUT.RANDOM_FLIP", "none"),
        *("INPUT.MIN_SIZE_TRAIN", "(640, 800)", "INPUT.FLIP_VERTICAL", "0.0"),
        *("DATALOADER.SAMPLER_TRAIN", "RepeatFactorTrainingSampler"),
        *("TEST.AUG.MIN_SIZES", "(800,)", "TEST.AUG.SCALES", "(0.8, 1.0)"),
    ]
    with caplog.at_level(logging.WARNING):
        check_ignored_keys(load_cfg(None, options))
    said = [record.getMessage() for record in caplog.records]
    assert [message.split(" is ignored")[0] for message in said] == [
        "DATALOADER.SAMPLER_TRAIN",
        "INPUT.CROP.ENABLED",
        "INPUT.MIN_SIZE_TRAIN",
        "INPUT.RANDOM_FLIP",
        "TEST.AUG.MIN_SIZES",
    ]
    assert "(INPUT.FLIP_HORIZONTAL, INPUT.FLIP_VERTICAL)" in said[-2]


def test_no_config_of_ours_sets_a_key_without_an_effect(caplog):
    for path in Path(__file__).parents[2].glob("configs/**/*.yaml"):
        check_ignored_keys(load_cfg(str(path)))
    assert caplog.text == ""


def test_a_data_set_with_more_classes_is_refused(toy_datasets):
    check_classes(load_cfg(None, ["MODEL.ROI_HEADS.NUM_CLASSES", "1"]), ["phantom_train"])
    none = load_cfg(None, ["MODEL.ROI_HEADS.NUM_CLASSES", "0"])
    with pytest.raises(ValueError, match="phantom_train has .* class 0 .*ROI_HEADS.NUM_CLASSES"):
        check_classes(none, ["phantom_train"])


def test_a_gray_checkpoint_for_a_model_of_three_channels_is_refused(tmp_path):
    torch.save({"model": {"weight": torch.zeros(4, 1, 3, 3)}}, tmp_path / "a.pth")
    with pytest.raises(ValueError, match="weight reads one channel, but the model three"):
        AGNCheckpointer(nn.Conv2d(3, 4, 3)).load(str(tmp_path / "a.pth"))


@pytest.mark.parametrize(
    ("arch", "key", "other"),
    [
        ("MultiViewRCNN", "MODEL.ROI_HEADS", "MODEL.RETINANET"),
        ("MultiViewRetinaNet", "MODEL.RETINANET", "MODEL.ROI_HEADS"),
        ("MultiViewFCOS", "MODEL.RETINANET", "MODEL.ROI_HEADS"),
    ],
)
def test_the_classes_are_those_of_the_detector_s_own_key(toy_datasets, arch, key, other):
    start = ["MODEL.META_ARCHITECTURE", arch]
    right = [f"{key}.NUM_CLASSES", "1", f"{other}.NUM_CLASSES", "0"]
    check_classes(load_cfg(None, [*start, *right]), ["phantom_train"])
    wrong = [f"{key}.NUM_CLASSES", "0", f"{other}.NUM_CLASSES", "1"]
    with pytest.raises(ValueError, match=f"class 0 .*{key}.NUM_CLASSES is 0"):
        check_classes(load_cfg(None, [*start, *wrong]), ["phantom_train"])


def test_a_detector_of_more_classes_than_the_data_set_is_refused(toy_datasets):
    # COCO's evaluation would stop at the first detection of class 1 or 2, after the training.
    three = load_cfg(None, ["MODEL.ROI_HEADS.NUM_CLASSES", "3"])
    with pytest.raises(ValueError, match="phantom_test has the classes mass, .* is 3: set it to 1"):
        check_classes(three, ["phantom_test"])


@pytest.mark.parametrize("base", [False, True])
def test_a_yaml_runs_no_code(tmp_path, base):
    made = tmp_path / "made"
    evil = tmp_path / "evil.yaml"
    evil.write_text(f'SEED: 1\nOUTPUT_DIR: !!python/object/apply:os.mkdir ["{made}"]\n')
    config = evil
    if base:
        config = tmp_path / "child.yaml"
        config.write_text("_BASE_: evil.yaml\n")
    with pytest.raises(
        ValueError, match=r"evil\.yaml, line 2: .*!!python/\.\.\. run code"
    ) as caught:
        load_cfg(str(config))
    assert "\n" not in str(caught.value)
    assert not made.exists()


@pytest.mark.parametrize("text", ["", "3", "SEED: [1", "- a\n- b", "_BASE_: c.yaml"])
def test_what_is_no_config_is_named(tmp_path, text):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"config: .*c\.yaml") as caught:
        load_cfg(str(tmp_path / "c.yaml"))
    assert "\n" not in str(caught.value)


def test_a_config_that_is_no_text_is_named(tmp_path):
    (tmp_path / "c.yaml").write_bytes(b"SEED: \xff\xfe")
    with pytest.raises(ValueError, match=r"config: .*c\.yaml: is no text in UTF-8"):
        load_cfg(str(tmp_path / "c.yaml"))


def test_a_value_of_the_wrong_type_is_named(tmp_path):
    (tmp_path / "c.yaml").write_text("SOLVER: {MAX_ITER: many}\n")
    for config, options in ((str(tmp_path / "c.yaml"), []), (None, ["SOLVER.MAX_ITER", "many"])):
        with pytest.raises(ValueError, match=r"^config: .*many.*SOLVER\.MAX_ITER"):
            load_cfg(config, options)


def test_a_keypoint_head_is_refused():
    with pytest.raises(ValueError, match="MODEL.KEYPOINT_ON is True, but the data sets have boxes"):
        check_ignored_keys(load_cfg(None, ["MODEL.KEYPOINT_ON", "True"]))
