"""The page of a comparison: what it holds, and what a browser makes of it."""

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import cv2
import numpy as np
import pytest

from agn_d2.cross_view.explanation import AttendedCandidate, Explanation, PartnerEvidence
from agn_d2.cross_view.explanation_file import write_explanations
from agn_d2.evaluation.coco_results import read_detections, read_ground_truth
from agn_d2.evaluation.comparison import FrocRule, compare
from agn_d2.landmarks.record import write_landmarks
from agn_d2.utils.safe_names import safe_name
from agn_d2.visualization.detection_report import ReportOptions, build_report

from ..programs import load_program
from . import chromium

ROOT = Path(__file__).parents[2]
H, W = 200, 100
ODD = "sub/p2 100% #1 <b>_LCC.png"


def truth_content():
    """Case p1 with four views, R CC with its wall at the wrong side; p2 with one view."""
    places = [("L", "MLO"), ("R", "CC"), ("L", "CC"), ("R", "MLO")]
    images = [
        {"id": n + 1, "file_name": f"p1_{side}{view}.png", "patient_id": "p1",
         "laterality": side, "view": view, "height": H, "width": W}
        for n, (side, view) in enumerate(places)
    ] + [{"id": 5, "file_name": ODD, "patient_id": "p2", "laterality": "L", "view": "CC",
          "height": H, "width": W}]  # fmt: skip
    boxes = [(1, 10), (2, 20), (5, 40)]
    annotations = [
        {"id": n, "image_id": image, "category_id": 1, "bbox": [x, 50, 20, 30]}
        for n, (image, x) in enumerate(boxes)
    ]
    categories = [{"id": 1, "name": "mass"}]
    return {"images": images, "annotations": annotations, "categories": categories}


def found(image, x, score, y=50):
    return {"image_id": image, "category_id": 1, "bbox": [x, y, 20, 30], "score": score}


MODELS = {
    # Both lesions of p1 and a duplicate; of p2 a false positive only.
    "one": [found(1, 10, 0.9), found(1, 12, 0.4), found(2, 20, 0.6), found(5, 40, 0.7, y=150)],
    # Sure of p2, less of p1.
    "two & co": [found(5, 40, 0.8), found(2, 20, 0.3)],
}


@pytest.fixture
def data_set(tmp_path):
    (tmp_path / "images" / "sub").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for image in truth_content()["images"]:
        pixels = rng.integers(0, 65536, (H, W), dtype=np.uint16)
        assert cv2.imwrite(str(tmp_path / "images" / image["file_name"]), pixels)
    (tmp_path / "gt.json").write_text(json.dumps(truth_content()))
    for name, entries in MODELS.items():
        folder = tmp_path / name / "inference" / "toy_test"
        folder.mkdir(parents=True)
        (folder / "coco_instances_results.json").write_text(json.dumps(entries))
    # One map, for one image of one model: 0.5 at the left, 1 at the right.
    (folder / "attention").mkdir()
    attention = np.array([[32768, 65535]] * 4, np.uint16)
    assert cv2.imwrite(str(folder / "attention" / "2.png"), attention)
    return tmp_path


def build(data_set, **options):
    truth = read_ground_truth(data_set / "gt.json")
    folders = {name: data_set / name / "inference" / "toy_test" for name in MODELS}
    models = {
        name: read_detections(folder / "coco_instances_results.json", truth)
        for name, folder in folders.items()
    }
    runs = {name: [detections] for name, detections in models.items()}
    comparison = compare(runs, truth, baseline="one", draws=20)
    options = {
        "title": "toy & co",
        "attention": {name: folder / "attention" for name, folder in folders.items()},
        "chest_walls": {"p1_RCC.png": "left", "p1_LCC.png": "left"},
        **options,
    }
    return build_report(
        models, truth, comparison, data_set / "images", data_set / "page",
        rule=FrocRule(), options=ReportOptions(**options),
    )  # fmt: skip


def embedded(report) -> dict:
    text = report.page.read_text(encoding="utf-8")
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    return json.loads(data.group(1))


