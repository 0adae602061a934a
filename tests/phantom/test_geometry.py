"""Anatomy, projection and the silhouettes of objects."""

import numpy as np
import pytest

from agn_d2.phantom import PhantomParams
from agn_d2.phantom.anatomy import sample_woman, vary_breast
from agn_d2.phantom.lesions import Blob
from agn_d2.phantom.positioning import cc_geometry, mlo_geometry
from agn_d2.phantom.projection import Frame, pectoral_line, visible_contour

FRAME = Frame(left=3, top=2, right=325, bottom=510, mm=0.42)


def make(seed, view, **shares):
    rng = np.random.default_rng(seed)
    breast = vary_breast(sample_woman(rng, 2), rng)
    geometry = (cc_geometry if view == "CC" else mlo_geometry)(
        breast, FRAME, PhantomParams(**shares), rng
    )
    return breast, geometry


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("angle", [np.pi / 2, np.radians(45)])
def test_profile_is_the_silhouette_of_the_body(seed, angle):
    breast, _ = make(seed, "CC")
    # Brute force: points all over the skin, and the farthest of each narrow strip of u.
    turn = np.linspace(0, 2 * np.pi, 4000)
    level = np.sin(np.linspace(0, np.pi / 2, 300))
    edge_y = np.where(np.cos(turn) > 0, breast.lateral, breast.medial) * np.cos(turn)
    edge_z = np.where(np.sin(turn) > 0, breast.superior, breast.inferior) * np.sin(turn)
    y, z = np.outer(level, edge_y), np.outer(level, edge_z)
    x = breast.depth * (1 - level**breast.base_power) ** (1 / breast.depth_power)
    u = y * np.sin(angle) + z * np.cos(angle)
    for at in (-0.6 * breast.extents(angle)[1], 5.0, 0.7 * breast.extents(angle)[0]):
        near = np.abs(u - at) < 0.15
        highest = np.broadcast_to(x[:, None], u.shape)[near].max()
        assert breast.profile(np.array([at]), angle)[0] == pytest.approx(highest, abs=0.8)
    assert u.max() == pytest.approx(breast.extents(angle)[0], rel=1e-3)
    assert -u.min() == pytest.approx(breast.extents(angle)[1], rel=1e-3)


@pytest.mark.parametrize("view", ["CC", "MLO"])
def test_image_and_breast_coordinates_invert_each_other(view):
    for seed in range(5):
        _, geometry = make(seed, view)
        xu = np.random.default_rng(seed).uniform((-40, -90), (120, 90), (50, 2))
        np.testing.assert_allclose(geometry.to_breast(geometry.to_image(xu)), xu, atol=1e-9)


def test_cc_keeps_depth_horizontal_and_lateral_up():
    _, geometry = make(1, "CC")
    a, b = geometry.to_image(geometry.project(np.array([[20.0, 0, 0], [50.0, 0, 0]])))
    assert b[0] - a[0] == pytest.approx(30 * geometry.scale[0] / FRAME.mm)
    lateral, medial = geometry.to_image(geometry.project(np.array([[0, 30.0, 0], [0, -30.0, 0]])))
    assert lateral[1] < medial[1]
    # What lies higher or lower in the breast falls on the same place.
    high, low = geometry.project(np.array([[20.0, 5, 30], [20.0, 5, -30]]))
    np.testing.assert_allclose(high, low, atol=1e-9)


def test_mlo_shows_high_and_lateral_tissue_at_the_top():
    _, geometry = make(2, "MLO")
    middle, higher, lateral = geometry.to_image(
        geometry.project(np.array([[30.0, 0, 0], [30.0, 0, 25], [30.0, 25, 0]]))
    )
    assert higher[1] < middle[1] and lateral[1] < middle[1]
    # The viewer looks along (y, z) = (-cos a, sin a): a step that way changes nothing.
    a = geometry.angle
    step = np.array([30.0, 20 * np.cos(a), -20 * np.sin(a)])
    np.testing.assert_allclose(geometry.to_image(geometry.project(step)), middle, atol=1e-9)


def test_mlo_axis_runs_along_the_pectoral_line():
    for seed in range(8):
        _, geometry = make(seed, "MLO", pectoral_absent_share=0.0)
        line = pectoral_line(geometry)
        assert line[0, 1] < line[1, 1]
        assert line[0, 0] > line[1, 0]  # leans away from the chest wall towards the top
        np.testing.assert_allclose(geometry.to_breast(line)[:, 0], 0.0, atol=1e-9)
        assert FRAME.holds(line, margin=-1e-6).all()


def test_absent_muscle_gives_the_line_of_the_chest_wall():
    _, geometry = make(0, "MLO", pectoral_absent_share=1.0)
    np.testing.assert_array_equal(pectoral_line(geometry), [[3, 2], [3, 510]])


def test_contour_is_cut_at_the_frame():
    # A triangle-like curve: enters at the top edge, leaves at the left edge.
    outline = np.array([[50.0, -100.0], [150.0, 100.0], [200.0, 200.0], [-100.0, 500.0]])
    contour = visible_contour(outline, np.array([200.0, 200.0]), FRAME)
    # x = 50 + (y + 100) / 2 at y = 2, and y = 200 + (200 - x) at x = 3.
    np.testing.assert_allclose(contour[0], [101.0, 2.0])
    np.testing.assert_allclose(contour[-1], [3.0, 397.0])
    steps = np.hypot(*np.diff(contour, axis=0).T)
    assert steps.max() < 1.05 * np.median(steps)


def body(radius=10.0, axes=(1.0, 1.0, 1.0), spicules=()):
    return Blob(
        kind="mass",
        name="a",
        laterality="L",
        position=np.zeros(3),
        radius=radius,
        axes=np.array(axes),
        lobes=np.zeros((1, 5)),
        spicules=np.array(spicules).reshape(-1, 4),
        softness=0.2,
        contrast=0.3,
    )


def test_silhouette_of_a_sphere_is_a_circle():
    for angle in (np.pi / 2, np.radians(45)):
        outline = body(radius=10.0).outline(angle)
        np.testing.assert_allclose(np.hypot(*outline.T), 10.0, rtol=0.02)
        assert np.arctan2(outline[9, 1], outline[9, 0]) == pytest.approx(2 * np.pi * 9 / 72)


def test_silhouette_of_an_ellipsoid_depends_on_the_view():
    cc = body(axes=(1.0, 1.3, 0.8)).outline(np.pi / 2)
    # In CC (y along u) the half axes are 10 and 13; at the MLO angle 0 (z along u) 10 and 8.
    assert np.abs(cc[:, 1]).max() == pytest.approx(13.0, rel=0.03)
    assert np.abs(cc[:, 0]).max() == pytest.approx(10.0, rel=0.03)
    along_z = body(axes=(1.0, 1.3, 0.8)).outline(0.0)
    assert np.abs(along_z[:, 1]).max() == pytest.approx(8.0, rel=0.03)


def test_spicules_are_projected():
    blob = body(spicules=[[0.0, 1.0, 0.0, 6.0], [0.0, 0.0, 1.0, 6.0]])
    tips = blob.spikes(np.pi / 2)[:, 1]
    # The one along z points at the viewer of a CC image.
    np.testing.assert_allclose(tips, [[0.0, 16.0], [0.0, 0.0]], atol=1e-9)
