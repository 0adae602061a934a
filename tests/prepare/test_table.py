"""datasets/prepare.py table: a table of one's own, from its rows to FROC."""

import errno
import io
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from agn_d2.data.cases import count_links, group_cases
from agn_d2.dicom.acceptance import Wishes
from agn_d2.prepare import core_step
from agn_d2.prepare.core_film import write_film
from agn_d2.prepare.table import read_table
from agn_d2.utils.files import write_text

from ..dicom.dicom_files import film, mammogram, uid, write
from .helpers import (
    decisions_of,
    film_boxes,
    froc_of_made_up_detections,
    load,
    prepare,
    split_of,
    summary_of,
)

HEADER = "File;Box;Patient;Side;View;Split;Lesion;Bits"
FIRST = "one/a.png;40 70 60 100;A;left;CC;training;m1;"
ROWS = """
one/a.png;40 70 60 100;A;left;CC;training;m1;
one/a.png;20 90 30 110;A;left;CC;training;;
one/b.png;[35, 80, 55, 105];A;;L MLO;training;m1;
two/a.png;;A;R;cc;training;;12
exam/1;30 60 60 90;;;;test;;
exam/2;-3.5 60 20.5 90;;;;test;;
exam/3;1 1 9 9;;;;test;;
B_RIGHT_CC.png;300 60 320 80;;;;test;;
B_RIGHT_MLO.png;;;;;test;;
gone.png;1 2 3 4;C;L;CC;test;;
"""


@pytest.fixture
def source(tmp_path: Path) -> tuple[Path, Path]:
    """(table, folder of images): PNG of 8 bits and of 12 in 16, and DICOM without a suffix."""
    images = tmp_path / "images"
    for name in ("one/a.png", "one/b.png", "B_RIGHT_CC.png", "B_RIGHT_MLO.png"):
        (images / name).parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(images / name), (film() >> 4).astype(np.uint8))
    (images / "two").mkdir()
    assert cv2.imwrite(str(images / "two" / "a.png"), film())
    for number, view in (("1", "CC"), ("2", "MLO"), ("3", "ML")):
        data = mammogram(film(), ViewPosition=view, ImagerPixelSpacing=[0.1, 0.1])
        data.SOPInstanceUID = uid(f"film {number}")
        write(images / "exam" / number, data)
    table = tmp_path / "mine.csv"
    write_text(table, HEADER + ROWS)
    return table, images


def test_rows_become_films_and_lesions(source):
    found = read_table(*source)
    films = {film.path or film.name: film for film in found.films}
    assert [film.name for film in found.films] == [
        "one_a",
        "b",
        "two_a",
        "1",
        "2",
        "B_RIGHT_CC",
        "B_RIGHT_MLO",
        "gone",
    ]
    first = films["one/a.png"]
    assert (first.patient_id, first.laterality, first.view, first.split) == (
        "A",
        "L",
        "CC",
        "train",
    )
    assert [(x.box, x.lesion_id) for x in first.lesions] == [
        ((40, 70, 60, 100), "m1"),
        ((20, 90, 30, 110), None),
    ]
    assert (films["one/b.png"].laterality, films["one/b.png"].view) == ("L", "MLO")
    assert films["two/a.png"].lesions == () and films["two/a.png"].bits == 12
    # Of the header; the patient's id itself goes nowhere.
    assert (films["exam/2"].laterality, films["exam/2"].view) == ("L", "MLO")
    assert films["exam/1"].patient_id == films["exam/2"].patient_id
    assert "SECRET" not in films["exam/1"].patient_id
    assert films["exam/1"].case_id == films["exam/2"].case_id
    assert films["exam/1"].case_id is not None and films["one/a.png"].case_id is None
    b = films["B_RIGHT_CC.png"]
    assert (b.patient_id, b.laterality, b.view) == ("B", "R", "CC")
    assert films["gone"].path is None
    assert found.left_out == (("exam/3", "view ML; taken for MLO only when asked"),)
    taken = read_table(*source, wishes=Wishes(lateral=True))
    assert {f.path: f.view for f in taken.films}["exam/3"] == "MLO"


