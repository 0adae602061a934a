"""The page of a data set's landmarks: its data and pictures, and what a browser makes of it."""

import json
import os
import re
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from agn_d2.landmarks import read_landmarks, write_landmarks
from agn_d2.landmarks.correction_files import read_corrections
from agn_d2.landmarks.corrections import Correction, apply_correction, apply_corrections
from agn_d2.landmarks.record import Landmarks
from agn_d2.visualization.landmark_distributions import distribution_figure, figure_svg
from agn_d2.visualization.landmark_report import build_report
from agn_d2.visualization.screen_pictures import picture_size, render_picture

from ..programs import load_program
from . import chromium

ROOT = Path(__file__).parents[2]
SIZE = (240, 120)  # H, W of most images
ODD = "sub/100% #1 <b>_CC.png"  # a name that must be quoted in addresses and in HTML


def make(view, confidence=None, size=SIZE, **changes) -> Landmarks:
    h, w = size
    line = [[0.4 * w, 0], [0, 0.5 * h]] if view == "MLO" else [[0, 0.1 * h], [0, 0.9 * h]]
    angle = np.linspace(-np.pi / 2, np.pi / 2, 193)
    contour = np.stack([0.8 * w * np.cos(angle), h / 2 + 0.4 * h * np.sin(angle)], axis=1)
    if confidence is not None:
        confidence = dict(zip(("contour", "nipple", "pectoral_line"), confidence, strict=True))
    values = {"chest_wall": "left", "nipple": [0.8 * w, h / 2], "status": "ok"}
    return Landmarks(
        view=view,
        pectoral_line=line,
        contour=contour,
        image_size=size,
        confidence=confidence,
        **(values | changes),
    )


@pytest.fixture
def data_set(tmp_path):
    """Four images and their landmarks, in <data set>/images and landmarks.json."""
    landmarks = {
        "a_MLO.png": make("MLO", (0.9, 0.9, 0.9)),
        "b_MLO.png": make("MLO", (0.9, 0.1, 0.9), status="nipple: farthest point"),
        "c_CC.png": make("CC", (0.3, 0.9, 0.9), size=(1500, 600)),
        ODD: make("CC"),
    }
    images = tmp_path / "toy & co" / "images"
    (images / "sub").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, item in landmarks.items():
        pixels = rng.integers(0, 65536, item.image_size, dtype=np.uint16)
        assert cv2.imwrite(str(images / name), pixels)
    write_landmarks(tmp_path / "landmarks.json", landmarks)
    return tmp_path


@pytest.fixture
def no_figure(monkeypatch):
    """The figure takes most of the time, and most tests do not look at it."""
    module = "agn_d2.visualization.landmark_report"
    monkeypatch.setattr(f"{module}.distribution_figure", lambda statistics: None)
    monkeypatch.setattr(f"{module}.figure_svg", lambda figure: "<svg></svg>")


def build(data_set, **options):
    landmarks = read_landmarks(data_set / "landmarks.json")
    images = data_set / "toy & co" / "images"
    return build_report(landmarks, images, data_set / "page", title="toy & co", **options)


def embedded(report) -> dict:
    text = report.page.read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    return json.loads(found.group(1))


def test_page_holds_what_was_found(data_set):
    report = build(data_set, layout="13,17")
    assert (report.images, report.problems, report.without_record) == (4, {}, [])
    entries = {entry["name"]: entry for entry in embedded(report)["images"]}
    assert list(entries) == ["a_MLO.png", "b_MLO.png", "c_CC.png", ODD]
    entry = entries["b_MLO.png"]
    assert (entry["w"], entry["h"], entry["view"], entry["wall"]) == (120, 240, "MLO", "left")
    assert entry["nipple"] == [96, 120]
    assert entry["line"] == [48, 0, 0, 120]
    assert entry["notes"] == ["nipple: farthest point"]
    assert entry["confidence"] == [0.9, 0.1, 0.9]
    assert len(entry["nodes"]) == 2 * 17 and len(entries["c_CC.png"]["nodes"]) == 2 * 13
    # A thinned skin line still runs from end to end.
    assert len(entry["contour"]) == 2 * 96
    assert entry["contour"][:2] == [0, 24] and entry["contour"][-2:] == [0, 216]
    assert entry["given"] is None and entries[ODD]["confidence"] is None
    text = report.page.read_text(encoding="utf-8")
    assert "<h1>toy &amp; co " in text
    assert "<b>_CC" not in text
    assert len(re.findall("<svg ", text)) >= 1 and "pectoral angle (MLO)" in text


