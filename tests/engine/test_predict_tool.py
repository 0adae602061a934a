"""tools/predict.py: what it writes, what it says, and what it never writes."""

import csv
import json
import logging
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from agn_d2.cross_view.relation import CandidateRelation
from agn_d2.cross_view.relation_file import write_relation

from ..dicom.dicom_files import film, mammogram, presentation_state, uid, write
from ..modeling.tiny_model import BASE, RCNN, RESNET, make_model, randomize_graph
from ..programs import load_program

TOOL = Path(__file__).parents[2] / "tools" / "predict.py"
OPTIONS = [*RESNET.split(), *RCNN.split(), "INPUT.SIZE", "(96, 64)"]
OPTIONS += ["TEST.DETECTIONS_PER_IMAGE", "8"]


@pytest.fixture(scope="module")
def tool():
    return load_program(TOOL)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "model.pth"
    torch.save({"model": randomize_graph(make_model()).state_dict()}, path)
    return str(path)


@pytest.fixture(autouse=True)
def levels_of_logging():
    """The tool says more than the library does by itself; it must not stay so."""
    loggers = [logging.getLogger(name) for name in ("predict", "agn_d2.data")]
    levels = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.fixture
def predict(tool, weights):
    def run(images, output, *more):
        images = images if isinstance(images, list) else [images]
        given = ["--images", *map(str, images), "--output", str(output), *more]
        return tool.main(["--config-file", str(BASE), *given, "MODEL.WEIGHTS", weights, *OPTIONS])

    return run


@pytest.fixture
def folder(tmp_path):
    """Two views of a patient, spacing known, and an examination of PNG files."""
    folder = tmp_path / "images"
    for number, name in enumerate(("LCC", "LMLO")):
        tags = {"ImageLaterality": "L", "ViewPosition": name[1:], "SOPInstanceUID": uid(name)}
        spacing = {"ImagerPixelSpacing": ["0.2", "0.1"]}
        write(folder / "one" / f"IM{number}", mammogram(film(number), **tags, **spacing))
    assert cv2.imwrite(str(folder / "p_R_CC.png"), (film(5) >> 4).astype(np.uint8))
    return folder


def results(output):
    return {p.stem: json.loads(p.read_text()) for p in output.glob("*.json")}


