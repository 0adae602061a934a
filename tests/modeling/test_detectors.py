"""The same plug in five detectors: each trains, and starts where the plain one stands."""

import pytest
import torch
from detectron2.structures import PolygonMasks

from .gradient_check import assert_each_gradient_keeps_its_promise
from .tiny_model import (
    RCNN,
    RETINA,
    assert_same_detections,
    counted_images,
    detect,
    losses,
    make_case,
    make_model,
    randomize_graph,
)

MASKS = " MODEL.MASK_ON True INPUT.MASK_FORMAT polygon MODEL.ROI_MASK_HEAD.CONV_DIM 16"
CASCADE = " MODEL.ROI_HEADS.NAME CascadeROIHeads MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG True"
DETECTORS = {
    "Faster R-CNN": RCNN,
    "Mask R-CNN": RCNN + MASKS,
    "Cascade Mask R-CNN": RCNN + CASCADE + MASKS,
    "RetinaNet": RETINA,
    "FCOS": RETINA.replace("MultiViewRetinaNet", "MultiViewFCOS"),
}
EXPECTED_LOSSES = {
    "Faster R-CNN": {"loss_rpn_cls", "loss_rpn_loc", "loss_cls", "loss_box_reg"},
    "RetinaNet": {"loss_cls", "loss_box_reg"},
    "FCOS": {"loss_fcos_cls", "loss_fcos_loc", "loss_fcos_ctr"},
}


def case_with_masks():
    inputs = make_case()
    for item in inputs:
        box = [20.0, 12.0, 44.0, 12.0, 44.0, 40.0, 20.0, 40.0]
        item["instances"].gt_masks = PolygonMasks([[box]])
    return inputs


@pytest.fixture(scope="module", params=DETECTORS)
def pair(request):
    """Name, the plain detector, and the same weights below a new graph."""
    kind = DETECTORS[request.param]
    plain = make_model("MODEL.AGN.ENABLED", "False", kind=kind)
    extended = make_model(kind=kind, seed=11)
    extended.load_state_dict(plain.state_dict(), strict=False)
    return request.param, plain, extended


def test_starts_where_the_plain_detector_stands(pair):
    name, plain, extended = pair
    case = case_with_masks()
    expected, ours = losses(plain, case), losses(extended, case)
    assert ours.keys() == expected.keys()
    assert set(expected) >= EXPECTED_LOSSES.get(name, set())
    assert ("loss_mask" in expected) == ("Mask" in name)
    assert ("loss_cls_stage2" in expected) == ("Cascade" in name)
    for key, loss in expected.items():
        torch.testing.assert_close(ours[key], loss, rtol=1e-5, atol=1e-6, msg=key)
    found = detect(extended, case)
    assert_same_detections(found, detect(plain, case))
    assert all(detections.has("pred_masks") == ("Mask" in name) for detections in found)
    with counted_images(extended) as counts:
        detect(extended, case)
    assert counts == [len(case)]


def test_trains_and_the_graph_with_it(pair):
    name, _, model = pair
    case = case_with_masks()
    start = [p.detach().clone() for p in model.backbone.agn.parameters()]
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4 if name == "RetinaNet" else 1e-4)
    totals = []
    for _ in range(6):
        total = sum(losses(model, case).values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        # RetinaNet and FCOS divide by a running number of positives, which starts too high.
        totals.append(total.item() * getattr(model, "loss_normalizer", 1))
    assert totals[-1] < 0.95 * totals[0], [round(total, 3) for total in totals]
    after = model.backbone.agn.parameters()
    moved = [not torch.equal(a, b) for a, b in zip(start, after, strict=True)]
    assert all(moved)


@pytest.mark.parametrize("name", ["RetinaNet", "FCOS"])
def test_gradient_of_a_one_stage_detector_is_that_of_its_loss(name):
    # The others sample proposals that move with the weights, and no gradient flows through that.
    model = randomize_graph(make_model(kind=DETECTORS[name]))
    case = make_case()

    def loss():
        vars(model).pop("loss_normalizer", None)  # a running mean, which starts anew
        return sum(losses(model, case).values())

    head = model.head
    parts = {
        "bottom-up": model.backbone.bottom_up,
        "graph": model.backbone.agn,
        "class subnet": head.cls_subnet,
        "box subnet": head.bbox_subnet,
        "classes": head.cls_score,
        "boxes": head.bbox_pred,
    }
    if name == "FCOS":
        parts["centerness"] = head.ctrness
    assert_each_gradient_keeps_its_promise(loss, parts)


def test_mixed_precision_stays_finite(pair):
    _, _, model = pair
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = losses(model, case_with_masks())
    assert all(loss.isfinite() for loss in found.values())
    model.zero_grad()
    sum(found.values()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all(), name
    model.zero_grad()
