"""Checkpoint files: nothing in them is run, damage is named, and they are written whole."""

import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch

from agn_d2.utils.checkpoint_file import (
    read_checkpoint_file,
    read_model_file,
    write_checkpoint_file,
)

WEIGHTS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.float64(2.5)}


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("module", ["numpy.core", "numpy._core"])
def test_model_zoo_files_of_old_and_new_numpy_are_read(tmp_path, protocol, module):
    content = {"model": OrderedDict(WEIGHTS), "__author__": "Detectron2", "list": [b"x", (1, None)]}
    data = pickle.dumps(content, protocol=protocol)
    own = np.empty(0).__reduce__()[0].__module__.rpartition(".")[0].encode()
    if protocol < 4:
        # Names stand in lines here; in later protocols with their length before them.
        data = data.replace(own, module.encode())
    (tmp_path / "a.pkl").write_bytes(data)
    found = read_checkpoint_file(tmp_path / "a.pkl")
    assert found["__author__"] == "Detectron2"
    assert found["list"] == [b"x", (1, None)]
    assert np.array_equal(found["model"]["a"], WEIGHTS["a"])
    assert found["model"]["b"] == 2.5


@pytest.mark.parametrize("suffix", ["pkl", "pth", "pyth"])
def test_code_in_a_file_is_not_run(tmp_path, suffix):
    path, made = tmp_path / f"a.{suffix}", tmp_path / "made"
    content = {"model": dict(WEIGHTS), "__author__": "x", "evil": Evil(made)}
    if suffix == "pkl":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path)
    with pytest.raises(ValueError, match=rf"a\.{suffix} is no whole checkpoint") as caught:
        read_checkpoint_file(path)
    assert "\n" not in str(caught.value)
    assert not made.exists()


@pytest.mark.parametrize("suffix", ["pkl", "pth"])
def test_damaged_files_are_named(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    content = {"model": {"a": torch.zeros(1000)}}
    if suffix == "pkl":
        path.write_bytes(pickle.dumps({"model": {"a": np.zeros(1000)}}))
    else:
        torch.save(content, path)
    whole = path.read_bytes()
    for data in (b"", b"hello", b"<html>not found</html>", whole[: len(whole) // 2], whole[:10]):
        path.write_bytes(data)
        with pytest.raises(ValueError, match=rf"a\.{suffix} is no whole checkpoint") as caught:
            read_checkpoint_file(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(FileNotFoundError):
        read_checkpoint_file(tmp_path / "none.pth")


def test_what_is_no_dictionary_is_no_checkpoint(tmp_path):
    for content in (torch.zeros(2), [1, 2], {}):
        torch.save(content, tmp_path / "a.pth")
        with pytest.raises(ValueError, match="holds no weights by name"):
            read_checkpoint_file(tmp_path / "a.pth")


def test_a_write_that_fails_leaves_the_file_of_before(tmp_path, monkeypatch):
    path = tmp_path / "a.pth"
    write_checkpoint_file(path, {"model": {"a": torch.ones(2)}})

    def half(content, file):
        file.write(b"half")
        raise RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed")

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(OSError, match=r"a\.pth cannot be written: PytorchStreamWriter failed"):
        write_checkpoint_file(path, {"model": {"a": torch.zeros(2)}})
    assert torch.equal(read_checkpoint_file(path)["model"]["a"], torch.ones(2))
    assert [file.name for file in tmp_path.iterdir()] == ["a.pth"]


def test_the_formats_that_detectron2_reads(tmp_path):
    weight = np.ones(2, np.float32)

    def pickled(content):
        (tmp_path / "a.pkl").write_bytes(pickle.dumps(content))
        return read_model_file(tmp_path / "a.pkl")

    def torched(content, name):
        torch.save(content, tmp_path / name)
        return read_model_file(tmp_path / name)

    zoo = pickled({"model": {"a": weight}, "__author__": "x", "matching_heuristics": True})
    assert list(zoo["model"]) == ["a"]
    caffe = pickled({"blobs": {"a": weight, "a_momentum": weight}})
    assert list(caffe["model"]) == ["a"]
    assert caffe["matching_heuristics"] and caffe["__author__"] == "Caffe2"
    assert list(pickled({"a": weight})["model"]) == ["a"]
    state = {"a": torch.ones(2), "b.num_batches_tracked": torch.ones(1)}
    pycls = torched({"model_state": state}, "a.pyth")
    assert list(pycls["model"]) == ["a"] and pycls["matching_heuristics"]
    assert list(torched({"a": torch.ones(2)}, "a.pth")["model"]) == ["a"]
    assert torched({"model": state, "iteration": 4}, "a.pth")["iteration"] == 4
    with pytest.raises(ValueError, match="'epoch' is a int, not a tensor"):
        torched({"epoch": 4}, "a.pth")
