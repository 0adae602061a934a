"""DETR: boxes in and out by hand, losses, pretrained weights, and what is refused."""

import sys
from types import SimpleNamespace

import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling import build_model
from detectron2.structures import Boxes, Instances
from torch import nn

from agn_d2.engine.solver import build_optimizer
from agn_d2.modeling.backbone.timm_bottom_up import build_timm_bottom_up
from agn_d2.structures import View
from detr.detr import load_pretrained, thaw_batch_norm
from tests.modeling.gradient_check import assert_each_gradient_keeps_its_promise

from .configs import load

TINY = [
    "MODEL.DEVICE", "cpu", "MODEL.DETR.HIDDEN_DIM", "16", "MODEL.DETR.FFN_DIM", "16",
    "MODEL.DETR.NUM_QUERIES", "5", "MODEL.DETR.NUM_HEADS", "2", "SEED", "1",
]  # fmt: skip


def tiny_cfg(*more):
    return load("detr_phantom_demo", *TINY, *more)


@pytest.fixture(scope="module")
def model():
    pytest.importorskip("transformers", reason="the extra detr is not installed")
    torch.manual_seed(0)
    return build_model(tiny_cfg())


def inputs(boxes, height=64, width=96, stored=(128, 192)):
    instances = Instances((height, width))
    instances.gt_boxes = Boxes(torch.tensor(boxes, dtype=torch.float).reshape(-1, 4))
    instances.gt_classes = torch.zeros(len(boxes), dtype=torch.long)
    image = torch.rand(1, height, width, generator=torch.Generator().manual_seed(3))
    item = {"image": image, "examined_view": View(image, "CC", None), "instances": instances}
    return item | {"height": stored[0], "width": stored[1]}


def test_labels_are_centers_and_sizes_in_shares(model):
    labels = model._labels([inputs([[24, 16, 72, 32]]), inputs([])])
    torch.testing.assert_close(labels[0]["boxes"], torch.tensor([[0.5, 0.375, 0.5, 0.25]]))
    assert labels[0]["class_labels"].tolist() == [0]
    assert labels[1]["boxes"].shape == (0, 4)


@pytest.mark.parametrize(("limit", "kept"), [(1, 1), (7, 2), (-1, 2)])
def test_a_negative_number_of_detections_is_no_limit(model, monkeypatch, limit, kept):
    monkeypatch.setattr(model, "max_detections", limit)
    output = SimpleNamespace(logits=torch.zeros(1, 2, 2), pred_boxes=torch.full((1, 2, 4), 0.5))
    (found,) = model._instances(output, [(64, 96)])
    assert len(found) == kept


def test_outputs_become_boxes_in_pixels(model):
    # Two queries; the last class means "nothing". One image of 64 x 96.
    logits = torch.log(torch.tensor([[[0.3, 0.7], [0.9, 0.1]]]))
    boxes = torch.tensor([[[0.5, 0.375, 0.5, 0.25], [0.0, 0.5, 0.5, 1.0]]])
    output = SimpleNamespace(logits=logits, pred_boxes=boxes)
    (found,) = model._instances(output, [(64, 96)])
    torch.testing.assert_close(found.scores, torch.tensor([0.9, 0.3]))
    expected = torch.tensor([[0.0, 0, 24, 64], [24, 16, 72, 32]])  # the first is cut at x = 0
    torch.testing.assert_close(found.pred_boxes.tensor, expected)
    assert found.pred_classes.tolist() == [0, 0]


def test_training_has_finite_losses_and_gradients_everywhere_it_learns(model):
    model.train()
    losses = model([inputs([[24, 16, 72, 32], [0, 0, 20, 20]]), inputs([], 32, 32)])
    assert {"loss_ce", "loss_bbox", "loss_giou", "loss_ce_0"} <= set(losses)
    assert all(torch.isfinite(value) for value in losses.values())
    model.zero_grad()
    sum(losses.values()).backward()
    first = next(iter(model.backbone.parameters()))
    assert first.shape[1] == 1 and first.grad.abs().sum() > 0


CLIPPED = (
    *("SOLVER.CLIP_GRADIENTS.ENABLED", "True", "SOLVER.CLIP_GRADIENTS.CLIP_TYPE", "full_model"),
    *("SOLVER.CLIP_GRADIENTS.CLIP_VALUE", "1.0"),
)
TRUNKS = {
    "resnet": [],
    "timm": [
        *("MODEL.DETR.BACKBONE", "timm", "MODEL.DETR.BACKBONE_FEATURE", "res4"),
        *("MODEL.TIMM.WEIGHTS", ""),
    ],
}