def test_page_holds_boxes_and_their_fate(data_set):
    report = build(data_set)
    assert (report.cases, report.images, report.problems) == (2, 5, {})
    data = embedded(report)
    assert data["models"] == list(MODELS)
    assert data["span"] == [0, 1]
    # F1 of "one": 2/4 at 0.9, 2/5 at 0.7, 4/6 at 0.6; of "two & co": 2/4, then 4/5.
    assert data["thresholds"] == [0.6, 0.3]
    first, second = data["cases"]
    assert [image["slot"] for image in first["images"]] == ["R CC", "L CC", "R MLO", "L MLO"]
    assert [image["mirror"] for image in first["images"]] == [True, False, False, False]
    mlo = first["images"][3]
    assert mlo["truth"] == [[10, 50, 20, 30]]
    # Fates: 1 hit, 2 counts as nothing (a duplicate), 0 false positive.
    assert mlo["boxes"] == [[[10, 50, 20, 30, 0.9, 1], [12, 50, 20, 30, 0.4, 2]], []]
    assert mlo["found"] == [[0.9], [None]]
    (only,) = second["images"]
    assert only["boxes"] == [[[40, 150, 20, 30, 0.7, 0]], [[40, 50, 20, 30, 0.8, 1]]]
    assert (first["images"][0]["attention"], only["attention"]) == (
        [None, "attention/1/2.png"], [None, None]
    )  # fmt: skip
    text = report.page.read_text(encoding="utf-8")
    assert "<h1>toy &amp; co " in text and "two &amp; co" in text and "<b>_LCC" not in text
    # One false positive on five images: the curve ends before 0.5 FPPI.
    assert re.search(r"<td>66\.7 \([^)]*\) \*</td>", text)
    assert "66.7 (" in text and "<svg" in text and "difference\nto one" in text
    addresses = set(re.findall(r"https?://[\w./-]+", text))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


@pytest.mark.parametrize("odd", ["../../outside", "{root}/outside", "a/b", "ü 1"])
def test_the_page_stays_in_its_folder_whatever_the_image_ids(data_set, tmp_path, odd):
    """With "../" or an absolute path as id, a picture was overwritten outside of the page."""
    victim = data_set / "outside.png"
    victim.write_text("a mammogram")
    odd = odd.format(root=data_set)
    ids = {n: odd if n == 2 else str(n) for n in range(1, 6)}
    gt = truth_content()
    for image in gt["images"]:
        image["id"] = ids[image["id"]]
    for annotation in gt["annotations"]:
        annotation["image_id"] = ids[annotation["image_id"]]
    (data_set / "gt.json").write_text(json.dumps(gt))
    for name, entries in MODELS.items():
        folder = data_set / name / "inference" / "toy_test"
        changed = [entry | {"image_id": ids[entry["image_id"]]} for entry in entries]
        (folder / "coco_instances_results.json").write_text(json.dumps(changed))
    attention = folder / "attention"
    (attention / "2.png").rename(attention / f"{safe_name(odd)}.png")
    report = build(data_set)
    address = embedded(report)["cases"][0]["images"][0]["attention"][1]
    written = report.page.parent / unquote(address)
    assert written.resolve().parent == report.page.parent / "attention" / "1"
    assert cv2.imread(str(written)) is not None
    assert victim.read_text() == "a mammogram"


def test_attention_has_one_scale(data_set):
    report = build(data_set)
    shown = cv2.imread(str(report.page.parent / "attention" / "1" / "2.png"))
    low, high = shown[0]
    assert high.astype(int).sum() > low.astype(int).sum() > 200  # 0.5 is no black


def test_surest_boxes_only_and_the_same_page_again(data_set):
    first = build(data_set).page.read_bytes()
    assert build(data_set).page.read_bytes() == first
    data = embedded(build(data_set, most=1))
    assert [len(m) for m in data["cases"][0]["images"][3]["boxes"]] == [1, 0]


def test_a_second_take_and_unknown_views_hang_below(data_set):
    content = truth_content()
    content["images"][2]["view"] = "MLO"  # L MLO twice
    del content["images"][3]["view"]
    (data_set / "gt.json").write_text(json.dumps(content))
    images = embedded(build(data_set))["cases"][0]["images"]
    assert [(i["slot"], i["name"]) for i in images] == [
        ("R CC", "p1_RCC.png"), ("L MLO", "p1_LMLO.png"),
        ("", "p1_LCC.png"), ("", "p1_RMLO.png"),
    ]  # fmt: skip


