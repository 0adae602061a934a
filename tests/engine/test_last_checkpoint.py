"""The checkpoint to go on from: the last one, or else the newest whole one."""

import logging
import os

import pytest
import torch

from agn_d2.engine.last_checkpoint import find_last_checkpoint


@pytest.fixture
def folder(tmp_path):
    """Trainings after 1, 2 and 3 steps, the newest last; and weights alone, newer than all."""
    for number, name in enumerate(("model_0000000", "model_0000001", "stage_heads", "model_best")):
        content = {"model": {"a": torch.zeros(100)}}
        if name != "model_best":
            content["trainer"] = {"iteration": number}
        path = tmp_path / f"{name}.pth"
        torch.save(content, path)
        os.utime(path, (1000 + number, 1000 + number))
    (tmp_path / "last_checkpoint").write_text("stage_heads.pth")
    return tmp_path


def found(folder, of_training=True):
    return find_last_checkpoint(folder, of_training=of_training).name


def cut(path):
    """Cut a file off; its time stays that of the training."""
    time = path.stat().st_mtime
    path.write_bytes(path.read_bytes()[:200])
    os.utime(path, (time, time))


def test_the_last_checkpoint_is_taken_if_it_is_whole(folder, caplog):
    (folder / "last_checkpoint").write_text("model_0000000.pth\n")
    assert found(folder) == "model_0000000.pth"
    assert not caplog.records


@pytest.mark.parametrize(
    "pointer", [b"", b"\xff\x00", b"gone.pth", b"../stage_heads.pth", b"/etc/passwd", b"a\nb"]
)
def test_a_bad_pointer_falls_back_on_the_newest(folder, caplog, pointer):
    (folder / "last_checkpoint").write_bytes(pointer)
    with caplog.at_level(logging.WARNING):
        assert found(folder) == "stage_heads.pth"
    assert "Taken instead: " in caplog.text


def test_damaged_ones_are_left_out_and_named(folder, caplog):
    cut(folder / "stage_heads.pth")
    with caplog.at_level(logging.WARNING):
        assert found(folder) == "model_0000001.pth"
    assert "stage_heads.pth is no whole checkpoint" in caplog.text
    # Weights alone are no training.
    torch.save({"model": {"a": torch.zeros(1)}}, folder / "model_0000001.pth")
    assert found(folder) == "model_0000000.pth"
    # For an evaluation they do; the best weights are those of another step.
    assert found(folder, of_training=False) == "model_0000001.pth"


def test_none_whole_is_one_line_that_names_each(folder):
    for path in folder.glob("*.pth"):
        cut(path)
    with pytest.raises(ValueError, match="no whole checkpoint in") as caught:
        found(folder)
    message = str(caught.value)
    for name in ("stage_heads.pth", "model_0000001.pth", "model_0000000.pth"):
        assert name in message
    assert "\n" not in message
    assert message.endswith("start anew without --resume")
