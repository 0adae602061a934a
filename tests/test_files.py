import os

import pytest

from agn_d2.files import check_writable


def test_a_path_that_can_be_written_raises_nothing_and_leaves_nothing(tmp_path):
    check_writable(tmp_path / "new" / "a.json")
    assert list((tmp_path / "new").iterdir()) == []


def test_a_folder_and_a_path_below_a_file_are_named(tmp_path):
    with pytest.raises(IsADirectoryError, match=str(tmp_path)):
        check_writable(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError, match="file"):
        check_writable(tmp_path / "file" / "a.json")


def test_a_read_only_folder_is_named(tmp_path, monkeypatch):
    def refuses(*args, **kwargs):
        raise OSError(30, os.strerror(30), "/somewhere/else")

    monkeypatch.setattr("tempfile.TemporaryFile", refuses)
    with pytest.raises(OSError, match=r"Read-only file system.*a\.json"):
        check_writable(tmp_path / "a.json")