def without_dropout(*more):
    """A DETR in training mode whose loss is a function of its weights."""
    pytest.importorskip("transformers", reason="the extra detr is not installed")
    torch.manual_seed(0)
    model = build_model(tiny_cfg(*more)).train()
    for module in model.modules():
        if "dropout" in vars(module):
            module.dropout = 0.0
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model


@pytest.mark.parametrize("trunk", TRUNKS)
def test_gradient_is_that_of_the_loss(trunk):
    model = without_dropout(*TRUNKS[trunk])
    batch = [inputs([[24, 16, 72, 32], [0, 0, 20, 20]]), inputs([[10, 30, 40, 60]])]
    inner = model.detr.model
    parts = {
        "trunk": inner.backbone,
        "projection": inner.input_projection,
        "encoder": inner.encoder,
        "decoder": inner.decoder,
        "queries": inner.query_position_embeddings,
        "classes": model.detr.class_labels_classifier,
        "boxes": model.detr.bbox_predictor,
    }
    assert_each_gradient_keeps_its_promise(lambda: sum(model(batch).values()), parts)


def test_first_weights_are_as_published(model):
    # Xavier: the variance is 2 / (in + out); all layers of the tiny transformer are 16 x 16.
    inner = model.detr.model
    for part in (inner.encoder, inner.decoder):
        weights = [p for p in part.parameters() if p.dim() > 1]
        assert weights and all(p.shape == (16, 16) for p in weights)
        assert all(0.2 < p.std() < 0.3 for p in weights)
        assert all(p.abs().max() < (6 / 32) ** 0.5 for p in weights)
    assert 0.7 < inner.query_position_embeddings.weight.std() < 1.3


