"""From a case to model inputs."""

import cv2
import numpy as np
import pytest
import torch
from detectron2.data import DatasetCatalog
from detectron2.data import transforms as T

from agn_d2.data.build import CaseDataset, examinable_views
from agn_d2.data.cases import group_cases
from agn_d2.data.mapper import CaseMapper
from agn_d2.landmarks.nodes import place_nodes

LAYOUT = (22, 26)


@pytest.fixture
def cases(toy_datasets):
    return {case.case_id: case for case in group_cases(DatasetCatalog.get("phantom_train"))}


def mapper(*augmentations, is_train=True, layout=LAYOUT, with_masks=False):
    return CaseMapper(
        augmentations=augmentations, is_train=is_train, with_masks=with_masks, layout=layout
    )


def test_inputs_of_a_case_share_their_views(cases):
    inputs = mapper()(cases["P1"])
    assert len(inputs) == 4
    views = {id(i[role]) for i in inputs for role in ("examined_view", "auxiliary_view")}
    views |= {id(i["contralateral_view"]) for i in inputs}
    assert len(views) == 4
    for item in inputs:
        assert item["image"] is item["examined_view"].image
        assert item["auxiliary_view"].projection != item["examined_view"].projection
        assert item["contralateral_view"].projection == item["examined_view"].projection


def test_views_that_are_not_examined_still_serve(cases):
    (item,) = mapper()(cases["P2"], [0])
    assert item["view"] == "CC"
    assert item["auxiliary_view"].projection == "MLO"
    assert item["contralateral_view"] is None


def test_missing_views_are_none(cases):
    (item,) = mapper()(cases["P3"])
    assert item["auxiliary_view"] is None
    assert item["contralateral_view"] is None


def test_without_a_layout_no_context_is_read(cases):
    items = mapper(layout=None)(cases["P1"], [0, 1])
    assert len(items) == 2
    assert items[0]["examined_view"].nodes is None
    assert "auxiliary_view" not in items[0]


def test_sixteen_bits_arrive_without_loss(cases):
    case = cases["P1"]
    (item,) = mapper()(case, [0])
    stored = cv2.imread(case.images[0]["file_name"], cv2.IMREAD_UNCHANGED)
    assert item["image"].dtype == torch.float32
    assert np.array_equal(np.rint(item["image"][0].numpy() * 65535), stored)


def test_image_boxes_masks_and_nodes_move_together(cases):
    case = cases["P1"]
    plain, moved = (
        mapper(*augmentations, with_masks=True)(case, [1])[0]
        for augmentations in ((), (T.RandomFlip(1.0), T.Resize((192, 192))))
    )
    # By hand: flip of a 64 px wide image, then x 3 in width and x 2 in height.
    nodes = plain["examined_view"].nodes
    expected = torch.stack([(64 - nodes[:, 0]) * 3, nodes[:, 1] * 2], dim=1)
    assert torch.allclose(moved["examined_view"].nodes, expected, atol=1e-3)
    assert torch.allclose(
        moved["instances"].gt_boxes.tensor, torch.tensor([[(64 - 26) * 3.0, 80, 54 * 3, 104]])
    )
    ys, xs = torch.nonzero(moved["instances"].gt_masks.tensor[0], as_tuple=True)
    assert abs(xs.float().mean() + 0.5 - (64 - 18) * 3) < 2
    assert abs(ys.float().mean() + 0.5 - 46 * 2) < 2


def test_nodes_are_those_of_the_stored_landmarks(cases):
    case = cases["P2"]
    inputs = mapper()(case)
    for item, record in zip(inputs, case.images, strict=True):
        expected = place_nodes(record["landmarks"], LAYOUT)
        assert np.allclose(item["examined_view"].nodes.numpy(), expected, atol=1e-3)


def test_at_test_time_there_are_no_instances_and_the_original_size_stays(cases):
    (item,) = mapper(T.Resize((32, 32)), is_train=False)(cases["P3"])
    assert "instances" not in item
    assert (item["height"], item["width"]) == (96, 64)
    assert item["image"].shape == (1, 32, 32)


def test_a_data_set_without_landmarks_says_so(cases):
    case = cases["P3"]
    case.images[0]["landmarks"] = None
    with pytest.raises(ValueError, match=r"P3_RCC\.png has no landmarks.*AGN\.ENABLED False"):
        mapper()(case)
    assert len(mapper(layout=None)(case)) == 1


def test_an_image_of_another_size_is_named(cases):
    case = cases["P3"]
    case.images[0]["height"] = 50
    with pytest.raises(ValueError, match=r"P3_RCC\.png is \(96, 64\)"):
        mapper()(case)


@pytest.mark.parametrize("is_train", [True, False])
def test_jitter_moves_nodes_but_not_boxes(cases, is_train):
    def nodes(jitter):
        made = CaseMapper(
            augmentations=(),
            is_train=is_train,
            with_masks=False,
            layout=LAYOUT,
            node_jitter=jitter,
        )
        return [made(cases["P1"], [0])[0]["examined_view"].nodes.numpy() for _ in range(2)]

    (still, _), moved = nodes(0.0), nodes(0.1)
    rows = cases["P1"].images[0]["landmarks"].contour[:, 1]
    for item in moved:
        distance = np.hypot(*(item - still).T)
        np.testing.assert_allclose(distance, 0.1 * np.ptp(rows), rtol=1e-4)
    assert np.array_equal(*moved) != is_train  # drawn anew in training, fixed in test


def test_context_views_are_read_for_others_only(cases):
    images = [dict(image) for image in cases["P2"].images]
    (case,) = group_cases([images[0] | {"context_views": images[1:]}])
    (item,) = mapper()(case)
    assert item["auxiliary_view"].projection == "MLO"
    assert "context_views" not in item
    assert examinable_views(case, filter_empty=False) == [0]
    assert len(CaseDataset([case], mapper())[0]) == 1
