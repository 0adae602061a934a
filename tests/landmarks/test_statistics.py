"""Figures of a data set's landmarks, worked out by hand."""

import numpy as np
import pytest

from agn_d2.landmarks.record import Landmarks
from agn_d2.landmarks.statistics import (
    breast_area_share,
    landmark_statistics,
    pectoral_angle,
    relative_nipple,
    status_counts,
    summary_rows,
    unusualness,
)


def make(view="MLO", status="ok", confidence=None, **changes) -> Landmarks:
    """A right-angled triangle: chest wall 0..80 at x = 10, tip at (50, 100)."""
    values = {
        "chest_wall": "left",
        "nipple": [40, 60],
        "pectoral_line": [[30, 10], [10, 30]] if view == "MLO" else [[10, 20], [10, 100]],
        "contour": [[10, 20], [50, 100], [10, 100]],
        "image_size": (200, 80),
    }
    return Landmarks(view=view, status=status, confidence=confidence, **(values | changes))


def judged(contour, nipple, pectoral_line):
    return {"contour": contour, "nipple": nipple, "pectoral_line": pectoral_line}


@pytest.mark.parametrize("turn", [lambda item: item, Landmarks.mirrored])
def test_figures_of_one_image_do_not_depend_on_its_side(turn):
    item = turn(make())
    # Breast box x 10..50, y 20..100: (30 / 40, 40 / 80).
    np.testing.assert_allclose(relative_nipple(item), [0.75, 0.5])
    assert pectoral_angle(item) == pytest.approx(45)
    # Half of 40 x 80 in an image of 200 x 80.
    assert breast_area_share(item) == pytest.approx(1600 / 16000)


def test_pectoral_angle_has_a_sign_and_is_for_mlo_only():
    leaning_in = make(pectoral_line=[[10, 0], [10 + 100 / np.sqrt(3), 100]])
    assert pectoral_angle(leaning_in) == pytest.approx(-30)
    assert pectoral_angle(make(pectoral_line=[[20, 0], [20, 50]])) == 0
    assert np.isnan(pectoral_angle(make("CC")))


def test_statistics_keep_the_order_and_say_what_is_not_judged():
    found = landmark_statistics(
        {"b": make(confidence=judged(0.5, 0.25, 1)), "a": make("CC", "nipple: farthest point")}
    )
    assert found.names == ("b", "a")
    assert found.views.tolist() == ["MLO", "CC"]
    assert found.statuses == ("ok", "nipple: farthest point")
    np.testing.assert_allclose(found.nipple, [[0.75, 0.5]] * 2)
    np.testing.assert_allclose(found.pectoral_angle, [45, np.nan])
    np.testing.assert_allclose(found.area_share, [0.1, 0.1])
    np.testing.assert_array_equal(found.confidence, [[0.5, 0.25, 1], [np.nan] * 3])
    np.testing.assert_array_equal(found.lowest_confidence, [0.25, np.nan])


def test_no_images():
    found = landmark_statistics({})
    assert found.nipple.shape == (0, 2) and found.confidence.shape == (0, 3)
    assert unusualness(found).shape == (0,)
    assert summary_rows(found) == []


def test_each_note_is_counted_by_view():
    counts = status_counts(
        {
            "a": make(),
            "b": make(status="pectoral: default line; nipple: farthest point"),
            "c": make(status="nipple: farthest point"),
            "d": make("CC", "nipple: farthest point"),
        }
    )
    assert counts["CC"] == {"nipple: farthest point": 1}
    assert counts["MLO"] == {
        "ok": 1,
        "pectoral: default line": 1,
        "nipple: farthest point": 2,
    }


def test_unusual_is_measured_within_the_view_in_robust_units():
    # Nipple x of five MLO images: 0.5, 0.6, 0.7, 0.8, 1.0; median 0.7, deviations 0.2, 0.1, 0, 0.1
    # and 0.3, their median 0.1. Everything else is equal in all of them.
    shares = [0.5, 0.6, 0.7, 0.8, 1.0]
    images = {f"m{k}": make(nipple=[10 + 40 * s, 60]) for k, s in enumerate(shares)}
    images["only CC"] = make("CC", nipple=[10, 20])
    found = unusualness(landmark_statistics(images))
    expected = np.array([2, 1, 0, 1, 3, 0]) / 1.4826
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_unusual_area_and_angle_count_too():
    images = {f"m{k}": make(image_size=(200 + k, 80)) for k in (0, 1, 2, 3, 4)}
    images["odd area"] = make(image_size=(1000, 80))
    images["odd angle"] = make(pectoral_line=[[10, 10], [30, 30]])
    found = unusualness(landmark_statistics(images))
    # All but one angle are 45 and nearly all shares 0.1: spreads of 0.02 and of 2 degrees are used.
    assert found[:5].max() < 0.2
    share = np.median([1600 / (80 * (200 + k)) for k in (0, 0, 1, 2, 3, 4, 800)])
    assert found[5] == pytest.approx((share - 0.02) / 0.02)
    assert found[6] == pytest.approx(90 / 2)


def test_summary():
    images = {
        "a": make(confidence=judged(0.4, 0.9, 1)),
        "b": make(status="contour: whole image", confidence=judged(0.6, 0.5, 1)),
        "c": make(nipple=[50, 60]),
        "d": make("CC"),
    }
    cc, mlo = summary_rows(landmark_statistics(images))
    assert (cc["view"], cc["images"], cc["ok"]) == ("CC", 1, 1.0)
    assert cc["pectoral_angle"] is None
    assert cc["judged"] == 0 and cc["low_nipple"] is None
    assert (mlo["view"], mlo["images"]) == ("MLO", 3)
    assert mlo["ok"] == pytest.approx(2 / 3)
    # 0.75, 0.75, 1: percentiles 5, 50 and 95 stand at 0.1, 1 and 1.9 of the sorted values.
    assert mlo["nipple_x"] == pytest.approx((0.75, 0.75, 0.975))
    assert mlo["pectoral_angle"] == pytest.approx((45, 45, 45))
    assert mlo["area_share"] == pytest.approx((0.1, 0.1, 0.1))
    assert mlo["judged"] == 2
    assert (mlo["low_contour"], mlo["low_nipple"], mlo["low_pectoral_line"]) == (0.5, 0, 0)
