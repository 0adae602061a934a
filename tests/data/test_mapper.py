"""From a case to model inputs."""

import cv2
import numpy as np
import pytest
import torch
from detectron2.data import DatasetCatalog
from detectron2.data import transforms as T

from agn_d2.data.build import (
    CaseDataset,
    build_test_loader,
    build_validation_loader,
    examinable_views,
)
from agn_d2.data.cases import group_cases
from agn_d2.data.mapper import CaseMapper
from agn_d2.data.sampler import CaseItem
from agn_d2.data.seeding import numpy_seed
from agn_d2.data.spatial import AffineTransform, tight_box
from agn_d2.engine.setup import load_cfg
from agn_d2.landmarks.nodes import place_nodes

from ..dicom.dicom_files import film, mammogram, write

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


def test_bits_of_the_data_set_set_full_scale(cases):
    case = cases["P1"]
    stored = cv2.imread(case.images[0]["file_name"], cv2.IMREAD_UNCHANGED) >> 4
    case.images[0].update(pixels=stored, bits=12)
    (item,) = mapper()(case, [0])
    assert np.array_equal(np.rint(item["image"][0].numpy() * 4095), stored)


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


def test_a_validation_moves_the_nodes_of_an_image_alike_each_time(toy_datasets):
    cfg = load_cfg(None, ["INPUT.NODE_JITTER", "0.2", "DATALOADER.NUM_WORKERS", "0"])
    loaders = (
        build_validation_loader(cfg, "phantom_train"),
        build_validation_loader(cfg, "phantom_train"),
        build_test_loader(cfg, "phantom_train"),
    )
    first, again, tested = (
        torch.cat([item["examined_view"].nodes for inputs in loader for item in inputs])
        for loader in loaders
    )
    assert torch.equal(first, again)
    assert torch.equal(first, tested)


def test_context_views_are_read_for_others_only(cases):
    images = [dict(image) for image in cases["P2"].images]
    (case,) = group_cases([images[0] | {"context_views": images[1:]}])
    (item,) = mapper()(case)
    assert item["auxiliary_view"].projection == "MLO"
    assert "context_views" not in item
    assert examinable_views(case, filter_empty=False) == [0]
    assert len(CaseDataset([case], mapper())[0]) == 1


WARPED = {"INPUT.ROTATE": "25.0", "INPUT.SCALE": "(0.8,0.9)", "INPUT.ELASTIC": "0.03"}
TONES = {
    "INPUT.BRIGHTNESS": "0.1",
    "INPUT.CONTRAST": "(0.8,1.2)",
    "INPUT.BLUR": "(0.2,0.8)",
    "INPUT.NOISE": "(0.01,0.02)",
}


def configured(options, draw="view", size="(192,128)", is_train=True):
    flat = [part for item in options.items() for part in item]
    flat += ["INPUT.SIZE", size, "INPUT.AUGMENTATION_DRAW", draw, "INPUT.MASK_FORMAT", "bitmask"]
    cfg = load_cfg(None, flat)
    return CaseMapper(cfg, is_train=is_train)


def with_dots(case):
    """The case, its images black but for a dot at the nipple and a disc where the mass is."""
    ys, xs = np.mgrid[:96, :64] + 0.5
    records = []
    for image in case.images:
        (nipple,) = place_nodes(image["landmarks"], LAYOUT)[:1]
        picture = 0.5 * ((xs - 18) ** 2 + (ys - 46) ** 2 < 36)
        dot = np.exp(-((xs - nipple[0]) ** 2 + (ys - nipple[1]) ** 2) / 4)
        pixels = np.rint(np.maximum(picture, dot) * 65535).astype(np.uint16)
        angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
        disc = np.stack([18 + 6 * np.cos(angle), 46 + 6 * np.sin(angle)], axis=1)
        (annotation,) = image["annotations"]
        moved = annotation | {"bbox": [12, 40, 12, 12], "segmentation": [disc.ravel().tolist()]}
        records.append(image | {"pixels": pixels, "annotations": [moved]})
    return group_cases(records)[0]


@pytest.mark.parametrize("with_masks", [True, False])
def test_one_draw_moves_image_box_mask_and_nodes(cases, with_masks):
    case = with_dots(cases["P1"])
    made = configured(WARPED | {"INPUT.GAMMA": "(1.0,1.0)"})
    made.with_masks = with_masks
    with numpy_seed(4):
        items = made(case)
    assert len(items) == 4
    for item in items:
        image = item["image"][0].numpy()
        # Content above the gray of the mass is the dot at the nipple, node 0.
        dot = np.clip(image - 0.55, 0, None)
        ys, xs = np.nonzero(dot)
        weights = dot[ys, xs] / dot.sum()
        x, y = item["examined_view"].nodes[0].tolist()
        assert abs((xs + 0.5) @ weights - x) < 0.5
        assert abs((ys + 0.5) @ weights - y) < 0.5
        # The disc of the mass: its pixels, its mask and its box.
        (box,) = item["instances"].gt_boxes.tensor.tolist()
        ys, xs = np.nonzero((image > 0.25) & (image < 0.55))
        apart = np.hypot(xs + 0.5 - x, ys + 0.5 - y) > 8
        seen = [xs[apart].min(), ys[apart].min(), xs[apart].max() + 1, ys[apart].max() + 1]
        assert np.abs(np.array(seen) - box).max() < 1.6
        assert item["instances"].has("gt_masks") == with_masks
        if with_masks:
            mask = item["instances"].gt_masks.tensor[0].numpy()
            assert np.abs(tight_box(mask) - box).max() < 1.2


