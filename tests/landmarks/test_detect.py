from dataclasses import replace

import cv2
import numpy as np
import pytest

from agn_d2.landmarks import detect
from agn_d2.landmarks.contour import breast_box
from agn_d2.landmarks.curves import smooth_curve
from agn_d2.landmarks.detect import detect_landmarks, detect_robust
from agn_d2.landmarks.inversion import seems_negative
from agn_d2.landmarks.nipple import find_bump, find_nipple
from agn_d2.landmarks.nodes import place_nodes
from agn_d2.landmarks.record import WHOLE_IMAGE
from agn_d2.landmarks.skin import CONTOUR_POINTS


def line_distance(line, point):
    (x0, y0), (x1, y1) = line
    return abs((x1 - x0) * (y0 - point[1]) - (x0 - point[0]) * (y1 - y0)) / np.hypot(
        x1 - x0, y1 - y0
    )


@pytest.mark.parametrize("view", ["CC", "MLO"])
def test_landmarks_of_a_sketch(view, make_sketch):
    sketch = make_sketch(view)
    found = detect_landmarks(sketch.image, view)
    assert found.status == "ok"
    assert (found.view, found.chest_wall) == (view, "left")
    assert found.image_size == sketch.image.shape
    assert np.hypot(*(found.nipple - sketch.nipple)) < 8  # the nipple's radius is 9
    assert found.contour.shape == (CONTOUR_POINTS, 2)
    assert found.contour[0, 1] < found.contour[-1, 1]
    # Away from the ends the contour follows the ellipse.
    center = 270 if view == "CC" else 300
    lower = found.contour[(found.contour[:, 1] > center + 40) & (found.contour[:, 0] > 40)]
    radius = np.hypot(lower[:, 0] / 190, (lower[:, 1] - center) / 200)
    assert len(lower) > 20
    assert np.abs(radius - 1).max() < 0.03


def test_pectoral_line_of_a_sketch(mlo):
    line = detect_landmarks(mlo.image, "MLO").pectoral_line
    assert line[0, 1] < line[1, 1]
    assert line_distance(mlo.pectoral_line, line.mean(axis=0)) < 6
    angle = np.degrees(np.arctan2(line[0, 0] - line[1, 0], line[1, 1] - line[0, 1]))
    assert abs(angle - np.degrees(np.arctan2(110, 260))) < 4


def test_without_muscle_the_line_is_the_chest_wall_and_named(make_sketch):
    found = detect_landmarks(make_sketch("MLO", muscle=False).image, "MLO")
    assert found.status == "pectoral: default line"
    assert found.confidence["pectoral_line"] == 0
    (x_top, y_top), (x_bottom, y_bottom) = found.pectoral_line
    assert x_top == x_bottom < 12 and y_bottom - y_top > 400


def test_cc_pectoral_line_is_the_vertical_chest_wall(cc):
    line = detect_landmarks(cc.image, "CC").pectoral_line
    assert line[0, 0] == line[1, 0] < 12
    assert line[0, 1] < line[1, 1]


@pytest.mark.parametrize("view", ["CC", "MLO"])
def test_a_mirrored_image_gives_exactly_mirrored_landmarks_and_nodes(view, make_sketch):
    image = make_sketch(view).image[:, :317]  # an odd width
    found, mirrored = detect_landmarks(image, view), detect_landmarks(image[:, ::-1], view)
    assert mirrored.chest_wall == "right"
    assert mirrored.to_dict() == found.mirrored().to_dict()
    nodes = place_nodes(found, (22, 26))
    nodes[:, 0] = 317 - nodes[:, 0]
    np.testing.assert_array_equal(place_nodes(mirrored, (22, 26)), nodes)


@pytest.mark.parametrize("view", ["CC", "MLO"])
def test_bit_depth_changes_nothing(view, make_sketch):
    image = make_sketch(view).image
    found = detect_landmarks(image, view)
    for other in (image.astype(np.uint16) * 257, image / 255.0):
        again = detect_landmarks(other, view)
        assert again.status == found.status
        np.testing.assert_allclose(again.contour, found.contour, atol=0.5)
        np.testing.assert_allclose(again.nipple, found.nipple, atol=0.5)
        np.testing.assert_allclose(again.pectoral_line, found.pectoral_line, atol=0.5)


@pytest.mark.parametrize("view", ["CC", "MLO"])
def test_landmarks_scale_with_the_image(view, make_sketch):
    small = detect_landmarks(make_sketch(view, 512).image, view)
    large = detect_landmarks(make_sketch(view, 1280).image, view)
    assert large.status == small.status
    np.testing.assert_allclose(large.nipple / 2.5, small.nipple, atol=4)
    np.testing.assert_allclose(large.pectoral_line / 2.5, small.pectoral_line, atol=6)
    # The same curve but for its ends, where the pixel at which it stops may differ.
    between = np.linalg.norm(large.contour[:, None] / 2.5 - small.contour[None], axis=2)
    assert max(between.min(axis=0)[6:-6].max(), between.min(axis=1)[6:-6].max()) < 2


@pytest.mark.parametrize("shape", [(40, 30), (1, 1), (3, 500), (700, 2)])
@pytest.mark.parametrize("view", ["CC", "MLO"])
def test_an_image_without_breast_falls_back_and_says_so(shape, view):
    found = detect_landmarks(np.zeros(shape, np.uint8), view)
    steps = ["contour: whole image", "pectoral: default line", "nipple: farthest point"]
    if view == "CC":
        del steps[1]
    assert found.status == "; ".join(steps)
    nodes = place_nodes(found, (22, 26))
    assert (nodes >= 0).all() and (nodes <= shape[::-1]).all()


