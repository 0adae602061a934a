import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from agn_d2.landmarks import METHODS, detect_landmarks, read_landmarks
from agn_d2.visualization.landmark_report import build_report

from ..dicom.dicom_files import mammogram, write
from ..programs import load_program

TOOL = Path(__file__).parents[2] / "tools" / "extract_landmarks.py"


@pytest.fixture(scope="module")
def main():
    return load_program(TOOL).main


@pytest.fixture
def images(tmp_path, cc, mlo):
    folder = tmp_path / "images"
    (folder / "sub").mkdir(parents=True)
    cv2.imwrite(str(folder / "a_CC.png"), cc.image)
    cv2.imwrite(str(folder / "sub" / "b_MLO.jpg"), mlo.image)
    (folder / "notes.txt").write_text("not an image")
    return folder


def test_records_nodes_overlays_and_counts(main, images, tmp_path, capsys):
    (images / "broken_CC.png").write_bytes(b"x")
    out, overlays = tmp_path / "landmarks.json", tmp_path / "overlays"
    options = ["--images", str(images), "--output", str(out), "--overlays", str(overlays)]
    assert main([*options, "--layout", "13,17"]) == 1  # one image was skipped
    assert set(read_landmarks(out)) == {"a_CC.png", "sub/b_MLO.jpg"}
    records = json.loads(out.read_text())
    assert len(records["a_CC.png"]["nodes"]) == 13
    assert len(records["sub/b_MLO.jpg"]["nodes"]) == 17
    drawing = cv2.imread(str(overlays / "sub" / "b_MLO.jpg.png"))
    assert drawing.shape == (512, 320, 3)
    said = capsys.readouterr()
    assert "1  CC   ok" in said.out and "1  MLO  ok" in said.out
    assert "2 of 3 images" in said.out
    assert "broken_CC.png" in said.err


def test_overlays_within_the_folder_are_no_images(main, images, tmp_path, capsys):
    options = ["--images", images, "--overlays", images / "overlays"]
    options += ["--output", tmp_path / "landmarks.json"]
    for _ in range(2):
        assert main(list(map(str, options))) == 0
        assert "2 of 2 images" in capsys.readouterr().out


