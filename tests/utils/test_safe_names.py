"""File names made of ids and of other files' names."""

from __future__ import annotations

import string
from pathlib import Path

import pytest

from agn_d2.utils.safe_names import LONGEST_NAME, distinct_names, safe_name, safe_names


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (17, "17"),
        ("P_00001_LEFT_CC", "P_00001_LEFT_CC"),
        ("Müller 3", "Müller 3"),
        ("a.b", "a.b"),
        ("a/b", "a%2Fb"),
        ("/etc/passwd", "%2Fetc%2Fpasswd"),
        ("../../a", "%2E.%2F..%2Fa"),
        ("..", "%2E%2E"),
        (".", "%2E"),
        ("", "%"),
        ("a%2Fb", "a%252Fb"),
        ("C:\\x", "C%3A%5Cx"),
        ("a\x00\n", "a%00%0A"),
        ("\ud800", "%uD800"),
        ("a. ", "a.%20"),
    ],
)
def test_safe_names(value, name):
    assert safe_name(value) == name


def test_safe_names_lie_in_their_folder_and_are_distinct(tmp_path):
    """Of all texts of up to three signs that mean something in a path or in a code."""
    signs = "./%2Fa\\ "
    texts = {""} | set(signs)
    for _ in range(2):
        texts |= {text + sign for text in texts for sign in signs}
    names = {text: safe_name(text) for text in texts}
    assert len(set(names.values())) == len(texts) > 500
    for name in names.values():
        assert (tmp_path / name).resolve().parent == tmp_path.resolve()
        (tmp_path / name).touch()
    assert len(list(tmp_path.iterdir())) == len(texts)


def test_long_names_are_cut_and_distinct(tmp_path):
    long = string.ascii_letters * 20
    names = {safe_name(long + end) for end in ("", "a", "b", "ü" * 500)}
    assert len(names) == 4
    assert all(len(name.encode()) <= LONGEST_NAME for name in names)
    assert safe_name(long[:LONGEST_NAME]) == long[:LONGEST_NAME]


def test_ids_that_would_share_a_file_are_refused():
    assert safe_names([3, "a/b", 3]) == {3: "3", "a/b": "a%2Fb"}
    with pytest.raises(ValueError, match="1 and '1' would share a file '1'"):
        safe_names([1, "1"])


def test_distinct_names_are_as_short_as_they_can_be(tmp_path):
    files = ["x/a/CC.png", "x/b/CC.png", "x/b/MLO.png", "x/c/d/CC.jpg", "x/c/d/CC.tif"]
    paths = [tmp_path / file for file in files]
    names = distinct_names([*paths, paths[0]])
    assert [names[path] for path in paths] == ["a/CC", "b/CC", "MLO", "c/d/CC.jpg", "c/d/CC.tif"]


@pytest.mark.parametrize("order", [1, -1])
def test_a_name_with_an_ending_is_not_that_of_another_file(tmp_path, order):
    """a.png and a.dcm keep their endings, and a.png.jpg without its own would be a.png too."""
    paths = [tmp_path / file for file in ("a.png", "a.dcm", "a.png.jpg")][::order]
    names = distinct_names(paths)
    assert [names[path] for path in paths] == ["a.png", "a.dcm", "a.png.jpg"][::order]


def test_distinct_names_do_not_lead_out_of_the_folder(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    names = distinct_names(["../CC.png", "CC.png", "../up/../up/CC.png"])
    assert list(names.values()) == ["CC", "here/CC", "up/CC"]


def test_distinct_names_of_a_download_whose_files_have_one_name(tmp_path, monkeypatch):
    """As the NBIA Data Retriever writes it; no file is looked at once for each other one."""
    looked_at = []
    with_suffix = Path.with_suffix

    def counted(path, suffix):
        looked_at.append(path)
        return with_suffix(path, suffix)

    monkeypatch.setattr(Path, "with_suffix", counted)
    files = [tmp_path / f"P_{number}" / "1-1.dcm" for number in range(100)]
    names = distinct_names(files)
    assert list(names.values()) == [f"P_{number}/1-1" for number in range(100)]
    assert len(looked_at) <= 2 * len(files)


def test_links_keep_their_names(tmp_path):
    """Of a store of files, in which those of the same content are one."""
    (tmp_path / "0a1b2c").touch()
    files = [tmp_path / "P1_L_CC.png", tmp_path / "P2_L_CC.png"]
    for file in files:
        file.symlink_to("0a1b2c")
    assert list(distinct_names(files).values()) == ["P1_L_CC", "P2_L_CC"]
