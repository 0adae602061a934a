"""Writing in one step, places that cannot be written, and file names made from data."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from agn_d2.utils.files import (
    check_writable,
    check_writable_folder,
    clear_parts,
    write_atomically,
    write_json,
    write_text,
)

ROOT = Path(__file__).resolve().parents[2]


def content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_writers_make_the_folder_and_leave_nothing_else(tmp_path):
    folder = tmp_path / "new" / "deeper"
    write_text(folder / "a.txt", "ä\n")
    write_json(folder / "b.json", {"x": [1]})
    write_atomically(folder / "c", lambda file: file.write(b"12"))
    assert content(folder) == {"a.txt": "ä\n", "b.json": '{"x": [1]}', "c": "12"}


def test_a_name_may_be_as_long_as_the_file_system_takes(tmp_path):
    path = tmp_path / ("\u00e4" * 125 + ".json")  # 255 bytes
    write_text(path, "whole")
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_an_error_while_writing_keeps_the_old_file(tmp_path):
    write_text(tmp_path / "a", "old")

    def half(file):
        file.write(b"ne")
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        write_atomically(tmp_path / "a", half)
    assert content(tmp_path) == {"a": "old"}


@contextmanager
def limited():
    """A limit of 1000 bytes for every file, as a disk without room.

    For as short as can be: it holds for whatever else the process writes, such as pytest's own
    output where that goes to a file.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_no_room_keeps_the_old_file_and_names_it(tmp_path):
    path = tmp_path / "a.json"
    write_text(path, "old")
    with pytest.raises(OSError) as error, limited():
        write_text(path, "x" * 5000)
    assert (error.value.errno, error.value.filename) == (errno.EFBIG, str(path))
    assert content(tmp_path) == {"a.json": "old"}


def test_a_kill_while_writing_keeps_the_old_file(tmp_path):
    write_text(tmp_path / "a", "old")
    code = (
        "import importlib.util as u, sys, time\n"
        f"s = u.spec_from_file_location('files', {str(ROOT / 'agn_d2/utils/files.py')!r})\n"
        "m = u.module_from_spec(s); s.loader.exec_module(m)\n"
        "def slow(file):\n"
        "    file.write(b'half'); file.flush(); print('half', flush=True); time.sleep(60)\n"
        "m.write_atomically(sys.argv[1], slow)\n"
    )
    running = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "a"], stdout=subprocess.PIPE, text=True
    )
    assert running.stdout.readline() == "half\n"
    running.kill()
    running.communicate()
    assert (tmp_path / "a").read_text() == "old"


def test_what_is_no_regular_file_is_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_text(pipe, "text")
    assert os.read(reader, 10) == b"text"
    os.close(reader)
    assert pipe.is_fifo()


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "real" / "a")
    write_text(link, "text")
    assert link.is_symlink()
    assert content(tmp_path / "real") == {"a": "text"}


@pytest.mark.parametrize("write", [check_writable, lambda path: write_text(path, "x")])
@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("folder", errno.EISDIR),
        ("file/a.json", errno.ENOTDIR),
        ("file/deeper/a.json", errno.ENOTDIR),
    ],
)
def test_a_place_that_cannot_be_written_is_named(tmp_path, write, place, kind):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError) as error:
        write(tmp_path / place)
    assert (error.value.errno, error.value.filename) == (kind, str(tmp_path / place))
    assert content(tmp_path / "folder").keys() == set()
    assert (tmp_path / "file").read_text() == "x"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="this system has no /proc")
def test_a_file_system_that_takes_no_files():
    for check in (check_writable, check_writable_folder):
        with pytest.raises(PermissionError) as error:
            check("/proc/new")
        assert error.value.filename == "/proc/new"


def test_a_read_only_file_system_is_named(tmp_path, monkeypatch):
    def refuses(*args, **kwargs):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), "/somewhere/else")

    monkeypatch.setattr("tempfile.TemporaryFile", refuses)
    with pytest.raises(OSError, match=r"Read-only file system.*a\.json"):
        check_writable(tmp_path / "a.json")


def test_checks_make_the_folder_and_leave_nothing(tmp_path):
    check_writable(tmp_path / "new" / "a.json")
    check_writable(tmp_path / "new" / "b.json")
    check_writable("/dev/null")
    check_writable_folder(tmp_path / "other")
    assert content(tmp_path / "new") == {}
    assert content(tmp_path / "other") == {}


def test_only_what_nobody_writes_any_more_is_cleared(tmp_path):
    # The last one is of a file server whose clock is ahead.
    ages = {".a.json.1.part": 700, ".b.json.2.part": 10, "c.json": 700, ".d.json.3.part": -60}
    for name, age in ages.items():
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    assert clear_parts(tmp_path, idle=600) == 1
    assert sorted(content(tmp_path)) == [".b.json.2.part", ".d.json.3.part", "c.json"]
    assert clear_parts(tmp_path) == 2
    assert sorted(content(tmp_path)) == ["c.json"]
