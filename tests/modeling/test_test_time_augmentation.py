"""Test-time augmentation: mirrored cases, detections brought back, and merged."""

import pytest
import torch
from detectron2.structures import Boxes, Instances
from torch import nn

from agn_d2.modeling.test_time_augmentation import (
    MultiViewWithTTA,
    augmented,
    flip_inputs,
    flip_instances,
    flip_view,
    merge,
    scale_inputs,
    scale_view,
)
from agn_d2.structures import View

from .tiny_model import (
    RCNN,
    RETINA,
    assert_same_detections,
    counted_images,
    detect,
    make_case,
    make_cfg,
    make_model,
    randomize_graph,
    without,
)

ON = ("TEST.AUG.ENABLED", "True")
FLIPS = [(False, False), (True, False), (False, True), (True, True)]


def found(boxes, scores, classes=None, size=(100, 200)):
    instances = Instances(size)
    instances.pred_boxes = Boxes(torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4))
    instances.scores = torch.tensor(scores, dtype=torch.float32)
    instances.pred_classes = torch.tensor(classes or [0] * len(scores))
    return instances


def test_a_view_is_mirrored_with_its_nodes():
    image = torch.arange(6.0).reshape(1, 2, 3)
    view = View(image, "CC", torch.tensor([[0.5, 0.25]]))
    across = flip_view(view, (True, False))
    assert across.image.tolist() == [[[2, 1, 0], [5, 4, 3]]]
    assert across.nodes.tolist() == [[2.5, 0.25]]
    down = flip_view(view, (False, True))
    assert down.image.tolist() == [[[3, 4, 5], [0, 1, 2]]]
    assert down.nodes.tolist() == [[0.5, 1.75]]
    both = flip_view(view, (True, True))
    assert both.nodes.tolist() == [[2.5, 1.75]]
    assert view.nodes.tolist() == [[0.5, 0.25]]
    assert flip_view(View(image, "CC"), (True, True)).nodes is None


def test_views_that_are_one_object_stay_one():
    inputs = make_case()
    flipped = flip_inputs(inputs, (True, False))
    assert flipped[0]["examined_view"] is flipped[1]["auxiliary_view"]
    assert flipped[0]["examined_view"] is flipped[2]["contralateral_view"]
    assert flipped[0]["image"] is flipped[0]["examined_view"].image
    alone = flip_inputs(without(inputs, "auxiliary_view"), (True, False))
    assert alone[0]["auxiliary_view"] is None


def test_a_view_is_scaled_with_its_nodes_to_sizes_that_need_no_padding():
    image = torch.zeros(1, 96, 64)
    image[:, :, 32:] = 1
    view = View(image, "CC", torch.tensor([[32.0, 48.0], [64.0, 96.0]]))
    larger = scale_view(view, 1.3, 32)
    # 124.8 and 83.2.
    assert larger.image.shape == (1, 128, 96)
    torch.testing.assert_close(larger.nodes, torch.tensor([[48.0, 64.0], [96.0, 128.0]]))
    assert larger.image[0, 64, :46].max() == 0 and larger.image[0, 64, 50:].min() == 1
    assert scale_view(view, 1.3).image.shape == (1, 125, 83)
    assert scale_view(view, 0.01, 32).image.shape == (1, 32, 32)
    assert scale_view(View(image, "CC"), 0.5).nodes is None
    inputs = make_case()
    scaled = scale_inputs(inputs, 0.5, 32)
    assert scaled[0]["examined_view"] is scaled[1]["auxiliary_view"]
    assert scaled[0]["image"] is scaled[0]["examined_view"].image
    assert (scaled[0]["height"], scaled[0]["width"]) == (inputs[0]["height"], inputs[0]["width"])
    assert scale_inputs(inputs, 1.0, 32)[0]["image"] is inputs[0]["image"]