def test_what_is_not_there_is_skipped_and_named_and_a_directory_file_is_no_image(
    main, images, tmp_path, capsys
):
    """A link whose target is missing; the DICOMDIR of a CD."""
    (images / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    options = ["--images", str(images), "--output", str(tmp_path / "landmarks.json")]
    assert main(options) == 0
    assert "2 of 2 images" in capsys.readouterr().out
    (images / "c_CC.png").symlink_to(tmp_path / "not_fetched.png")
    assert main(options) == 1
    said = capsys.readouterr()
    assert "2 of 3 images" in said.out and "c_CC.png" in said.err


def test_the_former_name_of_the_method_is_understood(main, images, tmp_path):
    written = []
    for name in ("thesis", "seed", "robust"):
        out = tmp_path / f"{name}.json"
        assert main(["--images", str(images), "--output", str(out), "--method", name]) == 0
        written.append(json.loads(out.read_text()))
    assert written[0] == written[1] != written[2]


def test_all_unreadable_is_a_failure(main, tmp_path):
    (tmp_path / "broken_CC.png").write_bytes(b"x")
    out = tmp_path / "landmarks.json"
    assert main(["--images", str(tmp_path), "--output", str(out)]) == 1
    assert not out.exists()


@pytest.mark.parametrize("kind", ["missing", "empty", "unknown view", "layout"])
def test_clear_errors(main, kind, images, tmp_path, capsys):
    folder, layout = images, "22,26"
    if kind == "missing":
        folder = tmp_path / "nowhere"
        expected = "nowhere: no such folder"
    elif kind == "empty":
        folder = tmp_path / "empty"
        folder.mkdir()
        expected = "empty: no images in this folder"
    elif kind == "unknown view":
        (images / "a_CC.png").rename(images / "strange.png")
        (images / "sub" / "b_MLO.jpg").unlink()
        expected = "strange.png"
    else:
        layout, expected = "22", "22,26"
    out = tmp_path / "x.json"
    assert main(["--images", str(folder), "--output", str(out), "--layout", layout]) == 2
    assert expected in capsys.readouterr().err
    assert not out.exists()


def test_view_option_overrides_names(main, images, tmp_path):
    (images / "a_CC.png").rename(images / "strange.png")
    out = tmp_path / "x.json"
    assert main(["--images", str(images), "--output", str(out), "--view", "CC"]) == 0
    assert {item.view for item in read_landmarks(out).values()} == {"CC"}


def test_corrections_override_before_nodes_are_placed(main, images, tmp_path, capsys):
    notes = tmp_path / "notes.csv"
    notes.write_text("file_name,nipple_x,nipple_y\na_CC.png,150,200\ngone.png,1,1\n")
    out = tmp_path / "x.json"
    options = ["--images", str(images), "--output", str(out), "--corrections", str(notes)]
    assert main(options) == 0
    record = json.loads(out.read_text())["a_CC.png"]
    assert record["nipple"] == record["nodes"][0] == [150, 200]
    assert record["status"] == "nipple: by hand"
    said = capsys.readouterr()
    assert "1  CC   nipple: by hand" in said.out
    assert "no landmarks: gone.png" in said.err
    out.unlink()
    notes.write_text("file_name,nipple_x,nipple_y\na_CC.png,1500,200\n")
    assert main(options) == 2
    assert "notes.csv, line 2 (a_CC.png): nipple lies outside" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("method", METHODS)
def test_the_method_is_passed_on(main, images, tmp_path, cc, method):
    out = tmp_path / "x.json"
    assert main(["--images", str(images), "--output", str(out), "--method", method]) == 0
    # A file holds confidences rounded to four digits.
    found = read_landmarks(out)["a_CC.png"].to_dict()
    assert found == detect_landmarks(cc.image, "CC", method).to_dict()
    others = {m for m in METHODS if m != method}
    assert all(found != detect_landmarks(cc.image, "CC", other).to_dict() for other in others)


def test_an_unknown_method_is_refused(main, images, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["--images", str(images), "--output", str(tmp_path / "x"), "--method", "hough"])
    assert "robust" in capsys.readouterr().err


def test_views_from_a_table(main, images, tmp_path, capsys):
    (images / "a_CC.png").rename(images / "0f3a9c.png")
    table, out = tmp_path / "views.csv", tmp_path / "x.json"
    table.write_text("file_name,view\n0f3a9c.png,CC\nsub/b_MLO.jpg,ML\n")
    options = ["--images", str(images), "--output", str(out), "--views", str(table)]
    assert main(options) == 1
    assert {name: item.view for name, item in read_landmarks(out).items()} == {"0f3a9c.png": "CC"}
    assert "b_MLO.jpg is a view ML" in capsys.readouterr().err


def test_an_output_that_cannot_be_written_is_said_before_the_work(
    main, images, tmp_path, capsys, monkeypatch
):
    monkeypatch.setitem(main.__globals__, "extract", None)  # would raise
    assert main(["--images", str(images), "--output", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err


@pytest.mark.parametrize("full_at", ["x.json", "a_CC.png.png"])
def test_a_full_disk_leaves_nothing_half_written(
    main, images, tmp_path, capsys, monkeypatch, full_at
):
    real = os.replace

    def replace(part, path):
        if path.name == full_at:
            raise OSError(28, "No space left on device", str(path))
        real(part, path)

    monkeypatch.setattr(os, "replace", replace)
    out, overlays = tmp_path / "out" / "x.json", tmp_path / "overlays"
    options = ["--images", str(images), "--output", str(out), "--overlays", str(overlays)]
    assert main(options) == 2
    assert "the disk is full" in capsys.readouterr().err.splitlines()[-1]
    left = [p.name for p in (*out.parent.iterdir(), *overlays.rglob("*.p*"))]
    assert left == ([] if full_at == "x.json" else ["x.json"])


def test_dicom_files_tell_their_view(main, cc, tmp_path, capsys):
    folder, out = tmp_path / "films", tmp_path / "out.json"
    pixels = cc.image.astype(np.uint16) * (4095 // max(int(cc.image.max()), 1))
    write(folder / "IM0001", mammogram(pixels))
    write(folder / "IM0002", mammogram(pixels, ViewPosition="MLO", ImageLaterality=None))
    write(folder / "IM0003", mammogram(pixels, ViewPosition="XCCL"))
    write(folder / "IM0004", mammogram(pixels, ViewPosition=None))
    assert main(["--images", str(folder), "--output", str(out), "--overlays", str(tmp_path)]) == 1
    found = read_landmarks(out)
    assert {name: item.view for name, item in found.items()} == {"IM0001": "CC", "IM0002": "MLO"}
    err = capsys.readouterr().err
    assert "IM0003: view XCCL, neither CC nor MLO" in err
    assert "IM0004: no tag tells the view" in err
    assert (tmp_path / "IM0001.png").is_file()
    page = build_report(found, folder, tmp_path / "page")
    assert page.problems == {} and page.without_record == ["IM0003", "IM0004"]
    assert (tmp_path / "page/images/IM0001.jpg").stat().st_size > 1000
