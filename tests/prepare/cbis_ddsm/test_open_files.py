"""Files that cannot be read now, damaged records of work, findings that are lost."""

import builtins
import errno
import io
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from agn_d2.prepare import open_files
from agn_d2.prepare.cbis_ddsm import index
from agn_d2.prepare.cbis_ddsm.links import Plan
from agn_d2.prepare.cbis_ddsm.release import _check_examined, prepare_release

from ...programs import load_program
from .test_release import options
from .test_release_runs import TOOL, tree

FILM = "Mass-Training_P_00001_LEFT_MLO"
TRANSIENT = [errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENOMEM, errno.EACCES]


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch):
    monkeypatch.setattr(open_files, "PAUSES", (0.0, 0.0))
    monkeypatch.setattr(index, "PAUSES", (0.0, 0.0))


@pytest.fixture
def drive(monkeypatch):
    """A drive that fails: ``drive[part of a path] = (errno, how many more times)``."""
    failing = {}
    real = io.open

    def opens(path, *args, **kwargs):
        for part, (number, times) in failing.items():
            if part in str(path) and str(path).endswith(".dcm") and times > 0:
                failing[part] = (number, times - 1)
                raise OSError(number, os.strerror(number), str(path))
        return real(path, *args, **kwargs)

    monkeypatch.setattr(io, "open", opens)
    monkeypatch.setattr(builtins, "open", opens)
    return failing