@pytest.mark.parametrize(
    ("flip", "box"),
    [
        ((True, False), [150, 20, 190, 30]),
        ((False, True), [10, 70, 50, 80]),
        ((True, True), [150, 70, 190, 80]),
    ],
)
def test_detections_come_back(flip, box):
    instances = found([[10, 20, 50, 30]], [0.5])
    instances.pred_masks = torch.zeros(1, 100, 200, dtype=torch.bool)
    instances.pred_masks[:, 20:30, 10:50] = True
    back = flip_instances(instances, flip)
    assert back.pred_boxes.tensor.tolist() == [box]
    x0, y0, x1, y1 = box
    assert back.pred_masks[0, y0:y1, x0:x1].all()
    assert back.pred_masks.sum() == 400
    assert instances.pred_boxes.tensor.tolist() == [[10, 20, 50, 30]]


def test_merging_takes_means():
    first = found([[0, 0, 40, 40], [100, 0, 140, 40]], [0.9, 0.4])
    second = found([[0, 0, 40, 20], [0, 50, 40, 90]], [0.3, 0.8])
    merged = merge([first, second], 0.3)
    # Both readings have the first mass, (0.9 + 0.3) / 2; the others stand in one of two.
    torch.testing.assert_close(merged.scores, torch.tensor([0.6, 0.4, 0.2]))
    expected = [[0, 0, 40, (0.9 * 40 + 0.3 * 20) / 1.2], [0, 50, 40, 90], [100, 0, 140, 40]]
    torch.testing.assert_close(merged.pred_boxes.tensor, torch.tensor(expected))


def test_two_detections_of_one_reading_are_not_one_finding():
    one = found([[0, 0, 40, 40], [0, 5, 40, 45]], [0.9, 0.8])
    merged = merge([one, found([[0, 4, 40, 44]], [0.6])], 0.3)
    assert merged.scores.tolist() == pytest.approx([0.75, 0.4])


def test_classes_are_merged_apart():
    merged = merge([found([[0, 0, 9, 9]], [0.8], [0]), found([[0, 0, 9, 9]], [0.4], [1])], 0.3)
    assert merged.pred_classes.tolist() == [0, 1]
    assert merged.scores.tolist() == pytest.approx([0.4, 0.2])


def test_merging_nothing_is_nothing():
    assert len(merge([found([], []), found([], [])], 0.3)) == 0


class BrightestCorner(nn.Module):
    """Finds the brightest pixel; sees it a little too far right and down, and less surely at
    the right."""

    def forward(self, batched_inputs):
        outputs = []
        for inputs in batched_inputs:
            image = inputs["image"][0]
            y, x = divmod(int(image.argmax()), image.shape[1])
            score = 0.8 if x < image.shape[1] / 2 else 0.4
            box = [x + 1.0, y + 1.0, x + 3.0, y + 3.0]
            outputs.append({"instances": found([box], [score], size=tuple(image.shape))})
        return outputs


def test_errors_that_mirror_cancel_out():
    image = torch.zeros(1, 50, 60)
    image[0, 20, 10] = 1
    inputs = [{"image": image, "examined_view": View(image, "CC"), "height": 50, "width": 60}]
    cfg = make_cfg(*ON, "TEST.AUG.MERGE_IOU", "0.0")
    (output,) = MultiViewWithTTA(cfg, BrightestCorner()).eval()(inputs)
    # Right of the middle in two readings of four, (0.8 + 0.4) / 2. The pixel is 10 to 11, seen
    # at 11 to 13 with twice the weight of its mirror image's 8 to 10.
    assert output["instances"].scores.tolist() == pytest.approx([0.6])
    expected = torch.tensor([[10.0, 19.5, 12.0, 21.5]])
    torch.testing.assert_close(output["instances"].pred_boxes.tensor, expected)


@pytest.mark.parametrize(
    "kind",
    [
        RCNN,
        RCNN + "MODEL.MASK_ON True",
        RETINA,
        RETINA.replace("MultiViewRetinaNet", "MultiViewFCOS"),
    ],
    ids=["faster", "mask", "retinanet", "fcos"],
)
def test_a_detector_with_the_graph_is_augmented(kind):
    model = randomize_graph(make_model(kind=kind)).eval()
    cfg = make_cfg(*ON, kind=kind)
    inputs = make_case(3)
    with counted_images(model) as counts:
        ours = detect(augmented(cfg, model), inputs)
    # Four distinct views, four times.
    assert counts == [4, 4, 4, 4]
    readings = [
        [flip_instances(one, flip) for one in detect(model, flip_inputs(inputs, flip))]
        for flip in FLIPS
    ]
    expected = [merge(list(of_image), 0.3)[:100] for of_image in zip(*readings, strict=True)]
    assert_same_detections(ours, expected)
    if cfg.MODEL.MASK_ON:
        assert all(
            torch.equal(a.pred_masks, b.pred_masks) for a, b in zip(ours, expected, strict=True)
        )


