"""A case: what decides it, and whether its truth lies on what is drawn."""

from collections import Counter
from dataclasses import replace

import cv2
import numpy as np
import pytest

from agn_d2.phantom import CBIS_DDSM_VIEW_SHARES, PhantomParams, generate_case

SMALL = PhantomParams(size=160, noise=0.0)
CLEAR = replace(SMALL, size=256, mass_count_shares=(0.0, 0.5, 0.5), hidden_share=0.0)
# The background's brightness, 0.015 of full scale, in 16 bit.
AIR = 983


def cases(params, count, seed=5):
    return [generate_case(seed, i, params) for i in range(count)]


def pairs(case):
    """(object in CC, object in MLO, view CC, view MLO) of each body seen in both."""
    for side in "LR":
        by_view = {v.view: v for v in case.views if v.laterality == side}
        for a in by_view["CC"].objects:
            for b in by_view["MLO"].objects:
                if a.lesion_id == b.lesion_id:
                    yield a, b, by_view["CC"], by_view["MLO"]


def test_seed_and_index_decide_everything():
    first = generate_case(5, 3, replace(SMALL, cases=1, noise=1.0))
    again = generate_case(5, 3, replace(SMALL, cases=50, noise=1.0, seed=9))
    for a, b in zip(first.views, again.views, strict=True):
        np.testing.assert_array_equal(a.image, b.image)
        assert a.landmarks == b.landmarks
    other_seed, other_index = generate_case(6, 3, SMALL), generate_case(5, 4, SMALL)
    assert other_seed.breasts != first.breasts
    assert other_index.breasts != first.breasts


def test_images_are_16_bit_with_dark_air_and_a_bright_breast():
    for view in generate_case(5, 0, SMALL).views:
        assert view.image.dtype == np.uint16
        assert view.image.shape == SMALL.image_size == (160, 104)
        air = view.image == AIR
        assert 0.15 < air.mean() < 0.85
        assert view.image[~air].mean() > 15000


@pytest.mark.parametrize("index", range(4))
def test_contour_parts_breast_from_air(index):
    for view in generate_case(5, index, CLEAR).views:
        breast = (view.image > AIR + 500).astype(np.float32)
        contour = np.array(view.landmarks["contour"])
        assert 64 <= len(contour) <= 256
        along = np.gradient(contour, axis=0)
        normal = np.stack([along[:, 1], -along[:, 0]], 1) / np.hypot(*along.T)[:, None]
        if view.landmarks["chest_wall"] == "right":
            normal = -normal
        # From top to bottom with the chest wall at the left, (dy, -dx) points out of the breast.
        inner, outer = contour - 2.0 * normal, contour + 2.0 * normal
        assert sample(breast, inner[4:-4]).mean() > 0.99
        assert sample(breast, outer[4:-4]).mean() < 0.01
        assert contour[0, 1] < contour[-1, 1]


def sample(image, points):
    maps = (points - 0.5).astype(np.float32)
    return cv2.remap(image, maps[:, None, 0], maps[:, None, 1], cv2.INTER_LINEAR)


def test_nipple_lies_on_the_contour_or_inside():
    for share, limit in ((1.0, 1.0), (0.0, np.inf)):
        for case in cases(replace(SMALL, nipple_in_profile_share=share), 4):
            for view in case.views:
                nipple = np.array(view.landmarks["nipple"])
                contour = np.array(view.landmarks["contour"], dtype=np.float32)
                distance = cv2.pointPolygonTest(contour, nipple.tolist(), True)
                gap = np.hypot(*(contour - nipple).T).min()
                assert gap < limit
                if share == 0.0:
                    # 5 mm at least, on images of 1.1 to 1.9 mm a pixel.
                    assert distance > 2.0 and gap > 2.0


def test_muscle_is_brighter_behind_the_pectoral_line():
    params = replace(SMALL, pectoral_absent_share=0.0, density_shares=(1.0, 0, 0, 0))
    for case in cases(params, 6):
        for view in (v for v in case.views if v.view == "MLO" and v.geometry.muscle):
            line = np.array(view.landmarks["pectoral_line"])
            at = line[0] + np.linspace(0.1, 0.7, 20)[:, None] * (line[1] - line[0])
            side = -4.0 if view.landmarks["chest_wall"] == "left" else 4.0
            image = view.image.astype(np.float32)
            behind, before = sample(image, at + [side, 0]), sample(image, at - [side, 0])
            assert (behind > before).mean() > 0.9


def test_chest_wall_side_follows_laterality_but_for_the_given_share():
    for share in (0.0, 1.0):
        for view in generate_case(5, 1, replace(SMALL, unexpected_side_share=share)).views:
            expected = (view.laterality == "L") != (share == 1.0)
            assert (view.landmarks["chest_wall"] == "left") == expected
            columns = view.image.mean(axis=0)
            assert (columns[:10].mean() > columns[-10:].mean()) == expected
    sides = Counter(
        (v.landmarks["chest_wall"] == "left") != (v.laterality == "L")
        for case in cases(replace(SMALL, size=64, unexpected_side_share=0.3), 40)
        for v in case.views
    )
    # 160 images, p 0.3: expected 48, standard deviation 5.8.
    assert abs(sides[True] - 48) < 4 * 5.8


