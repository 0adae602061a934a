"""Patients and images that two data sets share."""

import pytest

from agn_d2.data.overlap import shared_images, shared_patients


def test_patients():
    assert shared_patients(["b", "a", "b", "c"], ["d", "c", "b"]) == ["b", "c"]
    assert shared_patients(["a"], ["b"]) == []


@pytest.fixture
def files(tmp_path):
    contents = {"a": b"one", "b": b"two", "c": b"three", "x": b"four", "y": b"two", "z": b"six"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    return {name: tmp_path / name for name in (*contents, "gone")}


def test_images_are_told_by_their_content(files):
    train, test = [files[n] for n in ("a", "b", "c", "gone")], [files[n] for n in ("x", "y", "z")]
    assert shared_images(train, test) == [(files["b"], files["y"])]
    assert shared_images(test, [files["gone"]]) == []


def test_images_of_other_lengths_are_not_read(files, monkeypatch):
    read = []
    from agn_d2.data import overlap

    digest = overlap._digest
    monkeypatch.setattr(overlap, "_digest", lambda path: read.append(path.name) or digest(path))
    # "one" and "six" are three bytes long, "three" and "four" are not.
    assert shared_images([files["a"], files["c"]], [files["x"], files["z"]]) == []
    assert sorted(read) == ["a", "z"]
