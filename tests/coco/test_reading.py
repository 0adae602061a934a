"""Files that are read, and how often."""

import gc
import gzip
import json
import os

import pytest

from agn_d2.coco.reading import once, read_json


@pytest.mark.parametrize(
    "data",
    [b'{"a": "\xc3\xa4"}', b'\xef\xbb\xbf{"a": "\xc3\xa4"}', gzip.compress(b'{"a": "\xc3\xa4"}')],
    ids=["plain", "byte order mark", "gzip"],
)
def test_what_is_read(tmp_path, data):
    (tmp_path / "a.json").write_bytes(data)
    assert read_json(tmp_path / "a.json") == {"a": "ä"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ('{"a": 1}'.encode("utf-16"), r"a\.json: is not JSON in UTF-8 \(save it as UTF-8\)"),
        (b"{", r"a\.json: is not JSON: "),
        (gzip.compress(b"[1, 2]" * 99)[:-9], r"a\.json: is a damaged gzip file"),
    ],
)
def test_what_is_refused(tmp_path, data, message):
    (tmp_path / "a.json").write_bytes(data)
    with pytest.raises(ValueError, match=message):
        read_json(tmp_path / "a.json")
    assert gc.isenabled()


def test_a_file_is_read_once_until_it_changes(tmp_path):
    calls = []

    @once
    def read(path):
        calls.append(path)
        return json.loads(path.read_text())

    path = tmp_path / "a.json"
    path.write_text("1")
    assert [read(path), read(str(path))] == [1, 1]
    assert calls == [path]
    path.write_text("2")
    os.utime(path, ns=(1, 1))
    assert read(path) == 2


def test_a_failed_reading_is_tried_again(tmp_path):
    path = tmp_path / "a.json"
    read = once(read_json)
    with pytest.raises(ValueError, match="No such file"):
        read(path)
    path.write_text("3")
    assert read(path) == 3