def test_the_page_asks_for_nothing_from_elsewhere(data_set):
    text = build(data_set).page.read_text(encoding="utf-8")
    addresses = set(re.findall(r"https?://[\w./-]+", text))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


@pytest.mark.usefixtures("no_figure")
def test_pictures_are_small_gray_and_stretched(data_set):
    report = build(data_set)
    pictures = report.page.parent / "images"
    picture = cv2.imread(str(pictures / "c_CC.png.jpg"), cv2.IMREAD_UNCHANGED)
    assert picture.shape == (1000, 400)
    assert cv2.imread(str(pictures / f"{ODD}.jpg"), cv2.IMREAD_UNCHANGED).shape == SIZE
    assert picture_size((300, 2000)) == (150, 1000)
    ramp = np.linspace(1000, 2000, 100 * 50).astype(np.uint16).reshape(100, 50)
    shown = render_picture(ramp)
    assert shown.min() == 0 and shown.max() == 255
    # 1st percentile 1010, 99.8th 1998: the middle, 1500, is 490 / 988 of the way.
    assert shown[50, 0] == pytest.approx(255 * 490 / 988, abs=1.5)
    assert render_picture(np.zeros((3, 3), np.uint8)).tolist() == [[0] * 3] * 3


@pytest.mark.usefixtures("no_figure")
def test_pictures_are_written_once_and_again_when_the_image_is_new(data_set):
    report = build(data_set)
    pictures = report.page.parent / "images"
    stamps = {path: path.stat().st_mtime_ns for path in pictures.rglob("*.jpg")}
    assert len(stamps) == 4
    build(data_set)
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    image = data_set / "toy & co" / "images" / "a_MLO.png"
    cv2.imwrite(str(image), np.zeros(SIZE, np.uint8))
    later = time.time() + 5
    os.utime(image, (later, later))
    build(data_set)
    changed = {p.name for p in stamps if p.stat().st_mtime_ns != stamps[p]}
    assert changed == {"a_MLO.png.jpg"}


@pytest.mark.usefixtures("no_figure")
def test_what_is_missing_or_does_not_fit_is_told(data_set):
    images = data_set / "toy & co" / "images"
    (images / "a_MLO.png").unlink()
    (images / "b_MLO.png").write_bytes(b"no image")
    cv2.imwrite(str(images / "c_CC.png"), np.zeros((600, 1500), np.uint8))
    cv2.imwrite(str(images / "new.png"), np.zeros((6, 5), np.uint8))
    report = build(data_set, corrections={"gone.png": Correction(nipple=[1, 1])})
    assert set(report.problems) == {"a_MLO.png", "b_MLO.png", "c_CC.png"}
    assert "1500 x 600 px" in report.problems["c_CC.png"]
    assert report.without_record == ["new.png"]
    assert report.unknown_corrections == ["gone.png"]
    entries = {entry["name"]: entry for entry in embedded(report)["images"]}
    assert entries["c_CC.png"]["problem"] == report.problems["c_CC.png"]
    assert entries[ODD]["problem"] is None
    text = report.page.read_text(encoding="utf-8")
    for said in ("cannot be shown: 3", "without landmarks: 1", "without an image: 1"):
        assert said in text
    assert "<li>new.png</li>" in text and "<li>gone.png</li>" in text


@pytest.mark.usefixtures("no_figure")
def test_pictures_of_a_page_below_the_images_are_no_images(data_set):
    images = data_set / "toy & co" / "images"
    landmarks = read_landmarks(data_set / "landmarks.json")
    for _ in range(2):
        report = build_report(landmarks, images, images / "page")
        assert (report.problems, report.without_record) == ({}, [])


@pytest.mark.usefixtures("no_figure")
def test_a_picture_of_another_frame_is_not_kept(data_set):
    build(data_set)
    records = read_landmarks(data_set / "landmarks.json")
    records["a_MLO.png"] = make("MLO", size=(300, 120))
    write_landmarks(data_set / "landmarks.json", records)
    assert set(build(data_set).problems) == {"a_MLO.png"}


