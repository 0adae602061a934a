"""Settings without an effect, and classes that the detector lacks."""

import logging

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
        "TEST.AUG.ENABLED",
        "True",
        "DATALOADER.SAMPLER_TRAIN",
        "RepeatFactorTrainingSampler",
    ]
    with caplog.at_level(logging.WARNING):
        check_ignored_keys(load_cfg(None, options))
    assert "TEST.AUG.ENABLED is ignored" in caplog.text
    assert "DATALOADER.SAMPLER_TRAIN is ignored" in caplog.text


def test_a_data_set_with_more_classes_is_refused(toy_datasets):
    check_classes(load_cfg(None, ["MODEL.ROI_HEADS.NUM_CLASSES", "1"]), ["phantom_train"])
    none = load_cfg(None, ["MODEL.ROI_HEADS.NUM_CLASSES", "0"])
    with pytest.raises(ValueError, match="phantom_train has .* class 0 .*ROI_HEADS.NUM_CLASSES"):
        check_classes(none, ["phantom_train"])


def test_a_gray_checkpoint_for_a_model_of_three_channels_is_refused(tmp_path):
    torch.save({"model": {"weight": torch.zeros(4, 1, 3, 3)}}, tmp_path / "a.pth")
    with pytest.raises(ValueError, match="weight reads one channel, but the model three"):
        AGNCheckpointer(nn.Conv2d(3, 4, 3)).load(str(tmp_path / "a.pth"))
