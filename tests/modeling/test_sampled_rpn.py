"""SampledRPN: Detectron2's RPN, gradients of the sampled anchors alone."""

import pytest
import torch
from detectron2.config import get_cfg
from detectron2.layers import ShapeSpec
from detectron2.modeling import build_proposal_generator
from detectron2.structures import Boxes, ImageList, Instances
from detectron2.utils.events import EventStorage

from agn_d2.modeling.sampled_rpn import neighbor_rows

SIZES = {"p3": (6, 5), "p4": (3, 3), "p5": (1, 2)}  # cells (H, W)
STRIDES = {"p3": 8, "p4": 16, "p5": 32}


def build(name, conv_dims=(-1,)):
    cfg = get_cfg()
    cfg.MODEL.PROPOSAL_GENERATOR.NAME = name
    cfg.MODEL.RPN.IN_FEATURES = list(SIZES)
    cfg.MODEL.RPN.CONV_DIMS = list(conv_dims)
    cfg.MODEL.RPN.BATCH_SIZE_PER_IMAGE = 60
    cfg.MODEL.ANCHOR_GENERATOR.SIZES = [[8], [16], [32]]
    shapes = {level: ShapeSpec(channels=4, stride=STRIDES[level]) for level in SIZES}
    torch.manual_seed(0)
    rpn = build_proposal_generator(cfg, shapes)
    for parameter in rpn.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return rpn


def run(rpn, layout=torch.contiguous_format):
    """Losses, proposals and all gradients of one training step on a batch of two."""
    torch.manual_seed(1)
    features = {
        level: torch.randn(2, 4, *size).contiguous(memory_format=layout).requires_grad_()
        for level, size in SIZES.items()
    }
    boxes = [[[2.0, 2.0, 14.0, 12.0]], [[0.0, 0.0, 30.0, 30.0], [20.0, 30.0, 38.0, 47.0]]]
    truth = [Instances((48, 40), gt_boxes=Boxes(torch.tensor(b))) for b in boxes]
    images = ImageList(torch.zeros(2, 1, 48, 40), [(48, 40)] * 2)
    with EventStorage():
        torch.manual_seed(2)
        proposals, losses = rpn(images, features, truth)
    sum(losses.values()).backward()
    gradients = {name: p.grad for name, p in rpn.named_parameters()}
    return losses, proposals, gradients | {level: f.grad for level, f in features.items()}


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_losses_proposals_and_gradients_are_those_of_rpn(layout):
    losses, proposals, gradients = run(build("SampledRPN"), layout)
    expected_losses, expected_proposals, expected_gradients = run(build("RPN"), layout)
    assert losses.keys() == {"loss_rpn_cls", "loss_rpn_loc"}
    torch.testing.assert_close(losses, expected_losses)
    assert gradients.keys() == expected_gradients.keys()
    assert all(g.abs().sum() > 0 for g in expected_gradients.values())
    torch.testing.assert_close(gradients, expected_gradients, atol=1e-6, rtol=1e-5)
    for found, expected in zip(proposals, expected_proposals, strict=True):
        assert torch.equal(found.proposal_boxes.tensor, expected.proposal_boxes.tensor)
        assert torch.equal(found.objectness_logits, expected.objectness_logits)


def test_the_graph_is_built_before_the_pass_without_one(monkeypatch):
    # Autocast of an older PyTorch casts a bias once a step; cast without a graph, it never learns.
    rpn = build("SampledRPN")
    had_graph = []
    for name in ("_predict", "_predict_at"):
        predict = getattr(rpn, name)

        def watched(*arguments, predict=predict):
            had_graph.append(torch.is_grad_enabled())
            return predict(*arguments)

        monkeypatch.setattr(rpn, name, watched)
    run(rpn)
    assert had_graph == [True, False]


def test_weights_bear_the_names_of_rpn_and_inference_is_its():
    ours, rpn = build("SampledRPN").eval(), build("RPN").eval()
    ours.load_state_dict(rpn.state_dict())
    features = {level: torch.randn(1, 4, *size) for level, size in SIZES.items()}
    images = ImageList(torch.zeros(1, 1, 48, 40), [(48, 40)])
    found, expected = (net(images, features, None)[0][0] for net in (ours, rpn))
    assert torch.equal(found.proposal_boxes.tensor, expected.proposal_boxes.tensor)


def test_neighbors_by_hand():
    # Two levels of 2 x 3 and 1 x 1 cells, two images: rows 0-5, 6-11 and then 12, 13.
    levels = [torch.zeros(2, 1, 2, 3), torch.zeros(2, 1, 1, 1)]
    rows, inside = neighbor_rows(levels, torch.tensor([1, 0, 1]), torch.tensor([4, 0, 6]))
    assert inside.tolist() == [
        [True] * 6 + [False] * 3,
        [False] * 4 + [True, True] + [False] + [True, True],
        [False] * 4 + [True] + [False] * 4,
    ]
    assert rows[inside].tolist() == [6, 7, 8, 9, 10, 11, 0, 1, 3, 4, 13]


def test_a_head_of_several_convolutions_is_refused():
    with pytest.raises(ValueError, match="SampledRPN needs MODEL.RPN.HEAD_NAME StandardRPNHead"):
        build("SampledRPN", conv_dims=(-1, -1))