def test_what_cannot_be_shown(data_set):
    (data_set / "images" / "p1_RCC.png").unlink()
    assert set(build(data_set).problems) == {"p1_RCC.png"}
    content = truth_content()
    content["images"][0]["file_name"] = "../x.png"
    (data_set / "gt.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="below the folder"):
        build(data_set)
    del content["images"][0]["file_name"]
    (data_set / "gt.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="image 1: the report needs its file_name"):
        build(data_set)


def test_tool(data_set, toy_root, monkeypatch, capsys):
    main = load_program(ROOT / "tools" / "report.py").main
    runs = [f"--run=A={data_set / 'one'}", f"--run={data_set / 'two & co'}"]
    data = ["--gt", str(data_set / "gt.json"), "--images", str(data_set / "images")]
    out = ["--output", str(data_set / "out"), "--draws", "10"]
    assert main([*runs, *data, *out]) == 0
    assert embedded_models(data_set / "out") == ["A", "two & co"]
    assert "5 images of 2 cases" in capsys.readouterr().out
    # The data set is found by name; its landmarks tell the chest walls.
    monkeypatch.setenv("DETECTRON2_DATASETS", str(data_set))
    folder = data_set / "toy"
    (folder / "annotations").mkdir(parents=True)
    for split in ("train", "test"):
        (folder / "annotations" / f"{split}.json").write_text(json.dumps(truth_content()))
    (data_set / "images").rename(folder / "images")
    write_landmarks(folder / "annotations" / "landmarks.json", {})
    assert main([*runs, *out]) == 0
    for arguments, message in [
        ([*runs, *out, "--dataset", "other"], "no results of other, only of toy_test"),
        ([f"--run={data_set}", *out], "no results file and no folder with inference"),
        ([runs[0], runs[0], *out], "the name 'A' stands for two models"),
        ([*runs, *out, "--baseline", "C"], "baseline 'C' is none of the models"),
    ]:
        assert main(arguments) == 2
        assert message in capsys.readouterr().err


def embedded_models(folder):
    text = (folder / "index.html").read_text(encoding="utf-8")
    return json.loads(re.search(r'"models":(\[.*?\])', text).group(1))


# --- In a browser ---

needs_chromium = pytest.mark.skipif(
    chromium.EXECUTABLE is None, reason="no chromium or google-chrome on PATH"
)


@pytest.fixture
def browser(tmp_path):
    with chromium.Chromium(tmp_path / "profile") as instance:
        yield instance
        asked = [e["params"]["request"]["url"] for e in instance.of("Network.requestWillBeSent")]
        assert asked and all(url.startswith(("file:", "data:")) for url in asked)
        assert instance.of("Runtime.exceptionThrown") == []
        assert instance.of("Network.loadingFailed") == []


def rects(browser) -> list[str]:
    """Kinds of the boxes that are drawn, sorted."""
    return browser.run(
        "[...document.querySelectorAll('.overlay rect')].map(r => r.classList[0]).sort()"
    )


def cases(browser) -> list[str]:
    # Not innerText: the list is drawn lazily, and what is not drawn yet has none.
    return browser.run(
        "[...document.querySelectorAll('#list button')].map("
        "b => [...b.childNodes].map(n => [...n.childNodes].map(m => m.textContent).join(' ') || "
        "n.textContent).join(' ').trim())"
    )


@needs_chromium
def test_slider_and_model_act_at_once(data_set, browser):
    browser.open(build(data_set).page.as_uri())
    browser.run("Promise.all([...document.querySelectorAll('#hanging img')].map(i => i.decode()))")
    assert rects(browser) == ["hit", "hit", "truth", "truth"]  # p1 at 0.6
    assert "recall 66.7 %, precision 66.7 %, 0.20 FPPI, 2 of 2" in numbers(browser)
    browser.choose("#score", "0.3")
    assert rects(browser) == ["hit", "hit", "neither", "truth", "truth"]
    browser.choose("#score", "0.65")
    assert rects(browser) == ["hit", "missed", "truth"]
    assert "recall 33.3 %, precision 50.0 %" in numbers(browser)
    browser.press("2")
    assert rects(browser) == ["missed", "missed"]
    browser.click_on("#models button")
    assert rects(browser) == ["hit", "missed", "truth"]
    for _ in range(3):  # 0.65 to 0.59 by steps of 0.02
        browser.press("ArrowDown")
    assert rects(browser) == ["hit", "hit", "truth", "truth"]
    browser.press("t")
    assert rects(browser) == ["hit", "hit"]
    browser.press("p")
    assert rects(browser) == []


def numbers(browser) -> str:
    return browser.run("document.getElementById('numbers').textContent")


@needs_chromium
def test_cases_filters_keys_and_hanging(data_set, browser):
    browser.open(build(data_set).page.as_uri())
    assert [text.split() for text in cases(browser)] == [["p1"], ["p2", "−1", "+1"]]
    # Right breast at the left, CC above MLO: of the four pictures, by their places.
    places = browser.run(
        "Object.fromEntries([...document.querySelectorAll('.view')].map(v => {"
        "const b = v.getBoundingClientRect();"
        "return [v.querySelector('span').textContent.slice(0, 5).trim(), [b.left, b.top]]; }))"
    )
    assert places["R CC"][0] == places["R MLO"][0] < places["L CC"][0] == places["L MLO"][0]
    assert places["R CC"][1] == places["L CC"][1] < places["R MLO"][1] == places["L MLO"][1]
    # A mirrored picture has its box mirrored: 100 - 20 - 20.
    x = "document.querySelector('.mirror rect.truth').getAttribute('x')"
    assert browser.run(x) == "60"
    browser.press("m")
    assert [text.split()[0] for text in cases(browser)] == ["p2"]
    assert rects(browser) == ["false", "missed"]
    assert browser.run("document.querySelectorAll('.view.empty').length") == 3
    browser.press("m")
    browser.click_on("#filters button[data-filter='false']")
    assert len(cases(browser)) == 1
    browser.click_on("#filters button[data-filter='']")
    assert len(cases(browser)) == 2
    browser.press("ArrowLeft")
    assert "p1" in browser.run("document.getElementById('name').textContent")
    browser.press("ArrowRight")
    assert "p2" in browser.run("document.getElementById('name').textContent")
    browser.choose("#search", "p1_lml")
    assert [text.split()[0] for text in cases(browser)] == ["p1"]
    browser.choose("#search", "nothing")
    assert cases(browser) == [] and rects(browser) == []


def explained_runs(data_set):
    """Runs "before" and "after" with one verdict of each kind, and their explanations.

    At 0.5 one false positive of two passes, before and after; so it is at (0.1 + 0.8) / 2 after
    and (0.2 + 0.7) / 2 before.
    """
    boxes = [  # image, x, y, before, after
        (1, 10, 50, 0.9, 0.2),  # a hit
        (1, 60, 150, 0.7, 0.1),
        (2, 20, 50, 0.4, 0.9),  # a hit
        (3, 60, 10, 0.2, 0.8),
    ]
    mark = AttendedCandidate((60, 10, 20, 30), 0.2, 0.25)
    read = PartnerEvidence(3, -3.0, 0.1, (mark,), others=0.0, no_counterpart=0.75)
    explained, runs = {5: ()}, {"before": [], "after": []}
    for image, x, y, *scores in boxes:
        for run, score in zip(runs.values(), scores, strict=True):
            run.append(found(image, x, score, y))
        auxiliary = read if image == 1 else None
        one = Explanation((x, y, 20, 30), *scores, auxiliary, None, missing=0.5)
        explained[image] = (*explained.get(image, ()), one)
    for name, entries in runs.items():
        (data_set / f"{name}.json").write_text(json.dumps(entries))
    return explained


def explained_page(data_set, *more):
    explained = explained_runs(data_set)
    truth = read_ground_truth(data_set / "gt.json")
    paths = [data_set / "before.json", data_set / "after.json", *more]
    models = {path.stem: read_detections(path, truth) for path in paths}
    comparison = compare({n: [d] for n, d in models.items()}, truth, baseline="before", draws=0)
    options = ReportOptions(chest_walls={"p1_RCC.png": "left"}, explained=explained)
    return build_report(
        models, truth, comparison, data_set / "images", data_set / "page",
        rule=FrocRule(), options=options,
    )  # fmt: skip


def test_explanations_belong_to_boxes(data_set):
    data = embedded(explained_page(data_set))
    assert data["explained"] == ["before", "after"]
    mlo = data["cases"][0]["images"][3]
    # The entry after the fate leads to the explanation; by falling score.
    assert [box[6] for box in mlo["boxes"][0]] == [0, 1]
    assert mlo["explained"][1] == {
        "before": 0.7, "after": 0.1, "missing": 0.5,
        "read": [{"kind": "auxiliary", "image": 3, "change": -3.0, "share": 0.1,
                  "boxes": [[60, 10, 20, 30, 0.2, 0.25]], "others": 0, "none": 0.75}],
    }  # fmt: skip
    assert data["cases"][1]["images"][0]["explained"] == []
    assert 'id="reading"' not in build(data_set).page.read_text(encoding="utf-8")


def test_a_view_that_serves_others_is_named_without_its_folder(data_set):
    explained = explained_runs(data_set)
    (first, second), file = explained[1], "/archive/SECRET/p1_LCC.png"
    read = dataclasses.replace(second.auxiliary or first.auxiliary, image_id=file)
    explained[1] = (dataclasses.replace(first, auxiliary=read), second)
    truth = read_ground_truth(data_set / "gt.json")
    models = {"after": read_detections(data_set / "after.json", truth)}
    report = build_report(
        models, truth, compare({"after": [models["after"]]}, truth, draws=0),
        data_set / "images", data_set / "page",
        rule=FrocRule(), options=ReportOptions(explained=explained),
    )  # fmt: skip
    (evidence,) = embedded(report)["cases"][0]["images"][3]["explained"][0]["read"]
    assert evidence["file"] == "p1_LCC.png" and "image" not in evidence
    assert "SECRET" not in report.page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("laterality", "wall", "mirrored"),
    [("R", "left", True), ("R", "right", False), ("L", "right", True), (None, "left", False)],
)
def test_only_what_hangs_the_wrong_way_round_is_mirrored(data_set, laterality, wall, mirrored):
    content = truth_content()
    for image in content["images"]:
        image["laterality"] = laterality
        if laterality is None:
            del image["laterality"]
    (data_set / "gt.json").write_text(json.dumps(content))
    walls = {image["file_name"]: wall for image in content["images"]}
    data = embedded(build(data_set, chest_walls=walls))
    assert {i["mirror"] for case in data["cases"] for i in case["images"]} == {mirrored}


def test_boxes_beside_their_images_are_told_on_the_screen(data_set, capfd):
    """As those of another data set are, whose recall is 0."""
    entries = [found(1, 9000, 0.9)]
    (data_set / "far.json").write_text(json.dumps(entries))
    tool = [sys.executable, str(ROOT / "tools" / "report.py"), f"--run=A={data_set / 'far.json'}"]
    data = ["--gt", str(data_set / "gt.json"), "--images", str(data_set / "images")]
    subprocess.run([*tool, *data, "--draws", "0", "--output", str(data_set / "out")], check=True)
    assert "1 of 1 boxes lie outside of their image" in capfd.readouterr().err


def test_tool_with_explanations(data_set, capsys):
    main = load_program(ROOT / "tools" / "report.py").main
    write_explanations(data_set / "why.json", explained_runs(data_set))
    data = ["--gt", str(data_set / "gt.json"), "--images", str(data_set / "images")]
    rest = [*data, "--draws", "0", "--output", str(data_set / "out")]
    rest += ["--cross-view", str(data_set / "why.json")]
    assert main([f"--run=A={data_set / 'after.json'}", *rest]) == 0
    assert '"explained":["after"]' in (data_set / "out" / "index.html").read_text("utf-8")
    assert main([f"--run=A={data_set / 'one'}", *rest]) == 2
    assert "explanations are of other detections than those of A" in capsys.readouterr().err


@needs_chromium
def test_verdicts_that_the_other_views_changed(data_set, browser):
    other = data_set / "one" / "inference" / "toy_test" / "coco_instances_results.json"
    browser.open(explained_page(data_set, other).page.as_uri())
    browser.choose("#score", "0.5")
    assert text(browser, "#limits") == "≥ 0.50 → ≥ 0.45"
    for kind, row in (
        ("up, right", "p1 R CC 0.40 → 0.90"),
        ("up, wrong", "p1 L CC 0.20 → 0.80"),
        ("down, wrong", "p1 L MLO 0.90 → 0.20"),
        ("down, right", "p1 L MLO 0.70 → 0.10"),
    ):
        browser.click_on(f"[data-filter='{kind}']")
        assert cases(browser) == [row]
    assert text(browser, "#reading") == (
        "L MLO: 0.70 → 0.10; logit: auxiliary view (L CC) −3.00, for the view that is missing +0.50"
    )
    # Both ends of the one line lie at the boxes that it connects.
    assert browser.run("document.querySelectorAll('#links line').length") == 1
    gaps = (
        "['focus', 'attended'].map(kind => {"
        "const a = document.querySelector(`rect.${kind}`).getBoundingClientRect();"
        "const b = document.querySelector('#links line').getBoundingClientRect();"
        "return Math.max(a.left - b.right, b.left - a.right, a.top - b.bottom, b.top - a.bottom);})"
    )
    assert all(abs(gap) < 3 for gap in browser.run(gaps))
    assert text(browser, ".view:has(.attended) .evidence") == (
        "auxiliary view: logit −3.00, share 10 %; attention: 25 % on 0.20, no counterpart 75 %"
    )
    assert text(browser, "text.focus") == "0.70 → 0.10" and text(browser, "text.attended") == "25 %"
    assert "L CC" in text(browser, ".view:has(.attended) span")
    # By the scores after: the same verdicts at the same number of false positives.
    browser.press("2")
    assert text(browser, "#limits") == "≥ 0.45 → ≥ 0.50"
    assert text(browser, "text.focus") == "0.70 → 0.10"
    browser.choose("#score", "0.95")  # no false positive: between 0.7 and 1
    assert text(browser, "#limits") == "≥ 0.85 → ≥ 0.95"
    browser.press("3")
    assert cases(browser) == [] and text(browser, "#limits") == "not explained"


@needs_chromium
def test_a_detection_shows_its_reading_when_pointed_at(data_set, browser):
    browser.open(explained_page(data_set).page.as_uri())
    browser.choose("#score", "0.3")
    assert text(browser, "#reading").startswith("Point at a detection")
    # In a picture that is mirrored.
    browser.click_on(".mirror rect.hit")
    assert text(browser, "#reading") == (
        "R CC: 0.40 → 0.90; logit: for the view that is missing +0.50"
    )
    browser.point_at("rect.false")
    assert text(browser, "text.focus") == "0.70 → 0.10"
    browser.point_at("#search")
    assert text(browser, "text.focus") == "0.40 → 0.90"
    browser.press("p")
    assert rects(browser) == ["truth", "truth"]
    browser.press("p")
    browser.click_on(".view.empty, .view:not(:has(rect))")
    assert text(browser, "#reading").startswith("Point at a detection")


def text(browser, selector) -> str:
    found = browser.run(f"document.querySelector({json.dumps(selector)}).textContent")
    return found.replace("\N{NO-BREAK SPACE}", " ")


@needs_chromium
def test_attention_is_laid_over_where_there_is_one(data_set, browser):
    browser.open(build(data_set).page.as_uri())
    assert browser.run("document.querySelectorAll('img.attention').length") == 0
    browser.press("2")
    browser.run("document.querySelector('img.attention').decode()")
    display = "getComputedStyle(document.querySelector('img.attention')).display"
    assert browser.run(display) == "none"
    browser.press("a")
    assert browser.run(display) == "block"
    assert "R CC" in browser.run("document.querySelector('.view:has(.attention)').innerText")