def test_a_header_that_cannot_be_read_now_is_no_film_left_out(source, monkeypatch):
    """Else a drive that fails for a moment would cost the film for good, and nobody were told."""
    table, images = source
    reading = io.open

    def fail(path, *args, **kwargs):
        if str(path).endswith("exam/1"):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return reading(path, *args, **kwargs)

    monkeypatch.setattr("builtins.open", fail)
    with pytest.raises(OSError, match=r"exam/1"):
        read_table(table, images)
    # Where the table tells all, the step that reads the pixels tries again.
    told = table.read_text().replace("30 60 60 90;;;;", "30 60 60 90;P;L;CC;")
    table.write_text(told)
    assert "exam/1" in {film.path for film in read_table(table, images).films}


def test_films_are_not_overwritten_by_what_is_made_of_them(source, capsys):
    table, images = source
    table.write_text("file,box,patient,side,view\nB_RIGHT_CC.png,,B,R,CC\n")
    film_bytes = (images / "B_RIGHT_CC.png").read_bytes()
    arguments = ["--table", table, "--images", images, "--out", images.parent]
    assert prepare("table", *arguments) == 2
    assert "images holds the films themselves" in capsys.readouterr().err
    assert (images / "B_RIGHT_CC.png").read_bytes() == film_bytes


def test_from_the_table_to_froc(source, tmp_path, caplog):
    table, images = source
    out = tmp_path / "mine"
    arguments = ["table", "--table", table, "--images", images, "--out", out]
    assert prepare(*arguments, "--val-share", 0) == 0
    train, test = split_of(out, "train"), split_of(out, "test")
    assert film_boxes(train) == {
        "b.png": [[35, 80, 55, 105]],
        "one_a.png": [[40, 70, 60, 100], [20, 90, 30, 110]],
        "two_a.png": [],
    }
    ids = {tuple(a["bbox"][2:]): a["lesion_id"] for a in train["annotations"]}
    assert ids == {(20, 25): "m1", (20, 30): "m1", (10, 20): "one_a_2"}
    # The box over the film's edge is clipped; the one beside the film is lost, and its film lent.
    assert film_boxes(test) == {
        "1.png": [[30, 60, 60, 90]],
        "2.png": [[0, 60, 20.5, 90]],
        "B_RIGHT_MLO.png": [],
    }
    assert [i["file_name"] for i in test["context_images"]] == ["B_RIGHT_CC.png"]
    assert {i["file_name"]: i.get("mm_per_pixel") for i in test["images"]}["1.png"] == 0.1
    # 12 bits fill the 16 of the file: the brightest value is white.
    assert cv2.imread(str(out / "images" / "two_a.png"), cv2.IMREAD_UNCHANGED).max() == 65535

    assert count_links(group_cases(load(out, "train"))) == {
        "both": 1,
        "auxiliary only": 1,
        "contralateral only": 1,
        "neither": 0,
        "total": 3,
    }
    assert count_links(group_cases(load(out, "test")))["auxiliary only"] == 3
    assert froc_of_made_up_detections(out, "test", tmp_path) == {
        "recall": [0.0, 1.0],
        "images": 3,
        "lesions": 2,
    }
    summary = summary_of(out)
    assert summary["films in the tables"] == 8 and summary["films examined"] == 6
    assert summary["films that are context only, as a lesion is lost"] == 1
    assert (summary["lesions"], summary["lesions used"]) == (7, 5)
    assert summary["decisions"]["box clipped"] == summary["decisions"]["lesion lost"] == 1
    assert summary["left out"] == {
        "film unreadable": 1,
        "view ML; taken for MLO only when asked": 1,
    }
    # m1 in both views, and the one lesion of exam in each of its views.
    assert summary["lesion ids by rule"] == {
        "one view": 1,
        "only lesion": 2,
        "the data set's own": 2,
    }
    assert summary["priors, lesions seen in both views"]["prior_22_26.json"] == 1
    rows = {(row["film"], row["decision"]): row for row in decisions_of(out)}
    assert rows["B_RIGHT_CC", "context only"]["use"] == "context test"
    assert "its file is not there" in rows["gone", "left out"]["detail"]
    assert "1 of 8 films have no file, or none that holds a picture" in caplog.text
    assert "the first: gone (its file is not there)" in caplog.text