@pytest.mark.usefixtures("no_figure")
def test_corrections_are_applied_and_the_detectors_landmarks_kept(data_set):
    corrections = {
        "b_MLO.png": Correction(nipple=[90, 130], pectoral_line=[[1, 100], [50, 2]]),
        "c_CC.png": Correction(chest_wall="right", nipple=[5, 700]),
        ODD: Correction(contour=[[1, 2], [50, 60], [1, 200]]),
    }
    report = build(data_set, corrections=corrections)
    entries = {entry["name"]: entry for entry in embedded(report)["images"]}
    entry = entries["b_MLO.png"]
    assert entry["given"] == {"nipple": [90, 130], "line": [1, 100, 50, 2]}
    assert entry["nipple"] == [96, 120] and entry["line"] == [48, 0, 0, 120]
    assert entry["notes"] == ["pectoral: by hand", "nipple: by hand"]
    assert entry["confidence"] == [0.9, 1, 1]
    assert entry["nodes"][:2] == [90, 130]
    assert entries["c_CC.png"]["wall"] == "left"
    assert entries["c_CC.png"]["given"] == {"wall": "right", "nipple": [5, 700]}
    assert entries[ODD]["given"] is None and entries[ODD]["contour"] == [1, 2, 50, 60, 1, 200]
    assert "contours corrected in a JSON file: 1" in report.page.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["../x.png", "/x.png", "a/../../x.png"])
def test_names_that_lead_out_of_the_folder_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match="below the folder"):
        build_report({name: make("CC")}, tmp_path, tmp_path / "page")


def test_nothing_to_show(tmp_path):
    with pytest.raises(ValueError, match="no landmarks"):
        build_report({}, tmp_path, tmp_path / "page")


def test_the_same_data_make_the_same_page(data_set):
    first = build(data_set).page.read_bytes()
    assert build(data_set).page.read_bytes() == first


def test_figure_of_unjudged_images():
    from agn_d2.landmarks.statistics import landmark_statistics

    svg = figure_svg(distribution_figure(landmark_statistics({"a": make("CC")})))
    assert svg.startswith("<svg") and "not judged" in svg


def test_tool(data_set, capsys):
    main = load_program(ROOT / "tools" / "landmark_report.py").main
    images = data_set / "toy & co" / "images"
    options = ["--landmarks", str(data_set / "landmarks.json"), "--images", str(images)]
    options += ["--output", str(data_set / "out")]
    assert main(options) == 0
    assert "<h1>toy &amp; co " in (data_set / "out" / "index.html").read_text(encoding="utf-8")
    notes = data_set / "notes.csv"
    notes.write_text("file_name,nipple_x,nipple_y\na_MLO.png,5,6\ngone.png,1,1\n")
    (images / "b_MLO.png").unlink()
    assert main([*options, "--corrections", str(notes), "--title", "Mine"]) == 1
    said = capsys.readouterr()
    assert "no landmarks: gone.png" in said.err and "b_MLO.png" in said.err
    assert "4 images" in said.out
    text = (data_set / "out" / "index.html").read_text(encoding="utf-8")
    assert "<h1>Mine " in text and '"given":{"nipple":[5.0,6.0]}' in text
    notes.write_text("file_name,nipple_x,nipple_y\na_MLO.png,500,6\n")
    assert main([*options, "--corrections", str(notes)]) == 2
    assert "notes.csv, line 2" in capsys.readouterr().err
    assert main([*options[:2], "--images", str(data_set / "x"), *options[4:]]) == 2


# --- In a browser ---

needs_chromium = pytest.mark.skipif(
    chromium.EXECUTABLE is None, reason="no chromium or google-chrome on PATH"
)


@pytest.fixture
def browser(tmp_path):
    with chromium.Chromium(tmp_path / "profile") as instance:
        instance.save_to(tmp_path / "saved")
        yield instance
        asked = [e["params"]["request"]["url"] for e in instance.of("Network.requestWillBeSent")]
        assert asked and all(url.startswith(("file:", "data:", "blob:")) for url in asked)
        assert instance.of("Runtime.exceptionThrown") == []
        assert instance.of("Network.loadingFailed") == []


def names(browser) -> list[str]:
    return browser.run("[...document.querySelectorAll('.card .name')].map(e => e.textContent)")


def click_point(browser, x, y) -> None:
    """Click at a point of the large picture, given as shares of its width and height."""
    box = browser.run(
        "(() => { const b = document.querySelector('#big .picture').getBoundingClientRect();"
        "return [b.left, b.top, b.width, b.height]; })()"
    )
    browser.click(box[0] + x * box[2], box[1] + y * box[3])