def test_mirroring_changes_nothing_but_the_side():
    plain = generate_case(5, 2, replace(CLEAR, unexpected_side_share=0.0))
    turned = generate_case(5, 2, replace(CLEAR, unexpected_side_share=1.0))
    for a, b in zip(plain.views, turned.views, strict=True):
        width = a.image.shape[1]
        np.testing.assert_array_equal(a.image, b.image[:, ::-1])
        for key in ("nipple", "contour", "pectoral_line"):
            mirrored = np.array(b.landmarks[key]) * [-1, 1] + [width, 0]
            np.testing.assert_allclose(mirrored, a.landmarks[key], atol=2e-3)


def test_one_lesion_has_one_depth_behind_the_nipple_in_both_views():
    seen = 0
    for case in cases(replace(CLEAR, nipple_in_profile_share=1.0), 12):
        for a, b, cc, mlo in pairs(case):
            np.testing.assert_array_equal(a.position_mm, b.position_mm)
            # Measured on the images alone: at right angles to the pectoral line, from the nipple.
            depths = [depth_behind_nipple(o, v) for o, v in ((a, cc), (b, mlo))]
            # The rule that radiologists use allows 10 mm.
            assert abs(depths[0] - depths[1]) < 10.0
            seen += 1
    assert seen >= 10


def depth_behind_nipple(body, view):
    landmarks = view.landmarks
    top, bottom = np.array(landmarks["pectoral_line"])
    if view.view == "MLO" and not view.geometry.muscle:
        top, bottom = np.array([0.0, 0.0]), np.array([0.0, 1.0])
    along = (bottom - top) / np.hypot(*(bottom - top))
    offset = np.array(landmarks["nipple"]) - body.polygon.mean(axis=0)
    return abs(offset[0] * along[1] - offset[1] * along[0]) * view.geometry.frame.mm


def test_objects_are_drawn_where_the_polygons_are():
    seen = 0
    for index in range(6):
        with_objects = generate_case(5, index, CLEAR)
        nothing = replace(CLEAR, mass_count_shares=(1.0,), symmetric_share=0.0)
        without = generate_case(5, index, replace(nothing, superimposition_share=0.0))
        for a, b in zip(with_objects.views, without.views, strict=True):
            added = a.image.astype(np.float64) - b.image
            inside, far = np.zeros(a.image.shape), np.ones(a.image.shape)
            for body in a.objects:
                mask = fill(body.polygon, a.image.shape)
                inside += mask
                # Spicules reach 2.6 radii at most, and the soft margin beyond.
                reach = int(3.2 * body.diameter_mm / 2 / a.geometry.frame.mm) + 4
                far[cv2.dilate(mask, np.ones((2 * reach + 1,) * 2, np.uint8)) > 0] = 0
                core = cv2.erode(mask, np.ones((5, 5), np.uint8)) > 0
                assert added[core].mean() > 1000
                seen += 1
            assert np.abs(added[far > 0]).max() == 0
    assert seen > 10


def test_round_objects_end_at_their_polygons():
    params = replace(CLEAR, spiculated_share=0.0, symmetric_share=0.0, superimposition_share=0.0)
    seen = 0
    for index in range(8):
        with_objects = generate_case(5, index, params)
        without = generate_case(5, index, replace(params, mass_count_shares=(1.0,)))
        for a, b in zip(with_objects.views, without.views, strict=True):
            for body in a.objects:
                center = body.polygon.mean(axis=0)
                added = a.image.astype(np.float32) - b.image
                rings = [
                    sample(added, center + scale * (body.polygon - center)).mean()
                    for scale in (0.0, 0.6, 1.0, 1.35)
                ]
                assert rings[1] > 0.5 * rings[0]
                assert 0.05 * rings[0] < rings[2] < 0.75 * rings[0]
                assert rings[3] < 0.12 * rings[0]
                seen += 1
    assert seen >= 10


def fill(polygon, shape):
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.round((polygon - 0.5) * 16).astype(np.int32)], 1, shift=4)
    return mask


def test_boxes_are_the_bounds_of_the_masks():
    for case in cases(CLEAR, 4):
        for view in case.views:
            for body in view.objects:
                # Ten times finer, as cv2.fillPoly also paints the pixels that the edge touches.
                fine = fill(10 * body.polygon, [10 * n for n in view.image.shape])
                rows, columns = np.nonzero(fine)
                x, y, w, h = body.bbox
                # Pixel i covers i .. i + 1.
                drawn = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
                np.testing.assert_allclose([x, y, x + w, y + h], np.array(drawn) / 10, atol=0.15)
                assert body.area == pytest.approx(len(rows) / 100, rel=0.03)