def test_a_lesion_outside_of_the_crop_is_lost(source, tmp_path):
    """The breast reaches to x = 75; a box on the dark film beyond it has no place in the crop."""
    table, images = source
    table.write_text(table.read_text().replace("30 60 60 90", "140 5 148 15"))
    arguments = ["table", "--table", table, "--images", images]
    assert prepare(*arguments, "--out", tmp_path / "cut") == 0
    context = split_of(tmp_path / "cut", "test")["context_images"]
    assert {image["file_name"] for image in context} == {"1.png", "B_RIGHT_CC.png"}
    load(tmp_path / "cut", "test")
    assert prepare(*arguments, "--out", tmp_path / "whole", "--no-crop") == 0
    boxes = film_boxes(split_of(tmp_path / "whole", "test"))
    assert boxes["1.png"] == [[140, 5, 148, 15]]


def test_keep_examines_the_film_whose_lesion_is_lost(source, tmp_path):
    table, images = source
    out = tmp_path / "mine"
    arguments = ["table", "--table", table, "--images", images, "--out", out, "--keep"]
    assert prepare(*arguments) == 0
    assert film_boxes(split_of(out, "test"))["B_RIGHT_CC.png"] == []
    assert split_of(out, "test")["context_images"] == []


def test_a_second_run_does_nothing_and_a_changed_row_its_film(source, tmp_path, capsys):
    table, images = source
    arguments = ["table", "--table", table, "--images", images, "--out", tmp_path / "mine"]
    said = []
    for text in (None, None, table.read_text().replace("30 60 60 90", "30 60 70 90")):
        if text is not None:
            table.write_text(text)
        assert prepare(*arguments) == 0
        said.append(capsys.readouterr().out.splitlines()[-1].split(";")[0])
    assert said == [f"prepared now: {n} films" for n in (7 + 1, 0, 1)]


def test_a_run_that_ends_half_way_leaves_no_old_boxes_on_new_images(source, tmp_path, monkeypatch):
    """Mirrored, an image has the size that it had: nobody would see that its boxes are wrong."""
    table, images = source
    out = tmp_path / "mine"
    arguments = ["table", "--table", table, "--images", images, "--out", out]
    assert prepare(*arguments) == 0
    written = []

    def interrupted(*given):
        if written:
            raise KeyboardInterrupt
        written.append(given)
        return write_film(*given)

    with monkeypatch.context() as patch:
        patch.setattr(core_step, "write_film", interrupted)
        assert prepare(*arguments, "--chest-wall", "right") == 130
    assert not list((out / "annotations").glob("t*.json"))
    assert prepare(*arguments, "--chest-wall", "right") == 0
    assert all(image["mirrored"] for image in split_of(out, "train")["images"])


def test_a_film_more_leaves_the_annotations_there_until_it_is_done(source, tmp_path, monkeypatch):
    table, images = source
    out = tmp_path / "mine"
    arguments = ["table", "--table", table, "--images", images, "--out", out]
    assert prepare(*arguments) == 0
    write_text(table, table.read_text() + "more.png;;M;L;CC;test;;\n")
    assert cv2.imwrite(str(images / "more.png"), film())

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(core_step, "write_film", interrupted)
    assert prepare(*arguments) == 130
    load(out, "test")


@pytest.mark.parametrize("flags", [(), ("--keep",)])
def test_a_film_that_is_not_examined_serves_other_views_alone(source, tmp_path, flags):
    table, images = source
    rows = table.read_text().replace("Bits", "Bits;Examined")
    rows = rows.replace("training;m1;", "training;m1;;yes").replace(
        "training;;\n", "training;;;yes\n"
    )
    table.write_text(rows.replace(";;12\n", ";;12;No\n"))
    out = tmp_path / "mine"
    assert prepare("table", "--table", table, "--images", images, "--out", out, *flags) == 0
    train = split_of(out, "train")
    assert [image["file_name"] for image in train["images"]] == ["b.png", "one_a.png"]
    assert [image["file_name"] for image in train["context_images"]] == ["two_a.png"]
    summary = summary_of(out)
    assert summary["films that are context only, as the tables say"] == 1
    assert summary["films that are context only, as a lesion is lost"] == int(not flags)