@needs_chromium
def test_list_in_a_browser(data_set, browser):
    browser.open(build(data_set).page.as_uri())
    # Not judged first, then by the lowest confidence.
    assert names(browser) == [ODD, "b_MLO.png", "c_CC.png", "a_MLO.png"]
    # Throws if a picture cannot be loaded.
    browser.run("Promise.all([...document.querySelectorAll('.card img')].map(i => i.decode()))")
    first = browser.run("document.querySelector('.card .bars').textContent")
    assert first == "confidence: not judged"
    browser.click_on("#views button[data-view='MLO']")
    assert names(browser) == ["b_MLO.png", "a_MLO.png"]
    browser.click_on("#notes button[data-note='ok']")
    assert names(browser) == ["a_MLO.png"]
    browser.click_on("#views button[data-view='']")
    browser.click_on("#notes button[data-note='']")
    browser.choose("#sort", "name")
    assert names(browser) == ["a_MLO.png", "b_MLO.png", "c_CC.png", ODD]
    browser.choose("#sort", "0")  # contour
    assert names(browser)[:2] == [ODD, "c_CC.png"]
    browser.choose("#search", "B_m")
    assert names(browser) == ["b_MLO.png"]


@pytest.mark.usefixtures("no_figure")
@needs_chromium
def test_corrections_made_in_a_browser_come_back(data_set, browser, tmp_path):
    report = build(data_set)
    browser.open(report.page.as_uri())
    browser.click_on(".card:nth-child(2)")  # b_MLO.png, 120 x 240
    browser.press("n")
    click_point(browser, 0.75, 0.5)
    browser.press("p")
    click_point(browser, 0.1, 0.4)  # the lower point first
    click_point(browser, 0.5, 0.05)
    browser.press("o")  # and on to c_CC.png, 600 x 1500
    browser.press("p")
    click_point(browser, 0.02, 0.9)
    click_point(browser, 0.04, 0.1)
    browser.press("ArrowRight")  # a_MLO.png
    browser.press("w")
    assert "pectoral line (p)" in browser.run("document.querySelector('#big .hint').textContent")
    browser.press("Escape")
    assert browser.run("document.querySelector('#big').open") is False
    browser.open(report.page.as_uri())  # the marks outlive the page
    assert "1 looked at, 3 corrected" in browser.run("document.body.innerText")
    browser.click_on("#save-corrections")
    path = browser.saved(tmp_path / "saved" / "corrections.csv")
    assert "a_MLO.png" in browser.run("document.querySelector('#message').textContent")
    found = read_corrections(path)
    assert set(found) == {"b_MLO.png", "c_CC.png"}  # the chest wall alone is left out, and named
    b, c = found["b_MLO.png"], found["c_CC.png"]
    assert b.image_size == (240, 120)
    # A pixel of the screen is 240 / 900 px of this image, and 1500 / 900 px of the other.
    np.testing.assert_allclose(b.nipple, [90, 120], atol=0.4)
    np.testing.assert_allclose(b.pectoral_line, [[60, 12], [12, 96]], atol=0.4)
    np.testing.assert_allclose(c.pectoral_line, [[18, 150], [18, 1350]], atol=2.5)
    records = read_landmarks(data_set / "landmarks.json")
    corrected, unknown = apply_corrections(records, found)
    assert unknown == []
    assert corrected["b_MLO.png"].status == "pectoral: by hand; nipple: by hand"
    browser.click_on("#save-review")
    lines = browser.saved(tmp_path / "saved" / "review.csv").read_text().splitlines()
    assert "b_MLO.png,MLO,nipple: farthest point,ok,corrected,corrected,ok" in lines
    assert "c_CC.png,CC,ok,,,corrected," in lines


@pytest.mark.usefixtures("no_figure")
@needs_chromium
def test_earlier_corrections_stay_until_they_are_taken_back(data_set, browser, tmp_path):
    given = {
        "b_MLO.png": Correction(nipple=[90, 130]),
        ODD: Correction(chest_wall="right", nipple=[5, 120]),
    }
    browser.open(build(data_set, corrections=given).page.as_uri())
    browser.click_on("#save-corrections")
    path = browser.saved(tmp_path / "saved" / "corrections.csv")
    found = read_corrections(path)
    assert set(found) == set(given)
    for name, item in read_landmarks(data_set / "landmarks.json").items():
        if name in given:
            again = apply_correction(item, found[name]).to_dict()
            assert again == apply_correction(item, given[name]).to_dict()
    path.unlink()
    browser.choose("#search", "b_MLO")
    browser.click_on(".card")
    browser.press("r")
    browser.press("Escape")
    browser.click_on("#save-corrections")
    assert set(read_corrections(browser.saved(path))) == {ODD}
