import cv2
import numpy as np
import pytest

from agn_d2.landmarks.nodes import NodeLayout, breast_polygon, guide_lines, place_nodes
from agn_d2.landmarks.record import Landmarks

LAYOUTS = [(13, 17), (22, 26), (100, 105)]


def half_ellipse(a=150.0, b=180.0, center=200.0, points=181):
    angle = np.linspace(-np.pi / 2, np.pi / 2, points)
    return np.stack([a * np.cos(angle), center + b * np.sin(angle)], axis=1)


def make(view="MLO", **changes) -> Landmarks:
    values = {
        "view": view,
        "chest_wall": "left",
        "nipple": [150, 200],
        "pectoral_line": [[60, 0], [0, 150]] if view == "MLO" else [[0, 20], [0, 380]],
        "contour": half_ellipse(),
        "image_size": (400, 300),
    }
    return Landmarks(**{**values, **changes})


@pytest.mark.parametrize(
    ("layout", "per_line", "corner_line"),
    [((13, 17), 4, 3), ((22, 26), 7, 3), ((100, 105), 33, 4)],
)
def test_layouts_of_the_source(layout, per_line, corner_line):
    for value in (layout, list(layout), f"{layout[0]},{layout[1]}", f"{layout[0]}, {layout[1]}"):
        parsed = NodeLayout.parse(value)
        assert (parsed.cc, parsed.mlo) == layout
        assert (parsed.per_line, parsed.corner_line) == (per_line, corner_line)
    assert (parsed.count("CC"), parsed.count("MLO")) == layout
    assert NodeLayout.parse(parsed) == parsed == NodeLayout.parse(str(parsed))
    for view in ("CC", "MLO"):
        nodes = place_nodes(make(view), layout)
        assert nodes.shape == (parsed.count(view), 2) and nodes.dtype == np.float32


@pytest.mark.parametrize("value", ["22", "22,x", (22,), (23, 27), (22, 23), (1, 5), 22, None])
def test_a_layout_that_is_none_is_refused(value):
    with pytest.raises(ValueError, match="node"):
        NodeLayout.parse(value)


def test_a_view_of_another_name_is_refused():
    with pytest.raises(ValueError, match="LAT"):
        NodeLayout().count("LAT")


def test_cc_nodes_by_hand():
    # A breast that is a rectangle: x 0..90, y 10..90. The parallel lines lie at x = 30 and 60
    # (1/3 and 2/3 from the pectoral line), four nodes in the middles of quarters of 80 px.
    square = Landmarks(
        view="CC",
        chest_wall="left",
        nipple=[90, 50],
        pectoral_line=[[0, 10], [0, 90]],
        contour=[[0, 10], [90, 10], [90, 90], [0, 90]],
        image_size=(100, 120),
    )
    ys = [20, 40, 60, 80]
    expected = [[90, 50]]
    for x in (0.5, 30, 60):  # the chest wall itself is moved to the center of the first pixel
        expected += [[x, y] for y in ys]
    np.testing.assert_allclose(place_nodes(square, (13, 17)), expected, atol=1e-4)


def test_a_skin_line_that_ends_before_the_chest_wall_is_continued_to_it():
    # As above, but the skin line begins and ends at x = 20.
    short = Landmarks(
        view="CC",
        chest_wall="left",
        nipple=[90, 50],
        pectoral_line=[[2, 10], [2, 90]],
        contour=[[20, 10], [90, 10], [90, 90], [20, 90]],
        image_size=(100, 120),
    )
    np.testing.assert_allclose(
        place_nodes(short, (13, 17))[1:5], [[2, 20], [2, 40], [2, 60], [2, 80]], atol=1e-4
    )


def test_mlo_nodes_by_hand():
    # Pectoral line x + y = 40, nipple on its normal through (20, 20) at distance 60 * sqrt(2).
    image = Landmarks(
        view="MLO",
        chest_wall="left",
        nipple=[80, 80],
        pectoral_line=[[40, 0], [0, 40]],
        contour=[[100, 0], [100, 100], [0, 100]],
        image_size=(120, 110),
    )
    nodes = place_nodes(image, (13, 17))
    eighths = np.array([1, 3, 5, 7]) / 8
    expected = [[80, 80]]
    # x + y = 40 from (40, 0) to (0, 40); 80 from (80, 0); 120 from (100, 20) to (20, 100).
    for start, end in (((40, 0), (0, 40)), ((80, 0), (0, 80)), ((100, 20), (20, 100))):
        expected += [np.add(start, t * np.subtract(end, start)) for t in eighths]
    # Inset of the span of the pectoral line: 0.02 * 120 = 2.4 along x + y, so x + y = 42.4.
    for i, t in enumerate(eighths):
        expected[1 + i] = [41.2 - 42.4 * t, -1.2 + 42.4 * t]
    # The corner line x + y = 20, thirds; then the corner.
    expected += [[20 - 20 * t, 20 * t] for t in (1 / 6, 3 / 6, 5 / 6)] + [[0, 0]]
    expected = np.clip(expected, 0.5, [109.5, 119.5])
    np.testing.assert_allclose(nodes, expected, atol=1e-4)


@pytest.mark.parametrize("view", ["CC", "MLO"])
def test_nodes_of_parallel_lines_lie_in_the_breast_and_from_top_to_bottom(view):
    landmarks = make(view)
    nodes = place_nodes(landmarks, (22, 26))
    polygon = breast_polygon(landmarks).astype(np.float32)
    for line in (nodes[8:15], nodes[15:22]):
        assert (np.diff(line[:, 1]) > 0).all()
        for x, y in line:
            assert cv2.pointPolygonTest(polygon, (float(x), float(y)), False) > 0
        steps = np.diff(line, axis=0)
        np.testing.assert_allclose(steps, np.tile(steps[0], (6, 1)), atol=1e-3)
    direction = landmarks.pectoral_line[1] - landmarks.pectoral_line[0]
    spread = nodes[14] - nodes[8]
    assert abs(direction[0] * spread[1] - direction[1] * spread[0]) < 1e-2