def test_rows_of_a_film_may_leave_out_its_facts_but_not_contradict_each_other(tmp_path):
    table = tmp_path / "mine.csv"
    start = "file,box,mm_per_pixel,density\nP1_LEFT_CC.png,1 2 3 4,{}\nP1_LEFT_CC.png,5 6 7 8,{}\n"
    table.write_text(start.format(",3", "0.1,"))
    (found,) = read_table(table, tmp_path).films
    assert found.facts == {"mm_per_pixel": 0.1, "density": "3"} and len(found.lesions) == 2
    for second, message in (
        ("0.2,3", "lines 2, 3: mm_per_pixel of .* is '0.1' and '0.2'"),
        ("0.1,2", "density of .* is '2' and '3'"),
    ):
        table.write_text(start.format("0.1,3", second))
        with pytest.raises(ValueError, match=message):
            read_table(table, tmp_path)
    table.write_text(start.format(",3", "0,3"))
    with pytest.raises(ValueError, match="line 3: mm_per_pixel is 0"):
        read_table(table, tmp_path)


def test_splits_are_drawn_by_patient(tmp_path, caplog):
    images = tmp_path / "images"
    rows = ["file,x,y,w,h"]
    for patient in range(10):
        for view in ("CC", "MLO"):
            name = f"P{patient}_L_{view}.png"
            images.mkdir(exist_ok=True)
            assert cv2.imwrite(str(images / name), (film(patient) >> 4).astype(np.uint8))
            rows.append(f"{name},30,60,20,30")
    table = tmp_path / "mine.csv"
    table.write_text("\n".join(rows))
    out = tmp_path / "mine"
    assert prepare("table", "--table", table, "--images", images, "--out", out) == 0
    patients = {
        split: {image["patient_id"] for image in split_of(out, split)["images"]}
        for split in ("train", "val", "test")
    }
    # A fifth of ten patients, then a tenth of the eight that are left.
    assert {split: len(found) for split, found in patients.items()} == {
        "train": 7,
        "val": 1,
        "test": 2,
    }
    assert len(set.union(*patients.values())) == 10
    assert film_boxes(split_of(out, "val"))
    boxes = [box for found in film_boxes(split_of(out, "train")).values() for box in found]
    assert boxes == [[30, 60, 50, 90]] * 14
    assert "it is empty" not in caplog.text
    for path in images.glob(f"{patients['val'].pop()}_*"):
        path.unlink()
    assert prepare("table", "--table", table, "--images", images, "--out", out) == 0
    assert "of the val split can be examined: it is empty" in caplog.text
    assert split_of(out, "val")["images"] == []


@pytest.mark.parametrize(
    ("header", "cells", "box_format"),
    [
        ("box", '"30,60,50,90"', "xyxy"),
        ("box", "30 60 20 30", "xywh"),
        ("Xmin,Ymin,Xmax,Ymax", "30,60,50,90", "xyxy"),
        # Named corners stay corners, whatever a column box would hold.
        ("x0,y0,x1,y1", "30,60,50,90", "xywh"),
        ("x,y,width,height", "30,60,20,30", "xyxy"),
        # Beside w and h these are the size of the image.
        ("x,y,w,h,width,height", "30,60,20,30,300,400", "xyxy"),
        ("bbox", '"[30, 60, 20, 30]"', "xywh"),
    ],
)
def test_boxes_in_the_usual_forms(tmp_path, header, cells, box_format):
    table = tmp_path / "mine.csv"
    table.write_text(f"file,{header}\nP1_LEFT_CC.png,{cells}\n")
    (found,) = read_table(table, tmp_path, box_format=box_format).films
    assert [lesion.box for lesion in found.lesions] == [(30, 60, 50, 90)]


