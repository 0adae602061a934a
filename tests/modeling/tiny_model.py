"""Small detectors and made-up cases for the tests of whole models."""

import contextlib
from pathlib import Path

import torch
from detectron2.modeling import build_model
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage

from agn_d2.engine.setup import load_cfg
from agn_d2.structures import View

LAYOUT = {"CC": 13, "MLO": 17}
BASE = Path(__file__).parents[2] / "configs" / "Base-MultiView-RCNN.yaml"
RESNET = """
    MODEL.BACKBONE.NAME AGNResNetFPN MODEL.BACKBONE.FREEZE_AT 0
    MODEL.RESNETS.DEPTH 18 MODEL.RESNETS.RES2_OUT_CHANNELS 64
    MODEL.FPN.OUT_CHANNELS 32 MODEL.AGN.LAYOUT (13,17) MODEL.DEVICE cpu MODEL.MASK_ON False
"""
RCNN = """
    MODEL.RESNETS.OUT_FEATURES ["res2","res3","res4","res5"]
    MODEL.FPN.IN_FEATURES ["res2","res3","res4","res5"]
    MODEL.ANCHOR_GENERATOR.SIZES [[8],[16],[32],[48],[64]]
    MODEL.RPN.PRE_NMS_TOPK_TEST 200 MODEL.RPN.POST_NMS_TOPK_TEST 50
    MODEL.RPN.PRE_NMS_TOPK_TRAIN 200 MODEL.RPN.POST_NMS_TOPK_TRAIN 50
    MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE 32 MODEL.ROI_BOX_HEAD.FC_DIM 32
    MODEL.ROI_HEADS.SCORE_THRESH_TEST 0.0
"""
RETINA = """
    MODEL.META_ARCHITECTURE MultiViewRetinaNet MODEL.FPN.TOP_BLOCK p6p7
    MODEL.RESNETS.OUT_FEATURES ["res3","res4","res5"]
    MODEL.FPN.IN_FEATURES ["res3","res4","res5"] MODEL.AGN.IN_FEATURES ["p3","p4","p5"]
    MODEL.RETINANET.IN_FEATURES ["p3","p4","p5","p6","p7"] MODEL.RETINANET.NUM_CLASSES 1
    MODEL.ANCHOR_GENERATOR.SIZES [[8],[16],[32],[48],[64]] MODEL.RETINANET.SCORE_THRESH_TEST 0.0
"""

# Heads whose initial weights are so small that their outputs are all alike.
SPREAD = ("rpn_head", "box_predictor", "_subnet")


def make_cfg(*overrides, kind=RCNN):
    """Config of a small detector; ``overrides`` are KEY, VALUE, KEY, VALUE, ..."""
    return load_cfg(str(BASE), [*RESNET.split(), *kind.split(), *overrides])


def make_model(*overrides, kind=RCNN, seed=3):
    """The detector with random weights, scores spread apart; AGN at its first values."""
    torch.manual_seed(seed)
    model = build_model(make_cfg(*overrides, kind=kind))
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1 and any(part in name for part in SPREAD):
            parameter.data.normal_(0, 0.05, generator=generator)
    return model


def randomize_graph(model, seed=5):
    """Graph weights as if trained: nothing is the identity or zero any more."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.backbone.agn.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        parameter.data += 0.3 * noise / (parameter.shape[-1] ** 0.5 if "fusion" in name else 1)
    return model


def make_view(projection, size=(64, 96), generator=None):
    nodes = torch.rand(LAYOUT[projection], 2, generator=generator)
    nodes = nodes * torch.tensor([size[1], size[0]])
    return View(torch.rand(1, *size, generator=generator), projection, nodes)


def make_input(examined, auxiliary=None, contralateral=None):
    """A model input as ``CaseMapper`` makes it, with one mass in it."""
    size = tuple(examined.image.shape[-2:])
    instances = Instances(size)
    instances.gt_boxes = Boxes(torch.tensor([[20.0, 12.0, 44.0, 40.0]]))
    instances.gt_classes = torch.zeros(1, dtype=torch.int64)
    return {
        "file_name": "made_up.png",
        "height": size[0],
        "width": size[1],
        "image": examined.image,
        "instances": instances,
        "examined_view": examined,
        "auxiliary_view": auxiliary,
        "contralateral_view": contralateral,
    }


def make_case(seed=0, sizes=((64, 96),) * 4):
    """A patient of four views, all of them examined: left CC, left MLO, right CC, right MLO."""
    generator = torch.Generator().manual_seed(seed)
    l_cc, l_mlo, r_cc, r_mlo = (
        make_view(projection, size, generator)
        for projection, size in zip(("CC", "MLO", "CC", "MLO"), sizes, strict=True)
    )
    return [
        make_input(l_cc, l_mlo, r_cc),
        make_input(l_mlo, l_cc, r_mlo),
        make_input(r_cc, r_mlo, l_cc),
        make_input(r_mlo, r_cc, l_mlo),
    ]


def without(inputs, *roles):
    """The same inputs, some views missing."""
    return [item | dict.fromkeys(roles) for item in inputs]


def losses(model, inputs, seed=7):
    """Losses in training mode with a fixed draw of the samplers."""
    torch.manual_seed(seed)
    with EventStorage():
        return model.train()(inputs)


@torch.no_grad()
def detect(model, inputs):
    """Instances of each input, by descending score."""
    return [output["instances"] for output in model.eval()(inputs)]


@contextlib.contextmanager
def counted_images(model):
    """List of the numbers of images that went through the bottom-up network."""
    counts = []
    hook = model.backbone.bottom_up.register_forward_hook(
        lambda module, inputs, output: counts.append(len(inputs[0]))
    )
    try:
        yield counts
    finally:
        hook.remove()


def assert_same_detections(ours, expected):
    """Equal boxes and scores within float error, and not for want of detections."""
    assert len(ours) == len(expected)
    for a, b in zip(ours, expected, strict=True):
        assert len(a) == len(b) > 3
        torch.testing.assert_close(a.scores, b.scores, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(a.pred_boxes.tensor, b.pred_boxes.tensor, rtol=1e-4, atol=1e-3)
