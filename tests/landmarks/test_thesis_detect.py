"""[S]'s recipe as a whole: method "thesis"."""

import numpy as np
import pytest

from agn_d2.landmarks import detect
from agn_d2.landmarks.detect import METHODS, detect_landmarks
from agn_d2.landmarks.nodes import place_nodes
from agn_d2.landmarks.record import PARTS
from agn_d2.landmarks.skin import CONTOUR_POINTS
from agn_d2.landmarks.thesis import detect_thesis, pectoral_stages


def line_errors(found, true):
    """Distance of the middle of the true line from the found one, pixels, and degrees between."""
    true = np.asarray(true, dtype=float)
    ways = [np.diff(line, axis=0)[0] for line in (found, true)]
    ways = [way / np.hypot(*way) for way in ways]
    offset = true.mean(axis=0) - found[0]
    away = abs(ways[0][0] * offset[1] - ways[0][1] * offset[0])
    return away, np.degrees(np.arccos(np.clip(abs(ways[0] @ ways[1]), 0, 1)))


def test_both_methods_can_be_asked_for(monkeypatch, cc):
    assert METHODS == ("robust", "thesis")
    thesis = detect_landmarks(cc.image, "CC", "thesis").to_dict()
    assert thesis == detect_thesis(cc.image, "CC").to_dict()
    assert thesis != detect_landmarks(cc.image, "CC").to_dict()
    # Neither is made with the help of the other.
    for name in ("detect_robust", "detect_thesis"):
        with monkeypatch.context() as patch:
            patch.setattr(detect, name, lambda *_: pytest.fail("the other method was asked"))
            detect_landmarks(cc.image, "CC", "robust" if name == "detect_thesis" else "thesis")


def test_the_former_name_is_understood(cc, caplog):
    found = detect_landmarks(cc.image, "CC", "seed")
    assert found.to_dict() == detect_thesis(cc.image, "CC").to_dict()
    assert "Method 'seed' is now called 'thesis'" in caplog.text


@pytest.mark.parametrize("height", [512, 1536])
def test_landmarks_of_a_cc_sketch(make_sketch, height):
    sketch = make_sketch("CC", height)
    found, unit = detect_landmarks(sketch.image, "CC", "thesis"), height / 512
    assert found.status == "ok" and found.chest_wall == "left"
    assert found.image_size == sketch.image.shape
    assert found.contour.shape == (CONTOUR_POINTS, 2)
    assert np.hypot(*(found.nipple - sketch.nipple)) < 3 * unit
    (x_top, _), (x_bottom, _) = found.pectoral_line
    assert x_top == x_bottom < 6 * unit
    lower = found.contour[(found.contour[:, 1] > 310 * unit) & (found.contour[:, 0] > 40 * unit)]
    radius = np.hypot(lower[:, 0] / 190, (lower[:, 1] - 270 * unit) / 200) / unit
    assert len(lower) > 20 and np.abs(radius - 1).max() < 0.02


@pytest.mark.parametrize("height", [512, 1536])
def test_landmarks_of_an_mlo_sketch(make_sketch, height):
    sketch = make_sketch("MLO", height)
    found, unit = detect_landmarks(sketch.image, "MLO", "thesis"), height / 512
    assert found.status == "ok"
    # s = 1e7 flattens a nipple of 9 px, but leaves it where it is along the skin.
    assert np.abs(found.nipple - sketch.nipple).max() < 10 * unit
    assert abs(found.nipple[1] - sketch.nipple[1]) < 3 * unit
    away, degrees = line_errors(found.pectoral_line, sketch.pectoral_line)
    assert away < 6 * unit and degrees < 3


@pytest.mark.parametrize("view", ["CC", "MLO"])
def test_confidences_say_what_they_are_made_of(view, make_sketch):
    found = detect_landmarks(make_sketch(view).image, view, "thesis")
    assert set(found.confidence) == set(PARTS)
    assert 0.8 < found.confidence["contour"] < 1
    assert found.confidence["nipple"] > 0.9  # one nipple, in profile
    if view == "CC":
        assert found.confidence["pectoral_line"] == 1
    else:
        stages = pectoral_stages(make_sketch(view).image)
        assert found.confidence["pectoral_line"] == stages.confidence > 0