@pytest.fixture(scope="module")
def undisturbed(small_fixture, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed")
    prepare_release(options(small_fixture, out))
    return tree(out)


@pytest.mark.parametrize("number", TRANSIENT, ids=[errno.errorcode[n] for n in TRANSIENT])
@pytest.mark.parametrize("what", [FILM + "/", FILM + "_1/"], ids=["film", "mask and crop"])
def test_a_file_that_fails_for_a_moment_is_tried_again(
    small_fixture, tmp_path, drive, undisturbed, number, what
):
    drive[what] = (number, 2)
    result = prepare_release(options(small_fixture, tmp_path))
    assert drive[what] == (number, 0)
    assert (result.prepared, result.open) == (6, {})
    assert tree(tmp_path) == undisturbed


@pytest.mark.parametrize("what", [FILM + "/", FILM + "_1/"], ids=["film", "mask and crop"])
def test_a_film_that_cannot_be_read_is_open_and_the_next_run_takes_it_up(
    small_fixture, tmp_path, drive, undisturbed, what
):
    prepare_release(options(small_fixture, tmp_path))  # the headers are known from then on
    (tmp_path / "work" / "records" / f"{FILM}.json").unlink()
    (tmp_path / "work" / "finished.json").unlink()
    drive[what] = (errno.EIO, 1000)
    for _ in range(2):  # it is not marked as finished
        result = prepare_release(options(small_fixture, tmp_path))
        assert result.prepared == 0
        assert list(result.open) == [FILM] and "Input/output error" in result.open[FILM]
        assert result.summary["films left out"]["cannot be read now"] == 1
        assert (result.summary["films examined"], result.summary["films lost"]) == (4, 0)
        assert FILM not in (tmp_path / "annotations" / "train.json").read_text()
    drive.clear()
    result = prepare_release(options(small_fixture, tmp_path))
    assert (result.prepared, result.open) == (1, {})
    assert tree(tmp_path) == undisturbed


def test_a_header_that_cannot_be_read_is_open(small_fixture, tmp_path, drive, undisturbed):
    drive[FILM + "_1/"] = (errno.EIO, 1000)
    result = prepare_release(options(small_fixture, tmp_path))
    assert result.open.pop(FILM).endswith("Input/output error")
    assert result.open and all(FILM + "_1/" in path for path in result.open)
    drive.clear()
    result = prepare_release(options(small_fixture, tmp_path))
    assert (result.prepared, result.open) == (1, {})
    assert tree(tmp_path) == undisturbed


def test_a_broken_file_is_told_from_a_drive_that_fails(small_fixture, tmp_path):
    folder = shutil.copytree(small_fixture, tmp_path / "fixture")
    (path,) = (folder / "download").rglob(f"{FILM}/*/*/*.dcm")
    path.write_bytes(path.read_bytes()[:3000])
    result = prepare_release(options(folder, tmp_path / "out"))
    assert result.open == {}
    assert (result.summary["films lost"], result.summary["decisions"]["film unreadable"]) == (1, 1)


def test_a_folder_that_cannot_be_listed_is_tried_again_and_then_ends_the_run(
    small_fixture, tmp_path, monkeypatch
):
    failures = []

    def scandir(path):
        if FILM + "_1" in str(path) and len(failures) < times:
            failures.append(path)
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return real(path)

    real = os.scandir
    monkeypatch.setattr(os, "scandir", scandir)
    times = 2
    found = index.list_dicom(small_fixture / "download")
    assert sum(FILM + "_1" in path for path in found) == 2
    times = 100
    with pytest.raises(OSError, match=f"Input/output error.*{FILM}_1"):
        index.list_dicom(small_fixture / "download")


def test_the_tool_ends_with_1_and_one_line_while_a_film_is_open(
    small_fixture, tmp_path, drive, capsys, monkeypatch
):
    module = load_program(TOOL)
    arguments = ["--root", small_fixture / "download", "--csv", small_fixture / "csv"]
    arguments += ["--out", tmp_path, "--workers", 1]
    monkeypatch.setattr(sys, "argv", [str(TOOL), "cbis-ddsm", *map(str, arguments)])
    drive[FILM + "/"] = (errno.ESTALE, 1000)
    assert module.main() == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert "cannot be read now" in line and FILM in line and "Run it again" in line
    drive.clear()
    assert module.main() == 0


@pytest.mark.parametrize("content", ["{", "[1, 2]", '[["a.dcm"]]', "null", "\udcff"])
@pytest.mark.parametrize("name", ["headers.json", "finished.json"])
def test_damaged_records_of_work_are_made_anew(small_fixture, tmp_path, undisturbed, name, content):
    prepare_release(options(small_fixture, tmp_path))
    path = tmp_path / "work" / name
    before = json.loads(path.read_text())
    for other in ("finished.json", name):
        (tmp_path / "work" / other).write_text(content, errors="surrogateescape")
    result = prepare_release(options(small_fixture, tmp_path))
    assert (result.prepared, result.open) == (0, {})
    assert json.loads(path.read_text()) == before
    assert tree(tmp_path) == undisturbed


def _without_masks(small_fixture: Path, folder: Path) -> Path:
    shutil.copytree(small_fixture, folder)
    shutil.rmtree(next((folder / "download").rglob(f"{FILM}_1")))
    return folder


def test_a_film_whose_finding_is_lost_only_serves_others(small_fixture, tmp_path):
    folder = _without_masks(small_fixture, tmp_path / "part")
    out = tmp_path / "out"
    summary = prepare_release(options(folder, out, val_share=0.0)).summary
    train = json.loads((out / "annotations" / "train.json").read_text())
    assert [i["file_name"] for i in train["context_images"]] == [f"{FILM}.png"]
    assert len(train["images"]) == len(train["annotations"]) == 3
    assert summary["films that are context only, as a finding is lost"] == 1
    assert summary["splits"]["train"]["context images"] == 1
    # The CC of that breast still reads it.
    assert summary["splits"]["train"]["links"]["auxiliary only"] == 3
    text = (out / "report" / "decisions.csv").read_text()
    assert f"{FILM},context train,,context only,a finding is lost: 1" in text


def test_keep_examines_it_all_the_same(small_fixture, tmp_path):
    folder = _without_masks(small_fixture, tmp_path / "part")
    out = tmp_path / "out"
    summary = prepare_release(options(folder, out, val_share=0.0, keep=True)).summary
    train = json.loads((out / "annotations" / "train.json").read_text())
    assert (len(train["images"]), len(train["annotations"])) == (4, 3)
    assert train["context_images"] == []
    assert summary["films that are context only, as a finding is lost"] == 0
    # Another choice is no finished run.
    assert prepare_release(options(folder, out, val_share=0.0)).prepared == 0
    train = json.loads((out / "annotations" / "train.json").read_text())
    assert len(train["context_images"]) == 1


def test_films_that_are_all_left_out_by_the_plan_are_told_like_lost_ones(tmp_path):
    plan = Plan({}, {}, {"Mass-Training_P_1_LEFT_CC": "the view is there already"})
    with pytest.raises(ValueError, match=r"first: Mass-Training_P_1_LEFT_CC \(the view is there"):
        _check_examined(tmp_path, plan, {}, {})


def test_a_download_without_films_makes_no_empty_data_set(small_fixture, tmp_path):
    """Masks and crops alone, as a manifest of the masks gives them."""
    folder = shutil.copytree(small_fixture, tmp_path / "part")
    for path in (folder / "download").iterdir():
        if path.name.endswith(("_CC", "_MLO")):
            shutil.rmtree(path)
    message = r"no film in it can be examined; the first: Mass-.*_P_00000_.* \(no file of series"
    with pytest.raises(ValueError, match=message):
        prepare_release(options(folder, tmp_path / "out"))
    assert not (tmp_path / "out" / "annotations" / "train.json").exists()