def test_each_size_is_read_in_all_mirror_images():
    model = randomize_graph(make_model()).eval()
    inputs = make_case(3)
    cfg = make_cfg(*ON, "TEST.AUG.SCALES", "(1.5, 1.0, 1)", "TEST.AUG.FLIP_VERTICAL", "False")
    tta = augmented(cfg, model)
    assert tta.divisor == 32
    ours = detect(tta, inputs)
    readings = [
        [
            flip_instances(one, flip)
            for one in detect(model, flip_inputs(scale_inputs(inputs, scale, 32), flip))
        ]
        for scale in (1.5, 1.0)
        for flip in FLIPS[:2]
    ]
    expected = [merge(list(of_image), 0.3)[:100] for of_image in zip(*readings, strict=True)]
    assert_same_detections(ours, expected)
    # Boxes are in pixels of the image as it was given, whatever size was read.
    (one,) = detect(augmented(make_cfg(*ON, "TEST.AUG.SCALES", "(0.5,)"), model), inputs[:1])
    assert one.image_size == (inputs[0]["height"], inputs[0]["width"])


@pytest.mark.parametrize("scales", ["()", "(1.0, 0.0)", "(-1,)", "('a',)", "(float('inf'),)"])
def test_scales_that_are_none_are_refused(scales):
    cfg = make_cfg(*ON)
    cfg.defrost()
    cfg.TEST.AUG.SCALES = eval(scales)
    with pytest.raises(ValueError, match=r"TEST.AUG.SCALES must be numbers above 0"):
        augmented(cfg, make_model())


@pytest.mark.parametrize(("limit", "expected"), [("2", 2), ("-1", 3)])
def test_a_negative_number_of_detections_is_no_limit(limit, expected):
    class Three(nn.Module):
        """Three masses, each its own mirror image along both axes."""

        def forward(self, inputs):
            boxes = [[90, 40, 110, 60], [80, 30, 120, 70], [50, 20, 150, 80]]
            return [{"instances": found(boxes, [0.9, 0.8, 0.7])} for _ in inputs]

    cfg = make_cfg(*ON, "TEST.DETECTIONS_PER_IMAGE", limit)
    (merged,) = detect(MultiViewWithTTA(cfg, Three()), make_case()[:1])
    assert len(merged) == expected


def test_a_mirrored_case_gives_the_mirrored_detections():
    model = randomize_graph(make_model())
    tta = MultiViewWithTTA(make_cfg(*ON), model)
    inputs = make_case(4)
    mirrored = detect(tta, flip_inputs(inputs, (True, False)))
    assert_same_detections(
        [flip_instances(one, (True, False)) for one in mirrored], detect(tta, inputs)
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_masks_are_merged_on_the_cpu_and_handed_back_on_cuda():
    model = randomize_graph(make_model(kind=RCNN + "MODEL.MASK_ON True")).cuda()
    found = detect(augmented(make_cfg(*ON), model), make_case(3))
    for instances in found:
        assert len(instances) > 3
        assert instances.pred_masks.device.type == instances.scores.device.type == "cuda"
        assert instances.pred_masks.shape == (len(instances), 64, 96)


def test_without_a_flip_it_is_refused():
    model = make_model()
    assert augmented(make_cfg(), model) is model
    with pytest.raises(ValueError, match=r"set TEST.AUG.FLIP or TEST.AUG.FLIP_VERTICAL True"):
        augmented(make_cfg(*ON, "TEST.AUG.FLIP", "False", "TEST.AUG.FLIP_VERTICAL", "False"), model)


def test_the_mode_of_the_model_is_kept():
    model = make_model().eval()
    assert not MultiViewWithTTA(make_cfg(*ON), model).training
    assert MultiViewWithTTA(make_cfg(*ON), model.train()).training
