"""tools/evaluate_froc.py: its answers, and its bad input.

One test runs it as a program; the others call its ``main``, to load torch only once.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..programs import load_program

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools" / "evaluate_froc.py"


@pytest.fixture(scope="module")
def tool():
    return load_program(TOOL)


def run_program(*args):
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, "-W", "ignore", str(TOOL), *map(str, args)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_everything_at_once(tool, coco_gt, coco_dt, write, tmp_path, capsys):
    out, figure = tmp_path / "new" / "out.json", tmp_path / "froc.png"
    arguments = [
        *("--gt", write("gt.json", coco_gt), "--predictions", write("dt.json", coco_dt)),
        *("--fppi", 0.2, 1, 2, "--json", out, "--figure", figure, "--bootstrap", 50),
    ]
    assert tool.main([str(argument) for argument in arguments]) == 0
    result = json.loads(out.read_text())
    assert result["fppi"] == [0.2, 1, 2]
    assert result["recall"] == [0.25, 0.5, 0.5]
    assert (result["images"], result["lesions"], result["max_fppi"]) == (4, 4, 1)
    assert (result["iou"], result["duplicates"], result["hit"]) == (0.2, "ignore", "iou")
    assert result["truncated"] == [2]
    assert result["bootstrap"]["patients"] == 3
    assert len(result["bootstrap"]["low"]) == 3
    assert result["curve"]["fppi"] == [0, 0, 0.25, 1]
    assert "     1   50.00" in capsys.readouterr().out
    assert figure.exists()
    assert figure.with_suffix(".svg").exists()


def test_program_bad_input_has_one_message_and_status_2(coco_gt, write, tmp_path):
    entry = {"image_id": 10, "category_id": 1, "bbox": [0, 0, -3, 1], "score": 0.5}
    done = run_program(
        *("--gt", write("gt.json", coco_gt), "--predictions", write("dt.json", [entry])),
        *("--json", tmp_path / "out.json"),
    )
    assert done.returncode == 2
    # Other libraries may warn on this channel too.
    (message,) = [line for line in done.stderr.splitlines() if line.startswith("evaluate_froc")]
    assert message.startswith("evaluate_froc: ")
    assert "dt.json: entry 0 (from 0): width and height of the bbox must not be neg" in message
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "out.json").exists()


def call(tool, coco_gt, coco_dt, write, tmp_path, *more):
    """Exit status of the tool in this process, and the result it wrote."""
    out = tmp_path / "out.json"
    status = tool.main(
        [
            *("--gt", str(write("gt.json", coco_gt))),
            *("--predictions", str(write("dt.json", coco_dt)), "--json", str(out), *more),
        ]
    )
    return status, json.loads(out.read_text()) if out.exists() else None


@pytest.mark.parametrize(
    ("options", "recall", "max_fppi"),
    [
        # Added below: a second, worse box on the lesion of image 10, and a large one around the
        # lesion of image 13, which only its center hits.
        ([], 0.5, 1.25),
        (["--duplicates", "fp"], 0.5, 1.5),
        (["--duplicates", "any"], 0.5, 1.25),
        (["--iou", "0.9"], 0, 2),  # 81/100, 90/110 and 50/100 are no hits any more
        (["--iou", "0.82"], 0, 2),
        (["--iou", "0.81"], 0.5, 1.5),  # 50/100 is a false positive
        (["--hit", "center"], 0.75, 1),
        (["--lesion-images-only"], 0.5, 4 / 3),
    ],
)
def test_options(tool, coco_gt, coco_dt, write, tmp_path, options, recall, max_fppi):
    coco_dt.append({"image_id": 10, "bbox": [10, 10, 10, 5], "score": 0.85})
    coco_dt.append({"image_id": 13, "bbox": [0, 0, 70, 70], "score": 0.4})
    status, result = call(tool, coco_gt, coco_dt, write, tmp_path, *options)
    assert status == 0
    assert result["recall"][-1] == recall
    assert result["max_fppi"] == max_fppi
    assert result["lesion_images_only"] == ("--lesion-images-only" in options)


def test_no_detection_is_an_answer(tool, coco_gt, write, tmp_path):
    status, result = call(tool, coco_gt, [], write, tmp_path)
    assert status == 0
    assert result["recall"] == [0] * 5
    assert result["truncated"] == [0.5, 1, 2, 3, 4]


def test_no_lesion_is_null(tool, coco_gt, coco_dt, write, tmp_path):
    coco_gt["annotations"] = []
    status, result = call(
        *(tool, coco_gt, coco_dt, write, tmp_path),
        *("--figure", str(tmp_path / "froc.svg"), "--bootstrap", "5"),
    )
    assert status == 0
    assert result["recall"] == [None] * 5
    assert result["bootstrap"]["low"] == [None] * 5
    assert (tmp_path / "froc.svg").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--iou", "0"], "iou must be above 0"),
        (["--iou", "nan"], "iou must be above 0"),
        (["--fppi", "-1"], "FPPI values must be finite and at least 0"),
        (["--fppi", "nan"], "FPPI values must be finite"),
        (["--bootstrap", "-1"], "must not be negative"),
        (["--figure", "froc.bmp"], "froc.bmp: a figure must end in"),
        (["--gt", "absent.json"], "absent.json: cannot be read: No such file"),
        (["--predictions", "absent.json"], "absent.json: cannot be read: No such file"),
    ],
)
def test_bad_options(tool, coco_gt, coco_dt, write, tmp_path, capsys, options, message):
    status, result = call(tool, coco_gt, coco_dt, write, tmp_path, *options)
    assert (status, result) == (2, None)
    error = capsys.readouterr().err
    assert error.startswith("evaluate_froc: ")
    assert error.count("\n") == 1
    assert message in error


def test_bootstrap_needs_patients(tool, coco_gt, coco_dt, write, tmp_path, capsys):
    coco_gt["images"][2].pop("patient_id")
    status, _ = call(tool, coco_gt, coco_dt, write, tmp_path, "--bootstrap", "5")
    assert status == 2
    assert "gt.json: --bootstrap needs patient_id, image 12 has none" in capsys.readouterr().err


def test_result_that_cannot_be_written(tool, coco_gt, coco_dt, write, tmp_path, capsys):
    gt, dt = write("gt.json", coco_gt), write("dt.json", coco_dt)
    arguments = ["--gt", gt, "--predictions", dt, "--json", tmp_path]
    assert tool.main([str(argument) for argument in arguments]) == 2
    assert "evaluate_froc: " in capsys.readouterr().err


def test_a_full_disk_keeps_the_old_result(coco_gt, coco_dt, write, tmp_path):
    """The limit of 300 bytes for a file stands for the disk; no line of the result fits."""
    out = tmp_path / "out.json"
    out.write_text("the old result")
    arguments = ("--gt", write("gt.json", coco_gt), "--predictions", write("dt.json", coco_dt))
    limit = (
        "import resource, runpy, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    command = [sys.executable, "-c", limit, TOOL, *arguments, "--json", out]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"evaluate_froc: {out}: the file would be larger than this system")
    assert "Traceback" not in done.stderr
    assert out.read_text() == "the old result"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dt.json", "gt.json", "out.json"]
