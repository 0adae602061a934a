"""Runs of the preparation that are repeated, killed, out of room, at odds, or wrongly asked for."""

import os
import re
import shutil
import signal
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import pytest

from agn_d2.prepare import images
from agn_d2.prepare.cbis_ddsm.release import prepare_release
from agn_d2.prepare.core_film import FilmOptions
from agn_d2.prepare.work_folder import DiskFull

from ...programs import load_program
from ..helpers import another_process_holds
from .test_release import options

TOOL = Path(__file__).parents[3] / "datasets" / "prepare.py"


def tree(folder):
    """Content of every file of a data set, but for its records of work."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and "work" not in p.relative_to(folder).parts[:1]
    }


def test_a_second_run_does_nothing_and_a_changed_file_only_its_film(small_fixture, tmp_path):
    folder = shutil.copytree(small_fixture, tmp_path / "fixture")
    out = tmp_path / "out"
    first = prepare_release(options(folder, out))
    assert first.prepared == 6  # five examined ones and one for context
    stamps = {p: p.stat().st_mtime_ns for p in out.rglob("*") if p.is_file()}
    second = prepare_release(options(folder, out))
    assert (second.prepared, second.summary) == (0, first.summary)
    del stamps[out / "work" / ".lock"]
    assert stamps == {p: p.stat().st_mtime_ns for p in stamps}
    path = sorted((folder / "download").rglob("*P_00001_LEFT_MLO_1/*/*/*.dcm"))[0]
    os.utime(path, ns=(0, 0))
    assert prepare_release(options(folder, out)).prepared == 1
    (out / "images" / "Mass-Training_P_00000_LEFT_CC.png").unlink()
    assert prepare_release(options(folder, out)).prepared == 1
    (out / "annotations" / "train.json").unlink()
    assert prepare_release(options(folder, out)).prepared == 0
    assert (out / "annotations" / "train.json").is_file()
    assert prepare_release(options(folder, out, film=FilmOptions(clean=False))).prepared == 6


def test_a_run_that_is_killed_goes_on_to_the_same_result(small_fixture, tmp_path):
    undisturbed, out = tmp_path / "undisturbed", tmp_path / "killed"
    prepare_release(options(small_fixture, undisturbed))
    process = get_context("fork").Process(
        target=prepare_release, args=(options(small_fixture, out),)
    )
    process.start()
    records = out / "work" / "records"
    while process.is_alive() and len(list(records.glob("*.json"))) < 2:
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert not (out / "annotations" / "train.json").exists()
    (out / "images" / f".half.png.{process.pid}.part").write_bytes(b"half")
    result = prepare_release(options(small_fixture, out))
    assert 1 <= result.prepared <= 4
    assert tree(out) == tree(undisturbed)


def test_a_full_disk_ends_in_one_message_and_nothing_half_written(
    small_fixture, tmp_path, monkeypatch
):
    undisturbed, out = tmp_path / "undisturbed", tmp_path / "out"
    prepare_release(options(small_fixture, undisturbed))
    written = []

    def write(path, data):
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        written.append(path)
        real(path, data)

    real = images.write_atomically
    monkeypatch.setattr(images, "write_atomically", write)
    with pytest.raises(DiskFull, match=r"no room left to write Mass-.* \(No space left"):
        prepare_release(options(small_fixture, out))
    assert sorted(p.name for p in (out / "images").iterdir()) == sorted(p.name for p in written)
    assert not list((out / "annotations").iterdir())
    monkeypatch.setattr(images, "write_atomically", real)
    assert prepare_release(options(small_fixture, out)).prepared == 3
    assert tree(out) == tree(undisturbed)


@pytest.mark.parametrize(
    ("root", "table", "message"),
    [
        ("none", "csv", "prepare: --root .*none: no such folder"),
        ("csv", "csv", r"no \.dcm file in it"),
        ("download", "none", "--csv must be the folder"),
    ],
)
def test_wrong_folders_end_in_one_line(
    small_fixture, tmp_path, monkeypatch, capsys, root, table, message
):
    module = load_program(TOOL)
    arguments = ["cbis-ddsm", "--root", small_fixture / root, "--csv", small_fixture / table]
    arguments += ["--out", tmp_path / "out"]
    monkeypatch.setattr(sys, "argv", [str(TOOL), *map(str, arguments)])
    assert module.main() == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(message, line)
    assert not (tmp_path / "out").exists()


def test_a_data_set_made_otherwise_is_not_overwritten(small_fixture, tmp_path):
    (tmp_path / "annotations").mkdir()
    with pytest.raises(ValueError, match="made in another way"):
        prepare_release(options(small_fixture, tmp_path))


def test_two_runs_at_once_are_refused(small_fixture, tmp_path):
    with another_process_holds(tmp_path / "work" / ".lock") as process:
        message = rf"another run is at work in .*work \(.*{process.pid}"
        with pytest.raises(ValueError, match=message):
            prepare_release(options(small_fixture, tmp_path))
    assert prepare_release(options(small_fixture, tmp_path)).prepared == 6


def test_bad_options_are_refused(tmp_path):
    with pytest.raises(ValueError, match="--subset"):
        options(tmp_path, tmp_path, subset="masses")
    with pytest.raises(ValueError, match="belong together"):
        options(tmp_path, tmp_path, ddsm=tmp_path)
    with pytest.raises(ValueError, match="orientation"):
        FilmOptions(orientation="up")