def test_a_mass_is_in_both_views_of_one_breast():
    for case in cases(replace(CLEAR, symmetric_share=0.0, superimposition_share=0.0), 8):
        places = {(o.lesion_id, v.laterality, v.view) for v in case.views for o in v.objects}
        for lesion in {p[0] for p in places}:
            sides = {p[1] for p in places if p[0] == lesion}
            assert len(sides) == 1
            assert {p[2] for p in places if p[0] == lesion} == {"CC", "MLO"}


def test_symmetric_tissue_is_at_the_mirrored_place_of_both_breasts():
    params = replace(SMALL, symmetric_share=1.0, mass_count_shares=(1.0,))
    seen = 0
    for case in cases(params, 10):
        found = [
            (v.laterality, v.view, o)
            for v in case.views
            for o in v.objects
            if o.kind == "symmetric"
        ]
        if not found:
            continue
        seen += 1
        assert Counter((side, view) for side, view, _ in found) == Counter(
            (side, view) for side in "LR" for view in ("CC", "MLO")
        )
        assert len({o.lesion_id for *_, o in found}) == 1
        place = {side: o.position_mm for side, _, o in found}
        # The breasts differ by some percent, the places by some millimeters.
        assert np.linalg.norm(place["L"] - place["R"]) < 20.0
        assert (np.sign(place["L"]) == np.sign(place["R"]))[np.abs(place["L"]) > 15].all()
    assert seen >= 8


def test_superimposition_is_in_exactly_one_view_of_a_breast():
    params = replace(SMALL, superimposition_share=1.0)
    seen = 0
    for case in cases(params, 10):
        for side in "LR":
            found = [
                o
                for v in case.views
                for o in v.objects
                if v.laterality == side and o.kind == "superimposition"
            ]
            assert len(found) <= 1
            seen += len(found)
    assert seen >= 15


def test_hidden_masses_are_fainter_in_one_view_only():
    params = replace(CLEAR, hidden_share=1.0, symmetric_share=0.0, superimposition_share=0.0)
    for case in cases(params, 4):
        for a, b, _, _ in pairs(case):
            assert a.hidden != b.hidden


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (0, [("L", "CC"), ("L", "MLO"), ("R", "CC"), ("R", "MLO")]),
        (1, None),
        (2, None),
        (3, None),
        (4, None),
    ],
)
def test_view_patterns(pattern, expected):
    shares = [0.0] * 5
    shares[pattern] = 1.0
    for case in cases(replace(SMALL, size=64, view_shares=tuple(shares)), 4):
        there = [(v.laterality, v.view) for v in case.views]
        sides, views = Counter(s for s, _ in there), Counter(v for _, v in there)
        assert len(there) == (4, 3, 2, 2, 1)[pattern]
        if expected:
            assert there == expected
        elif pattern == 2:
            assert len(sides) == 1 and len(views) == 2
        elif pattern == 3:
            assert len(sides) == 2 and len(views) == 1


def test_views_go_missing_as_often_as_in_cbis_ddsm():
    params = replace(SMALL, size=64, view_shares=CBIS_DDSM_VIEW_SHARES)
    counts = Counter(len(case.views) for case in cases(params, 150))
    # Of 693 cases 469 have two views (expected 101.5 here, standard deviation 5.7), 200 have one.
    assert abs(counts[2] - 150 * 469 / 693) < 4 * 5.7
    assert abs(counts[1] - 150 * 200 / 693) < 4 * 5.6


def test_the_kept_breast_is_the_one_with_the_mass():
    params = replace(
        SMALL, size=64, mass_count_shares=(0.0, 1.0), view_shares=(0.0, 0.0, 0.0, 0.0, 1.0)
    )
    with_mass = [bool(case.views[0].masses) for case in cases(params, 12)]
    assert sum(with_mass) >= 11


def test_missing_views_change_nothing_in_the_others():
    whole = generate_case(5, 7, SMALL)
    part = generate_case(5, 7, replace(SMALL, view_shares=(0.0, 0.0, 1.0, 0.0, 0.0)))
    images = {v.file_name: v.image for v in whole.views}
    for view in part.views:
        np.testing.assert_array_equal(view.image, images[view.file_name])


def test_both_breasts_share_their_tissue():
    def likeness(symmetry):
        values = []
        for case in cases(replace(SMALL, tissue_symmetry=symmetry, unexpected_side_share=0.0), 6):
            left, right = (v.image for v in case.views if v.view == "CC")
            small = [cv2.resize(i.astype(np.float32), (13, 20)) for i in (left, right[:, ::-1])]
            inside = (small[0] > 9000) & (small[1] > 9000)
            values.append(np.corrcoef(small[0][inside], small[1][inside])[0, 1])
        return np.mean(values)

    assert likeness(1.0) > likeness(0.0) + 0.1


def test_negative_index_is_refused():
    with pytest.raises(ValueError, match="index -1"):
        generate_case(0, -1, SMALL)
