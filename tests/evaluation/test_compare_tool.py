"""tools/compare.py: files written, and bad input."""

import json
from pathlib import Path

import pytest

from ..programs import load_program

TOOL = Path(__file__).resolve().parents[2] / "tools" / "compare.py"


@pytest.fixture(scope="module")
def tool():
    return load_program(TOOL)


@pytest.fixture
def call(tool, coco_gt, write, tmp_path):
    def call_tool(*arguments, gt=coco_gt):
        always = ["--gt", write("gt.json", gt), "--output", tmp_path / "out"]
        return tool.main([str(argument) for argument in (*always, *arguments)])

    return call_tool


def test_figure_and_tables(call, coco_dt, write, tmp_path, capsys):
    files = [f"A={write('a.json', coco_dt)}", f"B C={write('b.json', coco_dt[:3])}"]
    assert call(*files, "--baseline", "A", "--draws", 10, "--fppi", 0.2, 1) == 0
    out = tmp_path / "out"
    assert {path.name for path in out.iterdir()} == {
        "froc.png", "froc.svg", "comparison.md", "comparison.json"
    }  # fmt: skip
    content = json.loads((out / "comparison.json").read_text())
    assert content["models"]["A"]["runs"][0]["curve"]["fppi"] == [0, 0, 0.25, 1]
    assert content["parts"][0]["models"]["A"]["recall"] == [0.25, 0.5]
    assert content["parts"][0]["models"]["B C"]["difference"]["value"] == [-0.25, -0.5]
    assert (out / "comparison.md").read_text().strip() == capsys.readouterr().out.strip()
    svg = (out / "froc.svg").read_text()
    assert "B C (ends at" in svg


def test_only_some_images(call, coco_gt, coco_dt, write, tmp_path, capsys):
    for n, image in enumerate(coco_gt["images"]):
        image["file_name"] = f"ä{n}.png"
    names = tmp_path / "names.txt"
    names.write_text("\ufeffä0.png\r\n\r\nä2.png\r\n", encoding="utf-8")
    model = f"A={write('a.json', coco_dt)}"
    assert call(model, "--only", names, "--draws", 0) == 0
    content = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert (content["rule"]["images"], content["only"]) == (2, str(names))
    names.write_text("./ä0.png\nof/../ä2.png", encoding="utf-8")
    assert call(model, "--only", names, "--draws", 0) == 0
    content = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert content["rule"]["images"] == 2
    capsys.readouterr()
    for text, encoding, said in (
        ("none.png", "utf-8", "none of the 1 images"),
        ("ä0.png", "utf-16", "names.txt is no text in UTF-8"),
        ("\n\n", "utf-8", "names.txt names no image"),
    ):
        names.write_text(text, encoding=encoding)
        assert call(model, "--only", names) == 2
        assert said in capsys.readouterr().err
    assert call(model, "--only", tmp_path / "missing.txt") == 2
    assert "missing.txt" in capsys.readouterr().err


def test_files_of_one_name_are_runs(call, coco_dt, write, tmp_path):
    files = [write("1.json", coco_dt), write("2.json", coco_dt[:3]), write("3.json", coco_dt)]
    arguments = [f"{name}={file}" for name, file in zip("ABA", files, strict=True)]
    assert call(*arguments, "--baseline", "B", "--draws", 10, "--fppi", 0.2, 1) == 0
    content = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert [run["file"] for run in content["models"]["A"]["runs"]] == [str(files[0]), str(files[2])]
    assert content["parts"][0]["models"]["A"]["difference"]["value"] == [0.25, 0.5]
    assert "A (mean of 2 runs)" in (tmp_path / "out" / "froc.svg").read_text()


