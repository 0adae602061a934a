"""The figure of FROC curves: files, reproducible, told apart without color."""

from xml.sax.saxutils import escape

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from agn_d2.evaluation.froc import FrocCurve
from agn_d2.visualization.froc import STYLES, froc_figure, plot_froc

CURVE = FrocCurve(
    fppi=np.array([0, 0, 0.5, 2.0]),
    recall=np.array([0, 0.3, 0.6, 0.6]),
    thresholds=np.array([np.inf, 0.9, 0.5, 0.1]),
    images=10,
    lesions=10,
)
OTHER = FrocCurve(CURVE.fppi * 3, CURVE.recall + 0.1, CURVE.thresholds, 10, 10)
NO_LESION = FrocCurve(CURVE.fppi, CURVE.recall * np.nan, CURVE.thresholds, 10, 0)


def test_png_brings_an_svg_along(tmp_path):
    written = plot_froc({"model": CURVE}, tmp_path / "new" / "froc.png", rule="the rule")
    assert written == [tmp_path / "new" / "froc.png", tmp_path / "new" / "froc.svg"]
    assert written[0].read_bytes().startswith(b"\x89PNG")
    text = written[1].read_text()
    assert "<svg" in text
    assert "model (ends at 2 FPPI)" in text
    assert "the rule" in text
    assert "False positives per image (FPPI)" in text


def test_pdf(tmp_path):
    (written,) = plot_froc({"model": CURVE}, tmp_path / "froc.pdf")
    assert written.read_bytes().startswith(b"%PDF")


def test_several_curves_intervals_and_no_lesion(tmp_path):
    bars = {"b": (np.full(5, 0.5), np.full(5, 0.9))}
    curves = {"a": CURVE, "b": OTHER, "c": NO_LESION}
    (written,) = plot_froc(curves, tmp_path / "froc.svg", intervals=bars)
    text = written.read_text()
    assert "a (ends at 2 FPPI)" in text
    assert ">b<" in text.replace("<!-- ", ">").replace(" -->", "<")
    assert "c (no lesion)" in text
    without = plot_froc(curves, tmp_path / "without.svg")[0].read_text()
    assert len(text) > len(without)


@pytest.mark.parametrize("name", ["_a", "$a$", "50 $ or $\\a", "a_{b} \\$c", "<b> & c"])
def test_the_legend_has_every_name_as_it_stands(tmp_path, name):
    figure = froc_figure({name: NO_LESION, "b": OTHER})
    (legend,) = figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == [f"{name} (no lesion)", "b"]
    (written,) = plot_froc({name: NO_LESION}, tmp_path / "froc.svg")
    assert f">{escape(name)} (no lesion)</text>" in written.read_text()


def test_runs_stand_behind_their_mean(tmp_path):
    curves = {"a": CURVE, "b": OTHER}
    runs = {"a": [CURVE, OTHER, CURVE], "b": [OTHER]}
    (written,) = plot_froc(curves, tmp_path / "runs.svg", runs=runs)
    text = written.read_text()
    assert "a (mean of 3 runs) (ends at 2 FPPI)" in text and "mean of 1 run" not in text
    without = plot_froc(curves, tmp_path / "without.svg")[0].read_text()
    thin = "stroke-width: 0.5"
    assert text.count(thin) == without.count(thin) + 3


def test_same_curves_same_file(tmp_path):
    first, again = (
        plot_froc({"model": CURVE}, tmp_path / name / "froc.png") for name in ("1", "2")
    )
    for one, other in zip(first, again, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_curves_differ_without_color():
    assert len({style for _, style, _ in STYLES}) == len(STYLES)
    assert len({marker for _, _, marker in STYLES}) == len(STYLES)
    lightness = [np.dot(to_rgb(color), (0.2126, 0.7152, 0.0722)) for color, _, _ in STYLES[:4]]
    assert min(abs(np.diff(sorted(lightness)))) > 0.1


def test_refused(tmp_path):
    with pytest.raises(ValueError, match=r"must end in \.png, \.svg, \.pdf"):
        plot_froc({"model": CURVE}, tmp_path / "froc.jpeg")
    with pytest.raises(ValueError, match="no FROC curve"):
        plot_froc({}, tmp_path / "froc.png")