def test_clipping_against_dense_sampling():
    # A bent breast, whose line at 1/3 leaves the breast and comes again: only the part that
    # holds the perpendicular counts.
    contour = [[40, 0], [60, 40], [35, 70], [90, 110], [95, 160], [0, 180]]
    landmarks = make(contour=contour, nipple=[95, 160], pectoral_line=[[30, 0], [0, 120]])
    first, second = landmarks.pectoral_line
    direction = (second - first) / np.hypot(*(second - first))
    foot = first + ((landmarks.nipple - first) @ direction) * direction
    polygon = breast_polygon(landmarks).astype(np.float32)
    nodes = place_nodes(landmarks, (100, 105))
    for share, line in ((1 / 3, nodes[34:67]), (2 / 3, nodes[67:100])):
        base = foot + share * (landmarks.nipple - foot)
        ends = []
        for sign in (-1, 1):
            t = 0.0
            while True:
                x, y = base + sign * t * direction
                if cv2.pointPolygonTest(polygon, (float(x), float(y)), False) < 0:
                    break
                t += 0.02
            ends.append(sign * t)
        shares = (np.arange(33) + 0.5) / 33
        expected = base + (ends[0] + shares * (ends[1] - ends[0]))[:, None] * direction
        np.testing.assert_allclose(line, np.clip(expected, 0.5, [299.5, 399.5]), atol=0.05)


@pytest.mark.parametrize("view", ["CC", "MLO"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_mirrored_landmarks_give_exactly_mirrored_nodes(view, layout):
    landmarks = make(view)
    nodes = place_nodes(landmarks, layout)
    nodes[:, 0] = 300 - nodes[:, 0]
    np.testing.assert_array_equal(place_nodes(landmarks.mirrored(), layout), nodes)


@pytest.mark.parametrize(
    "changes",
    [
        {"pectoral_line": [[10, 10], [10, 10]]},  # a point
        {"pectoral_line": [[0, 50], [200, 50]]},  # level
        {"pectoral_line": [[0, 0], [100, 300]]},  # through the corner, the wrong way
        {"pectoral_line": [[900, 0], [900, 400]]},  # outside of the image
        {"nipple": [30, 75]},  # on the pectoral line
        {"nipple": [-50, 900]},
        {"contour": [[5, 5]]},
        {"contour": [[5, 5], [5, 5], [5, 5]]},
        {"contour": [[0, 0], [0, 400]]},
        {"image_size": (1, 1)},
    ],
)
def test_degenerate_geometry_gives_finite_nodes_within_the_image(changes):
    for view in ("CC", "MLO"):
        for side in ("left", "right"):
            landmarks = make(view, chest_wall=side, **changes)
            height, width = landmarks.image_size
            nodes = place_nodes(landmarks, (22, 26))
            assert nodes.shape == ((22 if view == "CC" else 26), 2)
            assert np.isfinite(nodes).all()
            assert (nodes >= 0).all() and (nodes <= [width, height]).all()


def test_groups_name_the_nodes_in_their_order():
    layout = NodeLayout(13, 17)
    cc = {name: (part.start, part.stop) for name, part in layout.groups("CC").items()}
    lines = {"nipple": (0, 1), "pectoral line": (1, 5), "1/3": (5, 9), "2/3": (9, 13)}
    assert cc == lines and list(cc) == list(lines)
    mlo = {name: (part.start, part.stop) for name, part in layout.groups("MLO").items()}
    assert mlo == lines | {"corner line": (13, 16), "corner": (16, 17)}
    with pytest.raises(ValueError, match="LAT"):
        layout.groups("LAT")


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("view", ["CC", "MLO"])
def test_nodes_stand_in_the_middles_of_equal_parts_of_the_guide_lines(view, side):
    # The image reaches so far that no node has to be moved into it.
    line = [[70, 0], [10, 150]] if view == "MLO" else [[10, 20], [10, 380]]
    contour = half_ellipse() + [10, 0]
    landmarks = make(view, nipple=[160, 200], pectoral_line=line, contour=contour)
    landmarks = landmarks if side == "left" else landmarks.mirrored()
    layout = NodeLayout(22, 26)
    nodes = place_nodes(landmarks, layout)
    perpendicular, *lines = guide_lines(landmarks)
    np.testing.assert_allclose(perpendicular[0], landmarks.nipple)
    groups = list(layout.groups(view).values())[1 : 1 + len(lines)]
    assert len(lines) == (3 if view == "CC" else 4)
    for (start, end), group in zip(lines, groups, strict=True):
        count = group.stop - group.start
        shares = (2 * np.arange(count)[:, None] + 1) / (2 * count)
        np.testing.assert_allclose(nodes[group], start + shares * (end - start), atol=1e-3)
        assert start[1] < end[1]


def test_guide_lines_by_hand():
    square = Landmarks(
        view="CC",
        chest_wall="left",
        nipple=[90, 40],
        pectoral_line=[[0, 10], [0, 90]],
        contour=[[0, 10], [90, 10], [90, 90], [0, 90]],
        image_size=(100, 120),
    )
    expected = [[[90, 40], [0, 40]]] + [[[x, 10], [x, 90]] for x in (0, 30, 60)]
    np.testing.assert_allclose(guide_lines(square), expected, atol=1e-9)
    flipped = np.array(expected) * [-1, 1] + [120, 0]
    np.testing.assert_allclose(guide_lines(square.mirrored()), flipped, atol=1e-9)