@pytest.mark.parametrize("mirrored", [False, True])
def test_an_outline_without_a_step_of_brightness_is_no_skin_line(mirrored):
    """A breast cut by both ends of the film, so bright at the chest wall that it seems a border.

    What is left of it widens away from the wall: its tip would be taken for the whole breast.
    """
    rows, columns = np.mgrid[:400, :300]
    away = (columns / 120) ** 2 + ((rows - 200) / 240) ** 2
    breast = away < 1
    noise = np.random.default_rng(0).normal(0, 6, breast.shape)
    image = np.where(breast, 60 + 110 * np.sqrt(np.clip(1 - away, 0, 1)) + noise, 4)
    image = cv2.GaussianBlur(image.clip(0, 255).astype(np.uint8), (0, 0), 1.2)
    if mirrored:
        image, breast = image[:, ::-1], breast[:, ::-1]
    found = detect_landmarks(image, "CC")
    assert found.status.startswith(WHOLE_IMAGE) and found.confidence["contour"] == 0
    x0, y0, x1, y1 = breast_box(found)
    assert breast[y0:y1, x0:x1].sum() == breast.sum()


def test_noise_gives_landmarks_too():
    rng = np.random.default_rng(0)
    for size in ((64, 48), (300, 20), (20, 300), (128, 128)):
        image = rng.integers(0, 256, size, dtype=np.uint8)
        for view in ("CC", "MLO"):
            found = detect_landmarks(image, view)
            assert found.image_size == size
            assert (found.contour >= 0).all() and (found.contour <= size[::-1]).all()


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="ML"):
        detect_landmarks(np.zeros((9, 9)), "ML")
    with pytest.raises(ValueError, match="gray image"):
        detect_landmarks(np.zeros((9, 9, 3), np.uint8), "CC")


def bumpy(row):
    """Skin line: an arc of radius 100 with a nipple of 4 px at the given share of it."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, 192)
    radius = 100 + 4 * np.exp(-(((np.linspace(0, 1, 192) - row) / 0.015) ** 2))
    return np.stack([radius * np.cos(angle), 100 + radius * np.sin(angle)], axis=1)


def filled(curve):
    """(200, 140) uint8, bright within the skin line, and no film border."""
    image = np.zeros((200, 140), np.uint8)
    cv2.fillPoly(image, [np.round(curve - 0.5).astype(np.int32)], 120)
    return cv2.GaussianBlur(image, (0, 0), 1.0), np.zeros(image.shape, bool)


@pytest.mark.parametrize("row", [0.42, 0.5, 0.57])
def test_nipple_is_the_bump_though_it_is_not_the_farthest_point(row):
    curve = bumpy(row)
    point, confidence = find_bump(*filled(curve), curve, np.array([[0.0, 0], [0, 200]]))
    assert confidence > 0.5
    assert np.hypot(*(point - curve[round(row * 191)])) < 4


def test_without_bump_the_nipple_is_the_point_farthest_from_the_line():
    curve = smooth_curve(bumpy(5.0), 0.03)
    line = np.array([[60.0, 0], [0, 80]])
    assert find_bump(*filled(curve), curve, line) is None
    point, confidence = find_nipple(*filled(curve), curve, line)
    assert confidence == 0
    # The normal of the line (60, 0)-(0, 80) is (4, 3) / 5.
    np.testing.assert_allclose(point, [80, 160], atol=1.5)


@pytest.mark.parametrize("view", ["CC", "MLO"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_dark_breast_on_white_is_told_and_found_all_the_same(view, dtype, make_sketch):
    sketch = make_sketch(view)
    negative = (255 - sketch.image).astype(dtype) * (np.iinfo(dtype).max // 255)
    found = detect_landmarks(negative, view)
    assert found.status == "inverted: dark breast on white film"
    assert not found.ok
    assert np.hypot(*(found.nipple - sketch.nipple)) < 8
    mirrored = detect_landmarks(negative[:, ::-1], view)
    assert mirrored.to_dict() == found.mirrored().to_dict()


def test_a_negative_without_muscle_has_both_notes(make_sketch):
    found = detect_landmarks(255 - make_sketch("MLO", muscle=False).image, "MLO")
    assert found.status == "inverted: dark breast on white film; pectoral: default line"


@pytest.mark.parametrize(
    ("sure", "surer", "taken"),
    [(0.8, 0.05, False), (0.8, 0.15, True), (0.6, 0.22, False), (0.6, 0.3, True)],
)
def test_a_negative_whose_contour_is_hardly_surer_is_none(
    monkeypatch, make_sketch, sure, surer, taken
):
    """Noise gives the dark film texture, and the edges of the film's negative a contour."""
    image = make_sketch("CC").image
    of = detect_robust(image, "CC")
    confidences = iter([sure, sure + surer])
    monkeypatch.setattr(detect, "seems_negative", lambda small, film: True)
    monkeypatch.setattr(
        detect,
        "_detect",
        lambda *_: replace(of, confidence={**of.confidence, "contour": next(confidences)}),
    )
    assert detect_robust(image, "CC").status.startswith("inverted") is taken


def test_a_negative_is_told_where_another_copy_of_it_is_read(monkeypatch, make_sketch):
    """Made even, what is dark has lost its texture: there the breast."""
    negative = 255 - make_sketch("MLO").image
    even = detect.readable_copy(negative, "MLO")
    even = replace(even, small=np.maximum(even.small, 250), confidence=0.7)
    assert not seems_negative(even.small, even.film)
    others = iter([even, detect.readable_copy(255 - negative, "MLO")])
    monkeypatch.setattr(detect, "readable_copy", lambda image, view: next(others))
    assert detect_robust(negative, "MLO").status == "inverted: dark breast on white film"