@pytest.mark.parametrize("cell", ["", "[]", "()"])
def test_a_film_without_a_box_however_it_is_written(tmp_path, cell):
    table = tmp_path / "mine.csv"
    table.write_text(f"file,box\nP1_LEFT_CC.png,{cell}\n")
    (found,) = read_table(table, tmp_path).films
    assert found.lesions == ()


def test_columns_by_their_usual_names(tmp_path, caplog):
    table = tmp_path / "mine.csv"
    table.write_text(
        "ImagePath,Box,PatientID,ImageLaterality,View Position,study_id,LesionID,Breast Density\n"
        "P1_LEFT_CC.png,1 2 3 4,P2,R,MLO,S7,m1,3\n"
    )
    source = read_table(table, tmp_path)
    (found,) = source.films
    assert (found.patient_id, found.laterality, found.view) == ("P2", "R", "MLO")
    assert (found.case_id, found.facts) == ("S7", {"density": "3"})
    assert found.lesions[0].lesion_id == "m1"
    assert source.unread == () and not caplog.messages


def test_columns_that_are_not_read_are_named(source, tmp_path, caplog):
    table, images = source
    text = table.read_text().replace("Split;", "Subset;")
    table.write_text(text)
    out = tmp_path / "mine"
    assert prepare("table", "--table", table, "--images", images, "--out", out) == 0
    assert "columns that are not read: subset. Read are file, box, patient, side" in caplog.text
    assert summary_of(out)["columns that are not read"] == ["subset"]


def test_a_column_without_a_name_and_two_of_one_name(tmp_path, caplog):
    table = tmp_path / "mine.csv"
    table.write_text(",file,box,mmperpixel,mm_per_pixel\n0,P1_LEFT_CC.png,1 2 3 4,0.05,0.07\n")
    source = read_table(table, tmp_path)
    assert source.unread == ("mmperpixel",) and source.films[0].facts == {"mm_per_pixel": 0.07}
    assert "columns that are not read: mmperpixel. Read" in caplog.text
    table.write_text(",picture,box\n0,P1_LEFT_CC.png,1 2 3 4\n")
    with pytest.raises(ValueError, match=r"The columns are: picture, box$"):
        read_table(table, tmp_path)


def test_a_repeated_box_has_the_lesion_that_is_stated(tmp_path):
    table = tmp_path / "mine.csv"
    rows = ["file,box,lesion", *(f"P1_LEFT_CC.png,1 2 3 4,{lesion}" for lesion in ("", "m1", ""))]
    table.write_text("\n".join(rows))
    (lesion,) = read_table(table, tmp_path).films[0].lesions
    assert (lesion.name, lesion.lesion_id) == ("1", "m1")
    table.write_text("\n".join([*rows, "P1_LEFT_CC.png,1 2 3 4,m2"]))
    with pytest.raises(ValueError, match="line 5: the box of lesion 'm2' is that of 'm1' too"):
        read_table(table, tmp_path)


