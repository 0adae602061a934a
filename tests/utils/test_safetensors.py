"""Weights as safetensors: written in half, read back, and what is refused."""

import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

from agn_d2.engine.checkpoint import AGNCheckpointer
from agn_d2.utils.checkpoint_file import read_checkpoint_file, write_half

from ..programs import load_program

TOOL = Path(__file__).parents[2] / "tools" / "export_weights.py"


def test_floats_are_halved_and_integers_stay(tmp_path):
    path = tmp_path / "new" / "a.safetensors"
    shared = torch.tensor([1.0, 1 / 3])
    state = {"w": shared, "again": shared, "n": torch.tensor(70_001), "v": torch.ones(2, 3).T}
    write_half(path, state)
    found = read_checkpoint_file(path)
    assert {name: value.dtype for name, value in found.items()} == {
        **dict.fromkeys(("w", "again", "v"), torch.float16),
        "n": torch.int64,
    }
    # 1/3 in 11 bits: 1365 / 4096.
    assert found["w"].tolist() == found["again"].tolist() == [1.0, 1365 / 4096]
    assert (found["n"].item(), found["v"].shape) == (70_001, (3, 2))


@pytest.mark.parametrize("value", [1e6, float("nan")])
def test_what_half_precision_cannot_hold_is_refused(tmp_path, value):
    with pytest.raises(ValueError, match="heads.w has values that float16 cannot hold"):
        write_half(tmp_path / "a.safetensors", {"heads.w": torch.tensor([1.0, value])})
    assert list(tmp_path.iterdir()) == []


def test_the_checkpointer_loads_them_as_float32(tmp_path):
    model, other = nn.Linear(3, 2), nn.Linear(3, 2)
    write_half(tmp_path / "a.safetensors", model.state_dict())
    AGNCheckpointer(other).load(str(tmp_path / "a.safetensors"))
    assert other.weight.dtype == torch.float32
    assert torch.equal(other.weight, model.weight.half().float())


class Evil:
    def __reduce__(self):
        return (Path.touch, (Path("was_run"),))


@pytest.mark.parametrize("content", [b"", b"\x00" * 40, pickle.dumps({"model": Evil()})])
def test_other_content_is_refused_and_not_run(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match="a.safetensors is no whole checkpoint"):
        AGNCheckpointer(nn.Linear(3, 2)).load("a.safetensors")
    assert not Path("was_run").exists()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="b.safetensors"):
        AGNCheckpointer(nn.Linear(3, 2)).load(str(tmp_path / "b.safetensors"))


def test_tool_writes_the_line_of_the_index(tmp_path, capsys, monkeypatch):
    tool = load_program(TOOL)
    model, target = nn.Linear(3, 2), tmp_path / "mine" / "model.safetensors"
    source = tmp_path / "model_final.pth"
    torch.save({"model": model.state_dict(), "optimizer": {"lr": 1}}, source)
    assert tool.main([str(source), str(target)]) == 0
    checksum, name = capsys.readouterr().out.split()
    assert (len(checksum), name) == (64, "mine/model.safetensors")
    assert set(read_checkpoint_file(target)) == {"weight", "bias"}
    monkeypatch.chdir(target.parent)
    assert tool.main([str(source), target.name]) == 0
    assert capsys.readouterr().out.split() == [checksum, name]
    assert tool.main([str(source), str(tmp_path / "model.pth")]) == 2
    assert "expected a name that ends in .safetensors" in capsys.readouterr().err
