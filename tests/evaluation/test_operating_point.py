"""Operating points by hand, against the FROC, and the tool."""

import json
import random
from pathlib import Path

import numpy as np
import pytest

from agn_d2.evaluation.froc import FrocEvents, froc_curve, match_detections, recall_at_fppi
from agn_d2.evaluation.operating_point import operating_curve
from agn_d2.visualization import operating_figures

from ..programs import load_program
from .slow_froc import as_arrays, random_images

# Four lesions on two images: found at 0.9, 0.8 (with a false positive), 0.5; false at 0.6, 0.3.
EVENTS = FrocEvents(
    scores=np.array([0.9, 0.8, 0.8, 0.6, 0.5, 0.3]),
    images=np.array([0, 1, 0, 0, 1, 1]),
    found=np.array([True, True, False, False, True, False]),
    lesions_per_image=np.array([2, 2]),
)
EMPTY = FrocEvents(np.zeros(0), np.zeros(0, int), np.zeros(0, bool), np.array([1]))


def test_curve_by_hand():
    curve = operating_curve(EVENTS)
    assert curve.thresholds.tolist() == [0.9, 0.8, 0.6, 0.5, 0.3]
    assert curve.precision.tolist() == [1, 2 / 3, 2 / 4, 3 / 5, 3 / 6]
    assert curve.recall.tolist() == [0.25, 0.5, 0.5, 0.75, 0.75]
    assert curve.f1.tolist() == [2 / 5, 4 / 7, 4 / 8, 6 / 9, 6 / 10]
    assert curve.fppi.tolist() == [0, 0.5, 1, 1, 1.5]


def test_points_by_hand():
    curve = operating_curve(EVENTS)
    assert curve.best_f1().to_dict() == {
        "threshold": 0.5, "precision": 0.6, "recall": 0.75, "f1": 6 / 9, "fppi": 1
    }  # fmt: skip
    assert curve.at_fppi(0.4).threshold == 0.9
    assert curve.at_fppi(0.5).threshold == 0.8
    assert curve.at_fppi(1).threshold == 0.5  # the lowest that still has 1 FPPI
    assert curve.at_fppi(9).threshold == 0.3
    assert curve.at_threshold(0.8).f1 == 4 / 7
    between = curve.at_threshold(0.55)
    assert (between.threshold, between.precision, between.recall) == (0.55, 0.5, 0.5)
    above = curve.at_threshold(0.95)
    assert (above.precision, above.recall, above.f1, above.fppi) == (None, 0, 0, 0)
    with pytest.raises(ValueError, match="finite"):
        curve.at_threshold(float("nan"))


def test_equal_f1_takes_the_higher_threshold():
    events = FrocEvents(
        np.array([0.9, 0.8, 0.7]), np.zeros(3, int), np.array([True, False, True]), np.array([3])
    )
    # 2 / 4 at 0.9, 2 / 5 at 0.8, 4 / 6 at 0.7; with five lesions 2 / 6, 2 / 7, 4 / 8.
    assert operating_curve(events).best_f1().threshold == 0.7
    events = FrocEvents(
        np.array([0.9, 0.8, 0.7, 0.6]), np.zeros(4, int),
        np.array([True, False, False, True]), np.array([2]),
    )  # fmt: skip
    # 2 / 3, 2 / 4, 2 / 5, 4 / 6: twice two thirds.
    assert operating_curve(events).best_f1().threshold == 0.9


def test_nothing_found_and_nothing_to_find():
    curve = operating_curve(EMPTY)
    assert curve.best_f1() is None and curve.at_fppi(1) is None
    assert curve.at_threshold(0.5).recall == 0
    free = FrocEvents(np.array([0.5]), np.array([0]), np.array([False]), np.array([0]))
    curve = operating_curve(free)
    assert curve.best_f1() is None and curve.at_fppi(0.5) is None
    point = curve.at_fppi(1)
    assert (point.precision, point.recall, point.f1, point.fppi) == (0, None, None, 1)


