"""Bottom-up networks of the table: they build, cost what they must, and have the stages' words."""

import importlib.util
from pathlib import Path

import pytest
import torch
from detectron2.modeling import build_backbone

from agn_d2.benchmark.bottom_ups import BOTTOM_UPS, bottom_up_cost
from agn_d2.engine.setup import load_cfg
from agn_d2.engine.stages import Stage, trained_parameters

ROOT = Path(__file__).resolve().parents[2]
CONFIG = str(ROOT / "configs/agrcnn_R50_FPN.yaml")


def network(name):
    """The bottom-up, without memory for its weights, and its config."""
    options = [*BOTTOM_UPS[name].split(), "MODEL.AGN.ENABLED", "False", "MODEL.DEVICE", "cpu"]
    cfg = load_cfg(CONFIG, options)
    with torch.device("meta"):
        return build_backbone(cfg).bottom_up, cfg


@pytest.mark.parametrize("name", BOTTOM_UPS)
def test_every_network_of_the_table_fits_below_the_pyramid(name):
    bottom_up, cfg = network(name)
    shapes = bottom_up.output_shape()
    assert [shapes[level].stride for level in cfg.MODEL.FPN.IN_FEATURES] == [4, 8, 16, 32]
    assert f"`{BOTTOM_UPS[name]}`" in (ROOT / "docs/training.md").read_text()


@pytest.mark.parametrize("name", ["ResNet-18", "timm resnet18"])
def test_the_cost_of_a_resnet_18_by_hand(name):
    cost = bottom_up_cost(load_cfg(CONFIG, BOTTOM_UPS[name].split()), 224)
    # Weights of its convolutions: stem 7 x 7 x 64 for one gray channel; then four stages of
    # 3 x 3 convolutions, with a 1 x 1 one where the channels double.
    stem, stages, cells = 49 * 64, [], []
    for number, channels in enumerate((64, 128, 256, 512)):
        before = channels if number == 0 else channels // 2
        shortcut = 0 if number == 0 else before * channels
        stages.append(9 * before * channels + 3 * 9 * channels**2 + shortcut)
        cells.append((224 // 4 // 2**number) ** 2)
    convolutions = stem + sum(stages)
    # Batch normalization: two numbers a channel where it learns (timm), none where it is frozen.
    norms = 2 * (64 + 4 * 64 + 5 * (128 + 256 + 512))
    assert cost.parameters == convolutions + (norms if "timm" in name else 0)
    products = stem * 112**2 + sum(n * c for n, c in zip(stages, cells, strict=True))
    # Normalization adds a little to it.
    assert products <= cost.multiplications < 1.01 * products


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


def test_the_tool_prints_a_row_and_names_what_it_does_not_know(capsys):
    spec = importlib.util.spec_from_file_location("bottoms", ROOT / "tools/list_bottom_ups.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    name = "timm mobilenetv3_small_050"
    assert tool.main(["--names", name, "--size", "64", "--repeats", "1"]) == 0
    row = capsys.readouterr().out.splitlines()[-1]
    assert row.startswith(f"| {name} | ")
    assert row.endswith(f"| `{BOTTOM_UPS[name]}` |")
    assert tool.main(["--names", "ResNet-19"]) == 2
    assert "unknown ['ResNet-19']; known: ResNet-18" in capsys.readouterr().err