def test_steps_lower_the_loss():
    model = without_dropout("SOLVER.BASE_LR", "0.003", *CLIPPED)
    optimizer = build_optimizer(tiny_cfg("SOLVER.BASE_LR", "0.003"), model)
    batch = [inputs([[4, 8, 12, 24]], 32, 32), inputs([[16, 10, 30, 22]], 32, 32)]
    totals = []
    for _ in range(20):
        loss = sum(model(batch).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        totals.append(float(loss))
    # Nothing is drawn by chance here: each fall is the optimizer's work.
    assert totals[-1] < 0.85 * totals[0], totals


def test_result_is_in_pixels_of_the_stored_image_and_padding_is_masked(model):
    model.eval()
    one, other = inputs([]), inputs([], 32, 64, stored=(32, 64))
    with torch.no_grad():
        alone = model([one])[0]["instances"]
        together = model([one, other])[0]["instances"]
    assert alone.image_size == (128, 192)
    assert len(alone) == 5
    torch.testing.assert_close(alone.scores, together.scores)
    masks = []
    hook = model.detr.register_forward_pre_hook(
        lambda _, args, kwargs: masks.append(kwargs["pixel_mask"]), with_kwargs=True
    )
    with torch.no_grad():
        padded = model([one, other])[-1]["instances"]
    hook.remove()
    assert padded.image_size == (32, 64)
    # The transformer is told what is image; the convolutions see the padding all the same.
    expected = torch.zeros(2, 64, 96, dtype=torch.long)
    expected[0], expected[1, :32, :64] = 1, 1
    assert torch.equal(masks[0], expected)


def test_backbone_has_its_own_learning_rate(model):
    cfg = tiny_cfg("SOLVER.BASE_LR", "0.01", "SOLVER.BACKBONE_MULTIPLIER", "0.1")
    rates = {}
    for group in build_optimizer(cfg, model).param_groups:
        rates |= {id(p): group["lr"] for p in group["params"]}
    of = {name: rates[id(p)] for name, p in model.named_parameters()}
    backbone = [lr for name, lr in of.items() if name.startswith("detr.model.backbone.")]
    assert set(backbone) == {0.001}
    assert len(backbone) < len(of) and {*of.values()} == {0.001, 0.01}


def test_pretrained_weights_with_a_color_stem(model):
    state = {k: v.clone() + 1 for k, v in model.detr.state_dict().items()}
    stem = next(k for k, v in state.items() if v.ndim == 4 and v.shape[1] == 1)
    gray = state[stem]
    state[stem] = torch.cat([gray, 2 * gray, 3 * gray], dim=1)
    head = "class_labels_classifier.weight"
    state[head] = torch.zeros(92, 16)  # of another number of classes
    other = build_model(tiny_cfg())
    before = other.detr.state_dict()[head].clone()
    load_pretrained(other.detr, state, "sum")
    after = other.detr.state_dict()
    torch.testing.assert_close(after[stem], 6 * gray)
    torch.testing.assert_close(after[head], before)
    torch.testing.assert_close(after["class_labels_classifier.bias"], state[head[:-6] + "bias"])
    del state["bbox_predictor.layers.0.weight"]
    with pytest.raises(ValueError, match=r"1 weights .* such as bbox_predictor.layers.0.weight"):
        load_pretrained(other.detr, state, "sum")


def test_pretrained_folder(model, tmp_path):
    # "name@revision" is one of the hub only.
    model.detr.save_pretrained(tmp_path / "saved@home")
    again = build_model(tiny_cfg("MODEL.DETR.PRETRAINED", str(tmp_path / "saved@home")))
    own, given = again.detr.state_dict(), model.detr.state_dict()
    for name in own:
        torch.testing.assert_close(own[name], given[name])


def test_only_a_random_start_thaws_the_batch_normalization(model):
    assert all(p.requires_grad for p in model.backbone.parameters())
    assert any(isinstance(m, nn.BatchNorm2d) for m in model.backbone.modules())
    assert not any("Frozen" in type(m).__name__ for m in model.backbone.modules())

    class FrozenBatchNorm2d(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.ones(7)

    module = nn.Sequential(nn.Sequential(FrozenBatchNorm2d()), nn.ReLU())
    thaw_batch_norm(module)
    assert module[0][0].num_features == 7


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("MODEL.AGN.ENABLED", "True", "DETR reads one view: set MODEL.AGN.ENABLED False"),
        ("MODEL.PIXEL_MEAN", "[1, 2, 3]", "MODEL.PIXEL_MEAN must have one value"),
        ("MODEL.RESNETS.DEPTH", "42", "must be one of 18, 34, 50, 101"),
        ("MODEL.DETR.BACKBONE", "vgg", "BACKBONE must be one of resnet, timm, got 'vgg'"),
        ("MODEL.DETR.BACKBONE_FEATURE", "res3", "BACKBONE_FEATURE must be one of res4, res5"),
    ],
)
def test_refused(key, value, message):
    pytest.importorskip("transformers", reason="the extra detr is not installed")
    with pytest.raises(ValueError, match=message):
        build_model(tiny_cfg(key, value))


def test_pretrained_weights_have_a_trunk_of_their_own():
    pytest.importorskip("transformers", reason="the extra detr is not installed")
    with pytest.raises(ValueError, match="brings a ResNet of its own"):
        build_model(tiny_cfg(*TRUNKS["timm"], "MODEL.DETR.PRETRAINED", "any"))


@pytest.mark.parametrize(("feature", "stride"), [("res4", 16), ("res5", 32)])
@pytest.mark.parametrize("trunk", TRUNKS)
def test_the_transformer_reads_the_chosen_map(trunk, feature, stride):
    model = without_dropout(*TRUNKS[trunk], "MODEL.DETR.BACKBONE_FEATURE", feature)
    (found,) = model.backbone(torch.zeros(2, 1, 64, 96), torch.ones(2, 64, 96))
    assert found[0].shape[-2:] == (64 // stride, 96 // stride)
    assert model.detr.model.input_projection(found[0]).shape[1] == 16


def test_the_timm_trunk_starts_from_its_own_weights():
    pytest.importorskip("transformers", reason="the extra detr is not installed")
    cfg = load("detr_comparison", "MODEL.DEVICE", "cpu")
    trunk = build_model(cfg).backbone.model.bottom_up
    expected = build_timm_bottom_up(cfg, ShapeSpec(channels=1))
    for (name, own), (_, given) in zip(
        trunk.state_dict().items(), expected.state_dict().items(), strict=True
    ):
        torch.testing.assert_close(own, given, msg=name)


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match=r"pip install 'agn_d2\[detr\]'"):
        build_model(tiny_cfg())