def test_without_a_segmentation_the_moved_box_is_taken(cases):
    case = with_dots(cases["P3"])
    del case.images[0]["annotations"][0]["segmentation"]
    with numpy_seed(4):
        (item,) = configured(WARPED)(case)
    with_mask = with_dots(cases["P3"])
    with numpy_seed(4):
        (other,) = configured(WARPED)(with_mask)
    # The mass is a disc that fills its box: both ways give the same box.
    assert torch.allclose(
        item["instances"].gt_boxes.tensor, other["instances"].gt_boxes.tensor, atol=0.2
    )


def test_a_mass_that_leaves_the_image_is_no_instance(cases):
    case = with_dots(cases["P3"])
    case.images[0]["annotations"][0] |= {"bbox": [0, 0, 4, 4], "segmentation": [[0, 0, 4, 0, 4, 4]]}
    (item,) = configured({"INPUT.SCALE": "(3.0,3.0)"})(case)
    assert len(item["instances"]) == 0


@pytest.mark.parametrize("with_masks", [True, False])
def test_the_box_of_a_mask_that_the_edge_cuts_is_that_of_what_is_left(cases, with_masks):
    (record,) = cases["P3"].images
    diamond = [9, 48, 14, 43, 19, 48, 14, 53]
    record["annotations"][0] |= {"bbox": [9, 43, 10, 10], "segmentation": [diamond]}
    # About the center (32, 48) of a view of 64 x 96.
    (item,) = mapper(AffineTransform(96, 64, 0.0, 2.0), with_masks=with_masks)(cases["P3"])
    # Twice as large, its middle goes from (14, 48) to (-4, 48) and its corners to 10 px from there.
    # Of its right corner, at x = 6, the edge x = 0 leaves 6 px to both sides.
    expected = torch.tensor([[0.0, 42.0, 6.0, 54.0]])
    assert torch.allclose(item["instances"].gt_boxes.tensor, expected, atol=1.0)


def geometry(item):
    """Where the nodes of a view went, as shares of the image."""
    return item["examined_view"].nodes.numpy()


@pytest.mark.parametrize("draw", ["view", "case"])
def test_a_draw_is_for_the_view_or_for_the_case(cases, draw):
    # Two views with the same landmarks; other images, so that gray values say nothing.
    images = [dict(image) for image in cases["P4"].images]
    images[1]["landmarks"] = images[0]["landmarks"]
    (case,) = group_cases(images)
    made = configured(WARPED | TONES, draw)
    with numpy_seed(0):
        runs = [[geometry(item) for item in made(case)] for _ in range(6)]
    alike = [np.allclose(first, second, atol=1e-3) for first, second in runs]
    assert all(alike) if draw == "case" else not any(alike)
    # A new draw for each case all the same.
    assert not any(np.allclose(runs[0][0], other[0], atol=0.1) for other in runs[1:])


def test_the_draw_of_a_case_leaves_that_of_the_nodes_alone(cases):
    options = {"INPUT.NODE_JITTER": "0.1"}
    images = [dict(image) for image in cases["P4"].images]
    images[1]["landmarks"] = images[0]["landmarks"]
    with numpy_seed(0):
        first, second = configured(options, "case")(group_cases(images)[0])
    assert not np.allclose(geometry(first), geometry(second), atol=1.0)


@pytest.mark.parametrize("draw", ["view", "case"])
def test_the_number_of_a_draw_decides_it(cases, draw):
    data = CaseDataset([cases["P1"]], configured(WARPED | TONES, draw), seed=3)

    def images(number):
        return torch.stack([i["image"] for i in data[CaseItem(0, (0, 1, 2, 3), number)]])

    first = images(7)
    np.random.random(5)  # whatever else has been drawn
    assert torch.equal(images(7), first)
    assert not torch.equal(images(8), first)


def test_an_unknown_draw_is_refused():
    with pytest.raises(ValueError, match=r"INPUT.AUGMENTATION_DRAW must be one of .*'patient'"):
        configured({}, "patient")


@pytest.mark.parametrize("with_masks", [True, False])
def test_the_box_of_a_turned_mask_by_hand(cases, with_masks):
    made = mapper(AffineTransform(96, 64, 30.0, 1.0), with_masks=with_masks)
    (item,) = made(cases["P3"])
    # The mask is a rectangle of 16 x 12 about (18, 46), 14 px left of and 2 px above the center
    # (32, 48), about which it turns counter-clockwise by 30 degrees.
    c, s = np.sqrt(3) / 2, 0.5
    x, y = 32 - 14 * c - 2 * s, 48 + 14 * s - 2 * c
    half_x, half_y = 8 * c + 6 * s, 8 * s + 6 * c
    expected = torch.tensor([[x - half_x, y - half_y, x + half_x, y + half_y]])
    assert torch.allclose(item["instances"].gt_boxes.tensor, expected.float(), atol=1e-3)


@pytest.mark.parametrize("tone", ["display", "full_scale"])
def test_dicom_files_are_read_with_the_tone_of_the_config(tmp_path, tone):
    pixels = film(0, 96, 64)
    window = {"WindowCenter": "2000", "WindowWidth": "1000", "VOILUTFunction": "LINEAR_EXACT"}
    record = {"file_name": str(write(tmp_path / "a.dcm", mammogram(pixels, **window)))}
    record |= {"height": 96, "width": 64, "patient_id": "P", "laterality": "L", "view": "CC"}
    options = ["MODEL.AGN.ENABLED", False, "INPUT.SIZE", (96, 64), "INPUT.DICOM_TONE", tone]
    cfg = load_cfg(None, options)
    (item,) = CaseMapper(cfg, is_train=False)(group_cases([record])[0])
    expected = pixels / 4095 if tone == "full_scale" else np.clip((pixels - 1500.0) / 1000, 0, 1)
    assert np.abs(item["image"][0].numpy() - expected).max() < 2e-5