def test_without_muscle_the_line_is_the_diagonal_and_named(make_sketch):
    image = make_sketch("MLO", muscle=False).image
    found = detect_landmarks(image, "MLO", "thesis")
    assert found.status == "pectoral: default line"
    assert found.confidence["pectoral_line"] == 0
    left, top, right, bottom = np.array(pectoral_stages(image).box) / 2  # 1024 px to 512
    np.testing.assert_allclose(found.pectoral_line, [[right, top], [left, bottom]], atol=0.1)


def test_without_skin_in_the_lower_outer_part_the_nipple_is_the_farthest_point():
    # A breast that hangs at the top: the far quarter of its width lies in its upper half.
    y, x = np.mgrid[0:512, 0:320]
    image = np.where((x < 260) & (y < 400) & (x / 260 + y / 400 < 1), 120, 5).astype(np.uint8)
    found = detect_landmarks(image, "MLO", "thesis")
    assert "nipple: farthest point" in found.status and "contour" not in found.status
    assert found.confidence["nipple"] == 0
    assert found.nipple[0] == found.contour[:, 0].max()
    assert "farthest" not in detect_landmarks(image, "CC", "thesis").status


@pytest.mark.parametrize("shape", [(40, 30), (1, 1), (3, 500), (700, 2)])
@pytest.mark.parametrize("view", ["CC", "MLO"])
def test_an_image_without_breast_falls_back_and_says_so(shape, view):
    found = detect_landmarks(np.zeros(shape, np.uint8), view, "thesis")
    steps = ["contour: whole image", "pectoral: default line", "nipple: farthest point"]
    if view == "CC":
        del steps[1]
    assert found.status == "; ".join(steps)
    assert found.confidence["contour"] == found.confidence["nipple"] == 0
    np.testing.assert_allclose(found.nipple, [shape[1], shape[0] / 2], rtol=0.02)
    nodes = place_nodes(found, (22, 26))
    assert (nodes >= 0).all() and (nodes <= shape[::-1]).all()


@pytest.mark.parametrize("view", ["CC", "MLO"])
@pytest.mark.parametrize("muscle", [True, False])
def test_a_mirrored_image_gives_exactly_mirrored_landmarks(view, muscle, make_sketch):
    image = make_sketch(view, muscle=muscle).image[:, :317]  # an odd width
    found = detect_landmarks(image, view, "thesis")
    mirrored = detect_landmarks(image[:, ::-1], view, "thesis")
    assert (found.chest_wall, mirrored.chest_wall) == ("left", "right")
    assert mirrored.to_dict() == found.mirrored().to_dict()


def test_stages_of_a_mirrored_image_are_the_same(mlo):
    stages, mirrored = pectoral_stages(mlo.image), pectoral_stages(mlo.image[:, ::-1])
    assert stages.box == mirrored.box
    np.testing.assert_array_equal(stages.edges, mirrored.edges)
    np.testing.assert_array_equal(stages.best, mirrored.best)


@pytest.mark.parametrize("view", ["CC", "MLO"])
def test_bit_depth_changes_nothing(view, make_sketch):
    image = make_sketch(view).image
    found = detect_landmarks(image, view, "thesis")
    for other in (image.astype(np.uint16) * 257, image / 255.0):
        again = detect_landmarks(other, view, "thesis")
        assert again.status == found.status
        np.testing.assert_allclose(again.contour, found.contour, atol=0.5)
        np.testing.assert_allclose(again.nipple, found.nipple, atol=0.5)
        np.testing.assert_allclose(again.pectoral_line, found.pectoral_line, atol=0.5)


def test_stages_of_an_empty_image_are_those_of_the_whole_image():
    stages = pectoral_stages(np.zeros((60, 40), np.uint8))
    assert stages.box == (0, 0, round(0.4 * 683), round(0.6 * 1024))
    assert stages.best is None


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="ML"):
        detect_thesis(np.zeros((9, 9)), "ML")
    with pytest.raises(ValueError, match="gray image"):
        detect_landmarks(np.zeros((9, 9, 3), np.uint8), "CC", "thesis")
    with pytest.raises(ValueError, match="finite"):
        pectoral_stages(np.full((9, 9), np.nan))
    with pytest.raises(ValueError, match="method must be one of"):
        detect_landmarks(np.zeros((9, 9)), "CC", "hough")