def test_runs_are_found_by_their_folders(tool, coco_gt, coco_dt, tmp_path, monkeypatch, capsys):
    """OUTPUT_DIRs in the place of files, and the annotations of their data set."""
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))

    def dump(path, content):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))

    gt = tmp_path / "toy" / "annotations" / "test.json"
    dump(gt, coco_gt)
    for name, found in (("one", coco_dt), ("two", coco_dt[:3])):
        folder = tmp_path / name / "inference"
        dump(folder / "toy_test" / "coco_instances_results.json", found)
    runs = [f"A={tmp_path / 'one'}", f"B={tmp_path / 'two'}"]
    more = ["--output", str(tmp_path / "out"), "--baseline", "A", "--draws", "0", "--fppi", "1"]
    assert tool.main([*runs, *more]) == 0
    content = json.loads((tmp_path / "out" / "comparison.json").read_text())
    models = content["parts"][0]["models"]
    assert [models[name]["recall"] for name in "AB"] == [[0.5], [0.0]]
    for parent in (folder, tmp_path / "three" / "inference"):
        dump(parent / "other_test" / "coco_instances_results.json", coco_dt)
    capsys.readouterr()
    for arguments, message in [
        (runs, "results of other_test, toy_test; say which with --dataset"),
        ([*runs, "--dataset", "other_test"], f"{tmp_path / 'one'}: no results of other_test"),
        ([runs[1], "--dataset", "other_test"], "'other_test' is no data set below"),
        ([f"A={folder / 'toy_test' / 'coco_instances_results.json'}"], "give --gt, or --dataset"),
        ([runs[0], f"C={tmp_path / 'three'}"], "of different data sets: other_test, toy_test"),
        ([runs[0], f"C={tmp_path / 'three'}", "--gt", str(gt)], "of different data sets"),
    ]:
        assert tool.main([*arguments, "--output", str(tmp_path / "bad")]) == 2
        assert message in capsys.readouterr().err
    assert tool.main([*runs, "--dataset", "toy_test", *more]) == 0


def test_results_of_a_relation_come_with_those_of_the_detector(
    tool, coco_gt, coco_dt, tmp_path, capsys, caplog
):
    gt = tmp_path / "gt.json"
    gt.write_text(json.dumps(coco_gt))
    for name, part in (("one", ""), ("two", ""), ("two", "relation")):
        file = tmp_path / name / "inference/toy_test" / part / "coco_instances_results.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(coco_dt[:3] if part else coco_dt))
    one, two = (f"A={tmp_path / name}" for name in ("one", "two"))
    more = ["--gt", str(gt), "--output", str(tmp_path / "out"), "--draws", "0", "--fppi", "1"]

    def recall(*runs):
        assert tool.main([*runs, *more]) == 0
        content = json.loads((tmp_path / "out" / "comparison.json").read_text())
        models = content["parts"][0]["models"]
        return {name: model["recall"] for name, model in models.items()}

    assert recall(two) == {"A": [0.5], "A + relation": [0.0]}
    assert "| A + relation |" in capsys.readouterr().out
    # Of two runs, one has none; and a file is one by itself.
    assert recall(one, two) == {"A": [0.5]}
    assert "no 'A + relation'" in caplog.text and str(tmp_path / "one/inference") in caplog.text
    assert recall(f"B={file}", f"C={file.parents[1] / file.name}") == {"B": [0.0], "C": [0.5]}
    assert recall(two, f"A + relation={tmp_path / 'one'}") == {"A": [0.5], "A + relation": [0.5]}


def test_the_former_name_of_a_breakdown_is_understood(call, coco_dt, write, capsys, caplog):
    file = f"A={write('a.json', coco_dt)}"
    for name in ("available views", "views at hand"):
        assert call(file, "--draws", 0, "--breakdowns", name) == 0
        assert "available views: the annotations do not say" in capsys.readouterr().out
    assert "Breakdown 'views at hand' is now called 'available views'" in caplog.text


def test_empty_list_is_recall_0(call, write, tmp_path):
    assert call(f"empty={write('e.json', [])}", "--draws", 5) == 0
    content = json.loads((tmp_path / "out" / "comparison.json").read_text())
    whole = content["parts"][0]["models"]["empty"]
    assert (whole["recall"], whole["high"]) == ([0] * 5, [0] * 5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_id": 99}, "entry 0 (from 0): image_id 99 is not in the ground truth"),
        ({"bbox": [0, 0, -1, 2]}, "entry 0 (from 0): width and height of the bbox must not be neg"),
        ({"score": float("nan")}, "entry 0 (from 0): score must be a finite number"),
        ({"category_id": 2}, "entry 0 (from 0): category_id 2 is not in the ground truth"),
    ],
)
def test_bad_entries_end_with_a_message_and_without_a_figure(
    call, coco_dt, write, tmp_path, capsys, change, message
):
    bad = write("bad.json", [coco_dt[0] | change, *coco_dt[1:]])
    assert call(f"good={write('good.json', coco_dt)}", f"bad={bad}") == 2
    error = capsys.readouterr().err
    assert error.startswith("compare: ") and f"bad.json: {message}" in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.json"], "'a.json': expected NAME=PATH"),
        (["a=x.json", "a=./x.json"], "x.json stands for two runs of 'a'"),
        (["a=absent.json"], "absent.json: no results file"),
    ],
)
def test_bad_models(call, capsys, arguments, message):
    assert call(*arguments) == 2
    assert message in capsys.readouterr().err