def test_files_of_an_examination(predict, folder, tmp_path):
    output = tmp_path / "out"
    assert predict(folder, output, "--min-score", "0.2") == 0
    found = results(output)
    assert set(found) == {"p", next(name for name in found if name.startswith("exam-"))}
    exam = next(record for name, record in found.items() if name != "p")
    assert [image["file"] for image in exam["images"]] == ["one/IM0", "one/IM1"]
    first, second = exam["images"]
    assert (first["sop_uid"], first["side"], first["view"]) == (uid("LCC"), "L", "CC")
    assert (first["height"], first["width"], first["spacing_mm"]) == (200, 150, [0.2, 0.1])
    assert (first["read_with"], second["read_with"]) == (["L-MLO"], ["L-CC"])
    scores = [one["score"] for one in first["detections"]]
    assert len(scores) > 3 and scores == sorted(scores, reverse=True) and scores[-1] >= 0.2
    for one in first["detections"]:
        # 0.1 mm across and 0.2 mm down.
        assert one["box_mm"] == pytest.approx(np.multiply(one["box"], [0.1, 0.2] * 2), abs=2e-3)
    assert found["p"]["images"][0]["detections"][0]["box_mm"] is None
    with (output / f"{exam['examination']}.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(len(image["detections"]) for image in exam["images"])
    assert rows[0]["sop_uid"] == uid("LCC") and float(rows[0]["score"]) == scores[0]
    assert float(rows[0]["y1_mm"]) == first["detections"][0]["box_mm"][3]
    assert rows[0]["other_views"] == "L-MLO"
    picture = cv2.imread(str(output / f"{exam['examination']}.png"))
    assert picture.shape[0] > 500


def test_the_boxes_are_those_of_the_predictor(predict, folder, tmp_path, weights):
    import agn_d2

    assert predict(folder / "one", tmp_path / "out", "--no-pictures") == 0
    cfg = agn_d2.load_cfg(str(BASE), ["MODEL.WEIGHTS", weights, *OPTIONS])
    predictor = agn_d2.Predictor(cfg)
    expected = predictor(predictor.read_examination(folder / "one"))
    (record,) = results(tmp_path / "out").values()
    for key, image in zip(expected, record["images"], strict=True):
        boxes = expected[key].pred_boxes.tensor[expected[key].scores >= 0.05]
        assert np.allclose([one["box"] for one in image["detections"]], boxes, atol=0.006)
    assert not list((tmp_path / "out").glob("*.png"))


def test_detections_of_several_classes_have_their_class(tool, folder, tmp_path, capsys):
    two = ("MODEL.ROI_HEADS.NUM_CLASSES", "2")
    torch.save({"model": randomize_graph(make_model(*two)).state_dict()}, tmp_path / "two.pth")
    command = [
        "--config-file",
        str(BASE),
        "--images",
        str(folder),
        "--output",
        str(tmp_path / "out"),
    ]
    options = ["MODEL.WEIGHTS", str(tmp_path / "two.pth"), *OPTIONS, *two]
    assert tool.main([*command, "--min-score", "0", *options]) == 0
    classes = [d["class"] for r in results(tmp_path / "out").values() for i in r["images"]
               for d in i["detections"]]  # fmt: skip
    assert set(classes) == {0, 1}
    for stem, record in results(tmp_path / "out").items():
        header, *rows = csv.reader((tmp_path / "out" / f"{stem}.csv").read_text().splitlines())
        of_record = [d["class"] for image in record["images"] for d in image["detections"]]
        assert header[-1] == "class" and [int(row[-1]) for row in rows] == of_record
    assert tool.main([*command, "--sr", *options]) == 2
    assert "calls every finding a mass, but the model has 2 classes" in capsys.readouterr().err


def test_nothing_of_the_patient_is_written_unless_asked(predict, folder, tmp_path, capsys):
    output = tmp_path / "out"
    assert predict(folder / "one", output) == 0
    secrets = (b"SECRET", uid("study").encode(), uid("series").encode())
    for path in output.iterdir():
        content = path.name.encode() + path.read_bytes()
        assert not [word for word in secrets if word in content], path.name
    assert "SECRET" not in "".join(capsys.readouterr())
    assert predict(folder / "one", tmp_path / "asked", "--identity") == 0
    (record,) = results(tmp_path / "asked").values()
    assert record["images"][0]["identity"] == {
        "patient_id": "SECRET-ID",
        "study_uid": uid("study"),
        "series_uid": uid("series"),
    }


def test_a_second_run_does_only_what_is_new(predict, folder, tmp_path, capsys):
    output = tmp_path / "out"
    assert predict(folder, output) == 0
    assert "2 examinations predicted, 0 were done before" in capsys.readouterr().out
    stamps = {path: path.stat().st_mtime_ns for path in output.iterdir()}
    assert predict(folder, output) == 0
    assert "0 examinations predicted, 2 were done before" in capsys.readouterr().out
    assert stamps == {path: path.stat().st_mtime_ns for path in output.iterdir()}
    # A file that changed, and an examination that was not finished.
    os.utime(folder / "p_R_CC.png", (1, 1))
    next(output.glob("exam-*.json")).unlink()
    assert predict(folder, output) == 0
    assert "2 examinations predicted" in capsys.readouterr().out
    assert predict(folder, output, "--min-score", "0.9") == 0
    assert "2 examinations predicted" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--min-score", "--score"])
def test_a_score_in_percent_is_refused(predict, folder, tmp_path, capsys, option):
    with pytest.raises(SystemExit):
        predict(folder, tmp_path / "out", option, "30")
    assert f"{option}: a score is a number from 0 to 1, got 30" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_colored_marks_are_noted(predict, folder, tmp_path, caplog):
    picture = cv2.cvtColor((film(5) >> 4).astype(np.uint8), cv2.COLOR_GRAY2BGR)
    assert cv2.imwrite(str(folder / "q_L_CC.png"), picture)
    picture[:10, :10] = (0, 0, 255)
    assert cv2.imwrite(str(folder / "p_R_CC.png"), picture)
    assert predict(folder, tmp_path / "out") == 0
    notes = {n: r["images"][0]["notes"] for n, r in results(tmp_path / "out").items()}
    assert notes["q"] == [] and "100 pixels (" in notes["p"][0] and "colored" in notes["p"][0]
    assert "p_R_CC.png: 100 pixels (" in caplog.text and caplog.text.count("are colored") == 1


def test_bad_files_are_said_once_each_and_the_rest_goes_on(predict, folder, tmp_path, caplog):
    bad = folder / "bad"
    write(bad / "no_view.dcm", mammogram(film(), ViewPosition=None, PatientID="B"))
    write(bad / "icon.dcm", mammogram(np.zeros((1, 1), np.uint16), PatientID="C"))
    write(bad / "xccl.dcm", mammogram(film(), ViewPosition="XCCL", PatientID="D"))
    write(bad / "state.dcm", presentation_state())
    (bad / "letter.dcm").write_text("no film")
    cut = write(bad / "cut.dcm", mammogram(film(7), PatientID="E"))
    cut.write_bytes(cut.read_bytes()[:-1000])
    (bad / "q_L_CC.png").write_bytes(b"no picture")
    output = tmp_path / "out"
    for run in range(2):
        caplog.clear()
        assert predict(folder, output, "--no-pictures", "--workers", "2") == 1
        said = [m for m in caplog.messages if "not read" in m or "left out" in m]
        for name in ("no_view", "icon", "letter", "cut", "q_L_CC", "xccl", "state"):
            (line,) = [m for m in said if name in m]
            assert "\n" not in line
            passed_over = name in ("xccl", "state")
            assert line.startswith("left out" if passed_over else "not read"), run
    assert len(results(output)) == 2
    assert {path.suffix for path in output.iterdir()} == {".json", ".csv"}


def test_a_damaged_view_of_an_examination(predict, folder, tmp_path, caplog, capsys):
    whole = (folder / "one" / "IM1").read_bytes()
    path = folder / "one" / "IM1"
    path.write_bytes(path.read_bytes()[:-1000])
    write(folder / "one" / "NOVIEW", mammogram(film(), ViewPosition=None))
    for done in ("1 examinations predicted, 0", "0 examinations predicted, 1"):
        caplog.clear()
        assert predict(folder / "one", tmp_path / "out", "--no-pictures") == 1
        assert f"{done} were done before" in capsys.readouterr().out
        for name in ("IM1", "NOVIEW"):
            assert len([m for m in caplog.messages if name in m and "not read" in m]) == 1
    (record,) = results(tmp_path / "out").values()
    assert [image["file"] for image in record["images"]] == ["one/IM0"[4:]]
    assert {one["file"]: one["bad"] for one in record["left_out"]} == {"IM1": True, "NOVIEW": True}
    path.write_bytes(whole)
    assert predict(folder / "one", tmp_path / "out", "--no-pictures") == 1
    (record,) = results(tmp_path / "out").values()
    assert len(record["images"]) == 2


def test_a_relation_reads_the_other_views_and_belongs_to_the_settings(
    predict, folder, tmp_path, capsys
):
    file, output = tmp_path / "relation.json", tmp_path / "out"
    options = ["--no-pictures", "MODEL.AGN.ENABLED", "False"]
    options += ["MODEL.CROSS_VIEW.RELATION", str(file)]
    write_relation(file, CandidateRelation())
    assert predict(folder / "one", output, *options) == 0
    (record,) = results(output).values()
    assert [image["read_with"] for image in record["images"]] == [["L-MLO"], ["L-CC"]]
    # Fitted anew, under the same name.
    write_relation(file, CandidateRelation(sigma_depth=0.5))
    for predicted in (1, 0):
        assert predict(folder / "one", output, *options) == 0
        assert f"{predicted} examinations predicted" in capsys.readouterr().out.splitlines()[-1]


def test_what_each_detection_read_in_the_other_views(predict, folder, tmp_path):
    relation, output = CandidateRelation(), tmp_path / "out"
    with torch.no_grad():
        relation.auxiliary.change.bias.fill_(1.0)
    write_relation(tmp_path / "relation.json", relation)
    options = ["--no-pictures", "--explain", "--min-score", "0", "MODEL.AGN.ENABLED", "False"]
    options += ["MODEL.CROSS_VIEW.RELATION", str(tmp_path / "relation.json")]
    assert predict(folder / "one", output, *options) == 0
    (record,) = results(output).values()
    cc, mlo = (image["detections"] for image in record["images"])
    for own, other, name in ((cc, mlo, "L-MLO"), (mlo, cc, "L-CC")):
        assert len(own) == 8
        for one in own:
            (read,) = one["explanation"]["views"]
            alone, score = one["explanation"]["score_alone"], one["score"]
            odds = np.exp(read["change"]) * alone / (1 - alone)
            assert score == pytest.approx(odds / (1 + odds), abs=2e-5)
            assert (read["view"], read["change"]) == (name, 1.0)
            boxes = np.array([there["box"] for there in other])
            for candidate in read["candidates"]:
                assert np.abs(boxes - candidate["box"]).max(axis=1).min() < 0.011
            weights = [candidate["weight"] for candidate in read["candidates"]]
            rest = read["others"] + read["no_counterpart"]
            assert sum(weights) + rest == pytest.approx(1, abs=1e-4)


def test_nothing_is_explained_without_a_relation(predict, folder, tmp_path, capsys):
    assert predict(folder / "one", tmp_path / "out", "--explain") == 2
    assert "MODEL.CROSS_VIEW.RELATION" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_view_that_cannot_be_read_now_is_tried_by_the_next_run(
    predict, folder, tmp_path, monkeypatch, capsys
):
    reading = Path.read_bytes

    def fail(path):
        if path.name == "IM1":
            raise OSError(5, "Input/output error", str(path))
        return reading(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", fail)
        assert predict(folder / "one", tmp_path / "out", "--no-pictures") == 1
    assert predict(folder / "one", tmp_path / "out", "--no-pictures") == 0
    assert "1 examinations predicted, 0" in capsys.readouterr().out.splitlines()[-1]
    (record,) = results(tmp_path / "out").values()
    assert len(record["images"]) == 2 and record["left_out"] == []


def test_a_file_that_changes_while_it_is_read_is_taken_up_by_the_next_run(
    predict, tool, folder, tmp_path, monkeypatch, capsys
):
    """As an archive that is still being copied; and a file that is gone ends no run."""
    read = tool.Run.read

    def changing(run, files):
        found = read(run, files)
        os.utime(files.paths[0], (1, 1))
        return found

    with monkeypatch.context() as patch:
        patch.setattr(tool.Run, "read", changing)
        assert predict(folder / "one", tmp_path / "out", "--no-pictures") == 0
    assert predict(folder / "one", tmp_path / "out", "--no-pictures") == 0
    assert "1 examinations predicted, 0" in capsys.readouterr().out.splitlines()[-1]
    found = tool.find_examinations

    def losing(*args, **kwargs):
        examinations, strays = found(*args, **kwargs)
        (folder / "p_R_CC.png").unlink()
        return examinations, strays

    monkeypatch.setattr(tool, "find_examinations", losing)
    assert predict(folder, tmp_path / "out", "--no-pictures") == 1
    assert "0 examinations predicted, 1 were done" in capsys.readouterr().out.splitlines()[-1]


def test_results_within_the_folder_of_the_images_are_passed_over(predict, folder, capsys):
    output = folder / "one" / "results"
    assert predict(folder / "one", output) == predict(folder / "one", output) == 0
    assert "0 examinations predicted, 1 were done" in capsys.readouterr().out.splitlines()[-1]


def test_errors_of_the_whole_run_are_one_line(predict, tmp_path, capsys):
    assert predict(tmp_path / "none", tmp_path / "out") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("predict: ") and "no such file or folder" in line
    assert not (tmp_path / "out").exists()


def test_structured_reports(predict, folder, tmp_path):
    sr = pytest.importorskip("highdicom.sr", reason="the extra 'sr' is not installed")
    output = tmp_path / "out"
    assert predict(folder / "one", output, "--sr", "--no-pictures") == 0
    (record,) = results(output).values()
    report = sr.srread(output / f"{record['examination']}.sr.dcm")
    groups = report.content.get_planar_roi_measurement_groups()
    expected = [one["box"] for image in record["images"] for one in image["detections"]]
    assert len(groups) == len(expected) > 3
    for group, box in zip(groups, expected, strict=True):
        corners = np.asarray(group.roi.value)
        assert np.allclose([*corners.min(0), *corners.max(0)], box, atol=1e-3)


def test_an_examination_without_a_report_does_not_end_the_run(predict, folder, tmp_path, caplog):
    pytest.importorskip("highdicom.sr", reason="the extra 'sr' is not installed")
    tags = {"StudyInstanceUID": "", "PatientID": "A", "SOPInstanceUID": uid("bare")}
    write(folder / "a.dcm", mammogram(film(3), **tags))
    for _ in range(2):
        caplog.clear()
        assert predict(folder, tmp_path / "out", "--sr", "--no-pictures") == 1
        (line,) = [m for m in caplog.messages if "no SR: " in m]
        assert "a.dcm: no StudyInstanceUID" in line
    assert len(results(tmp_path / "out")) == 3
    assert len(list((tmp_path / "out").glob("*.sr.dcm"))) == 1


def test_the_demo_draws_dicom_files(folder, weights, tmp_path, monkeypatch, capsys):
    demo = load_program(TOOL.with_name("demo.py"))
    # It would stay set up for the tests that follow.
    monkeypatch.setattr(demo, "setup_logger", lambda **_: None)
    (folder / "fake.dcm").write_text("no film")
    no_view = write(folder / "no_view.dcm", mammogram(film(), ViewPosition=None, PatientID="B"))
    out = tmp_path / "pictures"
    words = ["--config-file", BASE, "--images", folder / "one", folder / "fake.dcm", no_view]
    words += ["--output", out, "MODEL.WEIGHTS", weights, *OPTIONS]
    monkeypatch.setattr("sys.argv", ["demo.py", *map(str, words)])
    assert demo.main() == 1
    said = [line for line in capsys.readouterr().err.splitlines() if "not read: " in line]
    assert len(said) == 2 and "fake.dcm" in said[0] and "no_view.dcm: no tag tells" in said[1]
    (picture,) = out.iterdir()
    assert picture.name.startswith("exam-") and picture.stat().st_size > 10_000


def test_the_demo_says_why_there_is_nothing_to_draw(folder, weights, tmp_path, monkeypatch, capsys):
    demo = load_program(TOOL.with_name("demo.py"))
    monkeypatch.setattr(demo, "setup_logger", lambda **_: None)
    path = write(folder / "xccl.dcm", mammogram(film(), ViewPosition="XCCL"))
    words = ["--config-file", BASE, "--images", path, "--output", tmp_path / "out"]
    words += ["MODEL.WEIGHTS", weights, *OPTIONS]
    monkeypatch.setattr("sys.argv", ["demo.py", *map(str, words)])
    assert demo.main() == 2
    assert "xccl.dcm: view XCCL, neither CC nor MLO" in capsys.readouterr().err


def test_the_demo_finds_landmarks_for_a_relation(folder, weights, tmp_path, monkeypatch):
    demo = load_program(TOOL.with_name("demo.py"))
    monkeypatch.setattr(demo, "setup_logger", lambda **_: None)
    write_relation(tmp_path / "relation.json", CandidateRelation())
    words = ["--config-file", BASE, "--images", folder / "one", "--output", tmp_path / "out"]
    words += ["MODEL.WEIGHTS", weights, *OPTIONS, "INPUT.CROP_TO_BREAST", "False"]
    words += ["MODEL.AGN.ENABLED", "False", "MODEL.CROSS_VIEW.RELATION", tmp_path / "relation.json"]
    monkeypatch.setattr("sys.argv", ["demo.py", *map(str, words)])
    assert demo.main() == 0


@pytest.mark.parametrize("name", ["predict", "demo"])
def test_a_key_behind_the_images_is_told_from_a_file(name, tmp_path, monkeypatch, capsys):
    program = load_program(f"tools/{name}.py")
    words = ["--config-file", BASE, "--output", tmp_path, "--images", tmp_path]
    words += ["MODEL.WEIGHTS", "model.pth"]
    monkeypatch.setattr("sys.argv", [f"{name}.py", *map(str, words)])
    with pytest.raises(SystemExit) as stopped:
        program.parse_args()
    assert stopped.value.code == 2
    assert "MODEL.WEIGHTS is a config key; put KEY VALUE last" in capsys.readouterr().err


def test_a_file_with_the_name_of_a_key_is_a_file(tool, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("L.CC").touch()
    args = tool.parse_args(["--config-file", "c", "--images", "L.CC", "l.cc.png", "--output", "o"])
    assert args.images == [Path("L.CC"), Path("l.cc.png")]


def test_what_an_earlier_run_left_of_an_examination_is_removed(predict, folder, tmp_path):
    """A picture and a report that this run does not write are of another model or options."""
    pytest.importorskip("highdicom.sr", reason="the extra 'sr' is not installed")
    output = tmp_path / "out"
    assert predict(folder / "one", output, "--sr") == 0
    assert {"".join(path.suffixes) for path in output.iterdir()} == {
        *(".json", ".csv", ".png", ".sr.dcm")
    }
    assert predict(folder / "one", output, "--min-score", "0.9", "--no-pictures") == 0
    assert {"".join(path.suffixes) for path in output.iterdir()} == {".json", ".csv"}


def test_an_interrupted_run_leaves_no_results_that_count_as_whole(
    predict, tool, folder, tmp_path, monkeypatch
):
    """Picture and boxes would be of two runs, and a third one would take them for done."""
    output = tmp_path / "out"
    assert predict(folder / "one", output) == 0
    (picture,) = output.glob("*.png")
    first = picture.read_bytes()

    def stop(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tool, "write_results", stop)
        assert predict(folder / "one", output, "--score", "0.9") == 130
    assert picture.read_bytes() != first
    assert predict(folder / "one", output) == 0
    assert picture.read_bytes() == first


@pytest.mark.parametrize("content", ["{}", "[]", '{"left_out": 1}'])
def test_a_json_file_of_another_program_is_no_result(predict, folder, tmp_path, content):
    output = tmp_path / "out"
    output.mkdir()
    (output / "p.json").write_text(content)
    assert predict(folder / "p_R_CC.png", output, "--no-pictures") == 0
    assert results(output)["p"]["examination"] == "p"


def test_a_file_name_that_is_no_unicode_is_written_as_it_is(predict, folder, tmp_path):
    """As Latin-1 names of old archives, which are no UTF-8."""
    odd = folder / "one" / os.fsdecode(b"Ren\xe9e")
    odd.mkdir()
    (folder / "one" / "IM0").rename(odd / "IM0")
    output = tmp_path / "out"
    assert predict(folder, output, "--no-pictures") == 0
    (table,) = output.glob("exam-*.csv")
    assert b",one/Ren\xe9e/IM0," in table.read_bytes()
    (record,) = (one for name, one in results(output).items() if name != "p")
    assert os.fsencode(record["images"][0]["file"]) == b"one/Ren\xe9e/IM0"
