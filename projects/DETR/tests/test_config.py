"""Every YAML loads and builds, every key is read, and the core goes on without the project."""

import logging
import re
from pathlib import Path

import pytest
from detectron2.config import get_cfg
from detectron2.modeling import build_model

from agn_d2.config import add_agn_config
from agn_d2.engine.run_config import check_resumed
from agn_d2.engine.setup import check_classes, load_cfg
from detr import add_detr_config

from .configs import CONFIGS, load

PROJECT = Path(__file__).parents[1]


def own_keys():
    cfg = get_cfg()
    add_agn_config(cfg)
    assert "DETR" not in cfg.MODEL
    add_detr_config(cfg)
    return sorted(cfg.MODEL.DETR)


@pytest.mark.parametrize("key", own_keys())
def test_every_key_is_read(key):
    code = [p.read_text() for p in (PROJECT / "detr").glob("*.py") if p.name != "config.py"]
    assert re.search(rf"\bdetr\.{key}\b|\bDETR\.{key}\b", "\n".join(code))


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_config_builds_a_model(path):
    pytest.importorskip("transformers", reason="the extra detr is not installed")
    overrides = ["MODEL.DEVICE", "cpu", "MODEL.WEIGHTS", "", "MODEL.AGN.BGN.PRIOR", ""]
    model = build_model(load(path.stem, *overrides, "MODEL.DETR.PRETRAINED", ""))
    assert getattr(model.backbone, "agn", None) is None


def test_the_classes_are_those_of_the_detector_s_own_key(toy_datasets):
    start = ["MODEL.META_ARCHITECTURE", "DETR"]
    key, other = "MODEL.ROI_HEADS", "MODEL.RETINANET"
    right = [f"{key}.NUM_CLASSES", "1", f"{other}.NUM_CLASSES", "0"]
    check_classes(load_cfg(None, [*start, *right]), ["phantom_train"])
    wrong = [f"{key}.NUM_CLASSES", "0", f"{other}.NUM_CLASSES", "1"]
    with pytest.raises(ValueError, match=f"class 0 .*{key}.NUM_CLASSES is 0"):
        check_classes(load_cfg(None, [*start, *wrong]), ["phantom_train"])


def test_a_resumed_training_keeps_its_first_weights(caplog):
    with caplog.at_level(logging.WARNING):
        check_resumed({"MODEL.DETR.PRETRAINED": ("a", "b")}, "model.pth")
    assert "MODEL.DETR.PRETRAINED stays 'a', not 'b'" in caplog.text


def test_a_config_that_was_written_with_the_keys_is_read_without_the_project(tmp_path):
    (tmp_path / "config.yaml").write_text(load("detr_phantom_demo").dump())
    cfg = load_cfg(str(tmp_path / "config.yaml"))
    assert cfg.MODEL.META_ARCHITECTURE == "DETR" and "DETR" not in cfg.MODEL
    cfg = load_cfg(str(tmp_path / "config.yaml"), (), (add_detr_config,))
    assert cfg.MODEL.DETR.NUM_QUERIES == 20