def test_as_the_froc_reads_it():
    rng, points = random.Random(1), 0
    for _ in range(200):
        events = match_detections(*as_arrays(random_images(rng)), duplicates="fp")
        curve, froc = operating_curve(events), froc_curve(events)
        if not froc.lesions:
            continue
        for x in (0, 0.3, 1, 2):
            point = curve.at_fppi(x)
            assert (point.recall if point else 0) == recall_at_fppi(froc, (x,))[0]
            points += point is not None
    assert points > 100


@pytest.fixture(scope="module")
def tool():
    path = Path(__file__).resolve().parents[2] / "tools" / "operating_point.py"
    return load_program(path)


def test_tool(tool, coco_gt, coco_dt, write, tmp_path, capsys):
    arguments = [
        *("--gt", write("gt.json", coco_gt), "--predictions", write("dt.json", coco_dt)),
        *("--fppi", 0.25, "--threshold", 0.6, "--json", tmp_path / "op.json"),
        *("--figures", tmp_path / "figures"),
    ]
    assert tool.main([str(a) for a in arguments]) == 0
    points = json.loads((tmp_path / "op.json").read_text())["points"]
    # 0.9 hit, 0.8 hit and false positive: 2 of 3 detections, 2 of 4 lesions.
    assert points["F1 optimum"] == points["0.25 FPPI"]
    assert points["F1 optimum"]["f1"] == pytest.approx(4 / 7)
    assert points["threshold 0.6"]["precision"] == 2 / 5
    names = {f"{n}.{s}" for n in ("metrics", "confidence", "sizes") for s in ("png", "svg")}
    assert {path.name for path in (tmp_path / "figures").iterdir()} == names
    assert "hits (2)" in (tmp_path / "figures" / "confidence.svg").read_text()
    assert "truth (4, median 10 px)" in (tmp_path / "figures" / "sizes.svg").read_text()
    out = capsys.readouterr().out
    assert "F1 optimum        0.800000     66.67   50.00   57.14   0.250" in out


@pytest.mark.parametrize("score", [0.62346, 0.6234599947929382, 0.29, 1e-7, 1.0, -3.7654321, 1e30])
def test_a_printed_threshold_gives_what_stands_beside_it(tool, coco_gt, write, capsys, score):
    lesion = coco_gt["annotations"][0]
    hit = {key: lesion[key] for key in ("image_id", "bbox")} | {"score": score}
    files = ["--gt", str(write("gt.json", coco_gt)), "--predictions", str(write("dt.json", [hit]))]
    assert tool.main(files) == 0
    threshold, *figures = next(
        line.split()[2:] for line in capsys.readouterr().out.splitlines() if "F1 opt" in line
    )
    assert figures == ["100.00", "25.00", "40.00", "0.000"]
    assert tool.main([*files, f"--threshold={threshold}"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split()[-4:] == figures


def test_tool_without_detections_and_with_bad_ones(tool, coco_gt, write, tmp_path, capsys):
    gt = write("gt.json", coco_gt)
    arguments = ["--gt", str(gt), "--figures", str(tmp_path / "f"), "--threshold", "0.5"]
    assert tool.main([*arguments, "--predictions", str(write("e.json", []))]) == 0
    assert "F1 optimum       there is no such threshold" in capsys.readouterr().out
    assert tool.main([*arguments, "--predictions", str(write("b.json", [3]))]) == 2
    assert "b.json: entry 0" in capsys.readouterr().err


@pytest.mark.parametrize("scores", [[5.0, 5.0], [0.5], [0.2, 7.0, -3.0], []])
def test_every_score_is_in_the_figure_whatever_its_range(monkeypatch, scores):
    figures = []
    monkeypatch.setattr(operating_figures, "write_curves", lambda figure, _: figures.append(figure))
    operating_figures.plot_confidence({"hits": np.array(scores)}, "confidence.png")
    assert sum(bar.get_height() for bar in figures[0].axes[0].patches) == len(scores)
