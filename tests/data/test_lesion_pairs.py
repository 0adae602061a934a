"""Pairs of masses in two views, and the prior counted from them."""

import numpy as np
import pytest
from detectron2.structures import BoxMode

from agn_d2.data.cases import group_cases
from agn_d2.data.lesion_pairs import count_prior, lesion_centers, pair_lesions
from agn_d2.landmarks.nodes import NodeLayout, place_nodes
from tests.conftest import toy_landmarks


def image(view, centers, ids=None, laterality="L"):
    annotations = [
        {
            "bbox": [x - 4, y - 4, 8, 8],
            "bbox_mode": BoxMode.XYWH_ABS,
            "lesion_id": ids[k] if ids else None,
        }
        for k, (x, y) in enumerate(centers)
    ]
    return {
        "file_name": view,
        "patient_id": "A",
        "laterality": laterality,
        "view": view,
        "annotations": annotations,
        "landmarks": toy_landmarks(view),
    }


def test_centers():
    assert lesion_centers(image("CC", [(10, 20)])).tolist() == [[10, 20]]
    assert lesion_centers(image("CC", [])).shape == (0, 2)


def test_ids_decide_where_all_have_one():
    near, far = (40, 48), (10, 48)
    assert pair_lesions(
        image("CC", [near, far], ["a", "b"]), image("MLO", [near, far], ["b", "a"])
    ) == [(0, 1), (1, 0)]


def test_an_id_of_several_boxes_is_one_pair():
    cc = image("CC", [(40, 48), (10, 48), (20, 48)], ["a", "a", "b"])
    mlo = image("MLO", [(10, 48), (40, 48), (30, 48)], ["b", "a", "a"])
    assert pair_lesions(cc, mlo) == [(0, 1), (2, 0)]


def test_an_id_of_one_view_only_has_no_partner():
    assert pair_lesions(
        image("CC", [(40, 48), (10, 48)], ["a", "b"]), image("MLO", [(40, 48)], ["b"])
    ) == [(1, 0)]


def test_else_the_distance_to_the_nipple_decides():
    # The nipple lies at (44.8, 48): distances 5 and 30 in CC, 29 and 6 in MLO.
    cc, mlo = image("CC", [(39.8, 48), (14.8, 48)]), image("MLO", [(15.8, 48), (38.8, 48)])
    assert pair_lesions(cc, mlo) == [(0, 1), (1, 0)]


def test_a_single_mass_of_each_view_is_a_pair_and_a_surplus_one_is_not():
    assert pair_lesions(image("CC", [(5, 48)]), image("MLO", [(40, 48)])) == [(0, 0)]
    assert len(pair_lesions(image("CC", [(5, 48), (40, 48)]), image("MLO", [(40, 48)]))) == 1
    assert pair_lesions(image("CC", []), image("MLO", [(40, 48)])) == []


def test_prior_counts_the_nodes_where_both_masses_lie():
    layout = NodeLayout(22, 26)
    nodes_cc = place_nodes(toy_landmarks("CC"), layout)
    nodes_mlo = place_nodes(toy_landmarks("MLO"), layout)
    cases = group_cases(
        [image("CC", [nodes_cc[17]]), image("MLO", [nodes_mlo[18]]), image("CC", [], None, "R")]
    )
    prior = count_prior(cases, layout, "toy")
    expected = np.zeros((22, 26))
    expected[17, 18] = 1
    assert np.array_equal(prior.counts, expected)
    assert prior.dataset == "toy"
    assert np.allclose(prior.template_cc[0], 0)  # the nipple is the origin


def test_prior_needs_both_views_and_landmarks():
    with pytest.raises(ValueError, match="has no MLO views"):
        count_prior(group_cases([image("CC", [])]), NodeLayout(), "toy")
    without = image("CC", []) | {"landmarks": None}
    with pytest.raises(ValueError, match="CC has no landmarks"):
        count_prior(group_cases([without]), NodeLayout(), "toy")


def test_an_id_of_zero_is_an_id():
    near, far = (40, 48), (10, 48)
    cc, mlo = image("CC", [near, far], ["0", "1"]), image("MLO", [near, far], ["1", "0"])
    assert pair_lesions(cc, mlo) == [(0, 1), (1, 0)]
    cc, mlo = image("CC", [near, far], [0, 1]), image("MLO", [near, far], [1, 0])
    assert pair_lesions(cc, mlo) == [(0, 1), (1, 0)]


def test_an_id_that_is_missing_leaves_it_to_the_distance():
    near, far = (40, 48), (10, 48)
    cc, mlo = image("CC", [near, far], ["a", None]), image("MLO", [near, far], [None, "a"])
    assert pair_lesions(cc, mlo) == [(0, 0), (1, 1)]
