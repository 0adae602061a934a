"""Bottom-up networks of the docs: they build, at the cost stated, and have words for stages."""

import re
from pathlib import Path

import pytest
import torch
from detectron2.modeling import build_backbone
from fvcore.nn import FlopCountAnalysis, parameter_count

from agn_d2.engine.setup import load_cfg
from agn_d2.engine.stages import Stage, trained_parameters

ROOT = Path(__file__).resolve().parents[2]
CONFIG = str(ROOT / "configs/agrcnn_R50_FPN.yaml")
ROW = re.compile(r"\| (.+) \| ([\d.]+) \| ([\d.]+) \| [\d.]+ \| `(MODEL\.BACKBONE\.NAME .+)` \|")
# Name -> weights in millions, multiply-adds in thousands of millions, overrides.
TABLE = {
    name: (float(weights), float(products), overrides.split())
    for name, weights, products, overrides in ROW.findall((ROOT / "docs/training.md").read_text())
}
# Of the image that operations are counted on; its square makes counting quick.
COUNTED = 256


def network(name):
    """The bottom-up, without memory for its weights, and its config."""
    without = ["MODEL.AGN.ENABLED", "False", "MODEL.TIMM.WEIGHTS", "", "MODEL.DEVICE", "cpu"]
    cfg = load_cfg(CONFIG, [*TABLE[name][2], *without])
    with torch.device("meta"):
        return build_backbone(cfg).bottom_up.eval(), cfg


def test_the_table_is_read():
    assert len(TABLE) == 14
    assert {"ResNet-18", "ResNet-50", "timm tf_efficientnet_lite0"} <= TABLE.keys()


@pytest.mark.parametrize("name", TABLE)
def test_every_network_of_the_table_fits_below_the_pyramid_at_its_cost(name):
    bottom_up, cfg = network(name)
    shapes = bottom_up.output_shape()
    assert [shapes[level].stride for level in cfg.MODEL.FPN.IN_FEATURES] == [4, 8, 16, 32]
    weights, products, _ = TABLE[name]
    assert round(parameter_count(bottom_up)[""] / 1e6, 1) == weights
    # Any weights will do, so none are drawn.
    image = torch.zeros(1, 1, COUNTED, COUNTED)
    counter = FlopCountAnalysis(bottom_up.to_empty(device="cpu"), image)
    counter.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    # Nothing but the size differs, and no cell of a multiple of 32 is padding.
    assert round(counter.total() * (1024 / COUNTED) ** 2 / 1e9, 1) == products


def test_stages_have_words_for_the_blocks_of_timms_resnets():
    bottom_up, _ = network("timm resnet18")
    model = torch.nn.Module()
    model.backbone = torch.nn.Module()
    model.backbone.bottom_up = bottom_up
    found = {}
    for word in ("stem", "res2", "res3", "res4", "res5", "bottom_up"):
        stage = Stage("a", 0, 1, 1.0, 0.1, (word,))
        found[word] = set(trained_parameters(model, stage, frozenset()))
    prefix = "backbone.bottom_up.net."
    assert found["stem"] == {prefix + n for n in ("conv1.weight", "bn1.weight", "bn1.bias")}
    assert f"{prefix}layer1.0.conv1.weight" in found["res2"]
    assert set.union(*(found[w] for w in found if w != "bottom_up")) == found["bottom_up"]
    assert sum(len(found[w]) for w in found if w != "bottom_up") == len(found["bottom_up"])