def test_a_repeated_row_is_one_lesion(source, tmp_path):
    table, images = source
    table.write_text(table.read_text() + FIRST + "\n" + FIRST + "\n")
    first = read_table(table, images).films[0]
    assert [(x.box, x.lesion_id) for x in first.lesions] == [
        ((40, 70, 60, 100), "m1"),
        ((20, 90, 30, 110), None),
    ]
    out = tmp_path / "mine"
    assert prepare("table", "--table", table, "--images", images, "--out", out) == 0
    assert summary_of(out)["decisions"]["repeated row"] == 2
    details = [row["detail"] for row in decisions_of(out) if row["decision"] == "repeated row"]
    assert details == [f"line {n}: the box is there already" for n in (12, 13)]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "File;",
            "Picture;",
            "names the image of each row. The columns are: picture, box, patient, side",
        ),
        (";Box;", ";Where;", "no boxes; expected a column box (or bbox), or x0, y0, x1, y1"),
        (
            ";Box;Patient;Side",
            ";Box;x;y;w;h;Patient;Side",
            "boxes in x, y, w, h and in box; which ones count? Rename the others",
        ),
        ("40 70 60 100", '"40,5 70,5 60,5 100,5"', "expected four numbers with decimal points"),
        ("40 70 60 100", "40 70 60", "line 2: box is '40 70 60', expected four numbers"),
        ("40 70 60 100", "40 70 20 10", "has no width or height; expected x0 < x1"),
        (
            "40 70 60 100",
            "0.4 0.25 0.5 0.3",
            "line 2: the box (0.4, 0.25, 0.5, 0.3) lies within one",
        ),
        ("40 70 60 100", "40 70 6o 100", "line 2: 2 is '6o', expected a number"),
        ("left;CC;training;m1", "up;CC;training;m1", "lines 2, 3: side of one/a.png is"),
        ("A;;L MLO", "A;R;LMLO", "line 4: side is 'R', but view is 'LMLO', of the other breast"),
        (
            "A;;L MLO",
            "A;up;MLO",
            "line 4: side is 'up', which names none; expected L or R, or LEFT",
        ),
        ("cc;training", "cc;learning", "split is 'learning', expected train, val or test"),
        (";Bits\n", ";Examined\n", "line 5: examined is '12', expected 1 or 0, yes or no"),
        (
            f"Bits\n{FIRST}",
            f"mm per pixel\n{FIRST}-1",
            "line 2: mm_per_pixel is -1, expected a number above 0",
        ),
        (
            f"Bits\n{FIRST}",
            f"mm per pixel\n{FIRST}0,05",
            "line 2: mm_per_pixel is '0,05', expected a number (with a decimal point)",
        ),
        (
            "60 90;;;;test",
            "60 90;X;;;test",
            "patient of exam/2 is empty; by header or name it is that of exam/1, who is 'X' there",
        ),
        ("cc;training", "cc;", "has no split, but other films have one"),
        ("cc;training", "cc;test", "patient A is in train and in test"),
    ],
)
def test_bad_tables_end_in_one_line(source, tmp_path, capsys, old, new, message):
    table, images = source
    assert old in table.read_text()
    table.write_text(table.read_text().replace(old, new, 1))
    out = tmp_path / "mine"
    assert prepare("table", "--table", table, "--images", images, "--out", out) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("on_disk", "in_table"),
    [
        ("a/Zoe\u0308.png", "a/Zo\u00eb.png"),
        ("a/Zo\u00eb.png", "a/Zoe\u0308.png"),
        ("a/b.png", r"a\b.png"),
        (r"a\b.png", r"a\b.png"),
        ("a/b.png", "./a//b.png"),
    ],
)
def test_a_file_is_found_whatever_system_wrote_the_table(tmp_path, on_disk, in_table):
    (tmp_path / on_disk).parent.mkdir(exist_ok=True)
    (tmp_path / on_disk).write_bytes(b"no picture")
    table = tmp_path / "mine.csv"
    rows = [f"{name},{box},P,L,CC" for name, box in ((in_table, "1 2 9 9"), (on_disk, "1 5 9 9"))]
    write_text(table, "\n".join(["file,box,patient,side,view", *rows]))
    (found,) = read_table(table, tmp_path).films
    assert found.path == on_disk and len(found.lesions) == 2


def test_films_of_a_folder_and_of_an_underscore_are_two(tmp_path):
    """x/a.png beside y/a.png is x_a, and so would x_a.png be: one would replace the other."""
    files = ["x/a.png", "y/a.png", "x_a.png"]
    for file in files:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        assert cv2.imwrite(str(tmp_path / file), film())
    rows = "".join(f"{file},,P{n},L,CC\n" for n, file in enumerate(files))
    write_text(tmp_path / "mine.csv", "file,box,patient,side,view\n" + rows)
    found = read_table(tmp_path / "mine.csv", tmp_path)
    assert {film.path: film.name for film in found.films} == {
        "x/a.png": "x%2Fa",
        "y/a.png": "y_a",
        "x_a.png": "x_a",
    }
