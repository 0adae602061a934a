"""Stems of made-up weights, whose gray values are worked out by hand."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch

from agn_d2.engine.checkpoint_file import read_checkpoint_file
from agn_d2.engine.stem_file import convert_checkpoint


def stem(*channels):
    return np.array(channels, np.float32).reshape(1, 3, 1, 1)


# R 1, G 2, B 3: 0.299 + 2 * 0.587 + 3 * 0.114 = 1.815; the other way round, B 1, G 2, R 3:
# 0.114 + 2 * 0.587 + 3 * 0.299 = 2.185.
FAMILIES = {
    # torchvision through Detectron2's converter, and its own caffe-style (MSRA) names.
    "torchvision": ({"model": {"stem.conv1.weight": stem(1, 2, 3)}}, "RGB", 1.815),
    "caffe": ({"model": {"conv1_w": stem(1, 2, 3)}, "__author__": "MSRA"}, "BGR", 2.185),
    "timm": ({"conv_stem.weight": stem(1, 2, 3)}, "RGB", 1.815),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_families(family, tmp_path):
    content, order, expected = FAMILIES[family]
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(content))
    converted, name = convert_checkpoint(read_checkpoint_file(path), "luma", order)
    weights = converted.get("model", converted)
    assert weights[name].shape == (1, 1, 1, 1)
    assert float(weights[name]) == pytest.approx(expected)
    total, _ = convert_checkpoint(content, "sum", order)
    assert float(total.get("model", total)[name]) == pytest.approx(6)


def test_the_rest_stays_and_a_gray_or_missing_stem_is_refused(tmp_path):
    rest = torch.arange(4.0)
    converted, _ = convert_checkpoint({"a": rest, "b": stem(0, 0, 1)}, "luma", "RGB")
    assert torch.equal(converted["a"], rest)
    for weights in ({"a": rest}, {"a": stem(1, 1, 1), "b": stem(1, 1, 1)}):
        with pytest.raises(ValueError, match="expected one convolution"):
            convert_checkpoint(weights, "luma", "RGB")
    with pytest.raises(FileNotFoundError, match=r"none\.pth"):
        read_checkpoint_file(tmp_path / "none.pth")


def test_the_tool_writes_a_file(tmp_path):
    torch.save(
        {"model": {"stem.conv1.weight": torch.from_numpy(stem(1, 2, 3))}}, tmp_path / "a.pth"
    )
    command = [sys.executable, "tools/convert_stem_to_gray.py", tmp_path / "a.pth"]
    command += [tmp_path / "b.pth", "--order", "BGR"]
    assert subprocess.run(command).returncode == 0
    weights = torch.load(tmp_path / "b.pth")["model"]
    assert float(weights["stem.conv1.weight"]) == pytest.approx(2.185)
