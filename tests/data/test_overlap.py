"""Patients and images that two data sets share."""

import pytest

from agn_d2.data import overlap
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
    piece = overlap._piece
    monkeypatch.setattr(overlap, "_piece", lambda path, n: read.append(path.name) or piece(path, n))
    # "one" and "six" are three bytes long, "three" and "four" are not.
    assert shared_images([files["a"], files["c"]], [files["x"], files["z"]]) == []
    assert sorted(read) == ["a", "z"]


def test_of_images_of_equal_length_a_piece_tells_most_apart(tmp_path, monkeypatch):
    """Uncompressed films of one machine: thousands of files of one length."""
    contents = [bytes([n]) * 100_000 for n in range(3)]
    train = [tmp_path / str(n) for n in range(3)]
    for file, content in zip(train, contents, strict=True):
        file.write_bytes(content)
    copy, near = tmp_path / "copy", tmp_path / "near"
    copy.write_bytes(contents[0])
    near.write_bytes(b"x" + contents[1][1:])
    whole = []
    digest = overlap._digest
    monkeypatch.setattr(overlap, "_digest", lambda path: whole.append(path.name) or digest(path))
    assert shared_images(train, [copy, near]) == [(train[0], copy)]
    # The third one of the training set is not read to its end.
    assert sorted(whole) == ["0", "1", "copy", "near"]
