"""Backbones as Detectron2 builds them from a config."""

import dataclasses

import numpy as np
import pytest
import torch
from detectron2.config import get_cfg
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, build_backbone, build_model
from detectron2.modeling.backbone import FPN

import agn_d2.modeling
from agn_d2.engine.checkpoint import AGNCheckpointer
from agn_d2.graph.prior import CorrespondencePrior, uniform_prior, write_prior

from .tiny_model import (
    RETINA,
    assert_same_detections,
    counted_images,
    detect,
    losses,
    make_case,
    make_cfg,
    make_model,
    randomize_graph,
)

ONE_CHANNEL = ShapeSpec(channels=1)


def build(*overrides, **options):
    return build_backbone(make_cfg(*overrides, **options), ONE_CHANNEL)


def batch_of(model, inputs):
    """The ``MultiViewBatch`` that a model hands to its backbone."""
    return model.preprocess_image(inputs).tensor


@pytest.fixture(scope="module")
def model():
    return randomize_graph(make_model()).eval()


@pytest.fixture
def prior_file(tmp_path):
    rng = np.random.default_rng(0)
    prior = CorrespondencePrior(
        rng.integers(0, 3, (13, 17)).astype(float), rng.random((13, 2)), rng.random((17, 2)), "x"
    )
    path = tmp_path / "prior.json"
    write_prior(path, prior)
    return path, prior


@pytest.mark.parametrize("name", ["AGNResNetFPN", "AGNTimmFPN"])
def test_names_are_registered(name):
    assert BACKBONE_REGISTRY.get(name) is getattr(agn_d2.modeling, name)


def test_a_config_without_our_keys_is_told_where_they_come_from():
    cfg = get_cfg()
    cfg.MODEL.BACKBONE.NAME = "AGNResNetFPN"
    with pytest.raises(ValueError, match=r"no MODEL\.AGN; call agn_d2\.add_agn_config\(cfg\)"):
        build_backbone(cfg)


def test_gray_input_makes_a_stem_of_one_channel():
    backbone = build()
    assert backbone.bottom_up.stem.conv1.in_channels == 1
    assert backbone.output_shape().keys() == {"p2", "p3", "p4", "p5", "p6"}
    assert {spec.channels for spec in backbone.output_shape().values()} == {32}


@torch.no_grad()
def test_a_plain_tensor_gives_the_plain_pyramid(model):
    images = torch.rand(2, 1, 64, 96)
    ours, plain = model.backbone(images), FPN.forward(model.backbone, images)
    assert list(ours) == ["p2", "p3", "p4", "p5", "p6"]
    for level, feature in plain.items():
        torch.testing.assert_close(ours[level], feature)


@torch.no_grad()
def test_levels_above_are_made_from_the_fused_ones(model):
    batch = batch_of(model, make_case())
    fused, plain = model.backbone(batch), FPN.forward(model.backbone, batch.views)
    for level in ("p2", "p3", "p4", "p5", "p6"):
        assert fused[level].shape == plain[level].shape
        assert not torch.allclose(fused[level], plain[level], atol=1e-3)
    # Detectron2's p6: every other cell of p5.
    torch.testing.assert_close(fused["p6"], fused["p5"][..., ::2, ::2])


@torch.no_grad()
def test_attention_of_a_level(model):
    batch = batch_of(model, make_case()[:2])
    attention = model.backbone.attention(batch, "p3")
    features = FPN.forward(model.backbone, batch.views)
    expected = model.backbone.agn.inspect(features, batch, "p3").attention
    assert attention.shape == (2, 1, 8, 12)
    torch.testing.assert_close(attention, expected)
    assert ((attention > 0) & (attention < 1)).all() and attention.std() > 1e-3
    assert build("MODEL.AGN.ENABLED", "False").attention(batch, "p3") is None


@torch.no_grad()
def test_only_the_named_levels_are_fused():
    model = randomize_graph(make_model("MODEL.AGN.IN_FEATURES", '["p3", "p4"]')).eval()
    batch = batch_of(model, make_case()[:1])
    fused, plain = model.backbone(batch), FPN.forward(model.backbone, batch.views)
    assert list(fused) == list(plain)
    for level, feature in fused.items():
        assert len(feature) == 1
        same = torch.allclose(feature, plain[level][:1])
        assert same == (level not in ("p3", "p4"))


@torch.no_grad()
def test_top_levels_of_retinanet_are_made_from_the_fused_p5():
    model = randomize_graph(make_model(kind=RETINA)).eval()
    fused = model.backbone(batch_of(model, make_case()))
    p6, p7 = model.backbone.top_block(fused["p5"])
    torch.testing.assert_close(fused["p6"], p6)
    torch.testing.assert_close(fused["p7"], p7)


@torch.no_grad()
def test_top_levels_of_detectron2_s_retinanet_are_made_from_res5():
    options = ("MODEL.FPN.TOP_BLOCK", "p6p7_res5")
    model = randomize_graph(make_model(*options, kind=RETINA)).eval()
    batch = batch_of(model, make_case())
    fused, deepest = model.backbone(batch), model.backbone.bottom_up(batch.views)["res5"]
    p6, p7 = model.backbone.top_block(batch.take_examined(deepest))
    torch.testing.assert_close(fused["p6"], p6)
    torch.testing.assert_close(fused["p7"], p7)


def test_weights_of_detectron2_s_retinanet_load(tmp_path):
    cfg = make_cfg("MODEL.AGN.ENABLED", "False", kind=RETINA)
    cfg.MODEL.META_ARCHITECTURE = "RetinaNet"
    cfg.MODEL.BACKBONE.NAME = "build_retinanet_resnet_fpn_backbone"
    theirs = build_model(cfg)
    torch.save({"model": theirs.state_dict()}, tmp_path / "theirs.pth")
    ours = make_model(*("MODEL.FPN.TOP_BLOCK", "p6p7_res5"), kind=RETINA)
    AGNCheckpointer(ours).load(str(tmp_path / "theirs.pth"))
    state = ours.state_dict()
    for name, value in theirs.state_dict().items():
        assert torch.equal(state[name], value), name
    with pytest.raises(ValueError, match=r"top_block\.p6\.weight .* p6p7_res5 from res5 as Detect"):
        AGNCheckpointer(make_model(kind=RETINA)).load(str(tmp_path / "theirs.pth"))


@torch.no_grad()
def test_without_a_graph_the_context_is_ignored(model):
    backbone = build("MODEL.AGN.ENABLED", "False").eval()
    assert backbone.agn is None and not backbone.reads_context
    batch = dataclasses.replace(batch_of(model, make_case()), examined=(1, 3))
    features, plain = backbone(batch), backbone(batch.views[[1, 3]])
    for level, feature in plain.items():
        torch.testing.assert_close(features[level], feature)


def test_timm_bottom_up_detects_and_trains():
    pytest.importorskip("timm", reason="AGNTimmFPN needs the optional package timm")
    model = make_model("MODEL.BACKBONE.NAME", "AGNTimmFPN", "MODEL.TIMM.NAME", "test_efficientnet")
    randomize_graph(model)
    batch = make_case(0) + make_case(1)
    with counted_images(model) as counts:
        together = detect(model, batch)
    assert counts == [8]
    assert_same_detections(together, [detect(model, [item])[0] for item in batch])
    sum(losses(model, batch).values()).backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


def test_levels_share_their_weights_on_demand():
    shared = build().agn
    own = build("MODEL.AGN.SHARE_LEVELS", "False").agn
    assert len(shared.layers) == 1 and len(own.layers) == 4
    assert own.layer("p2") is not own.layer("p5")
    assert shared.strides == own.strides == {"p2": 4, "p3": 8, "p4": 16, "p5": 32}


@pytest.mark.parametrize("off", ["BGN", "IGN"])
def test_either_half_of_the_graph_can_be_switched_off(off):
    model = randomize_graph(make_model(f"MODEL.AGN.{off}.ENABLED", "False"))
    layer = model.backbone.agn.layer("p2")
    assert (layer.bipartite is None) == (off == "BGN")
    assert (layer.inception is None) == (off == "IGN")
    assert len(detect(model, make_case())) == 4


def test_without_a_file_the_prior_is_uniform():
    prior = build().agn.layer("p2").bipartite.prior
    np.testing.assert_allclose(prior, uniform_prior((13, 17)), rtol=1e-6)


def test_the_prior_comes_from_its_file(prior_file):
    path, prior = prior_file
    keys = ("MODEL.AGN.BGN.PRIOR", str(path), "MODEL.AGN.BGN.PRIOR_BANDWIDTH")
    for bandwidth in (0.0, 0.2):
        built = build(*keys, str(bandwidth)).agn.layer("p2").bipartite.prior
        np.testing.assert_allclose(built, prior.matrix(bandwidth), rtol=1e-3, atol=1e-6)


def test_a_prior_that_does_not_fit_is_refused(prior_file, tmp_path):
    path, _ = prior_file
    with pytest.raises(ValueError, match=r"made for layout \(13, 17\), but .* is \(22, 26\)"):
        build("MODEL.AGN.BGN.PRIOR", str(path), "MODEL.AGN.LAYOUT", "(22, 26)")
    with pytest.raises(FileNotFoundError, match=r"absent\.json"):
        build("MODEL.AGN.BGN.PRIOR", str(tmp_path / "absent.json"))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("MODEL.AGN.NUM_NEIGHBORS", "14"), r"NUM_NEIGHBORS is 14, but .*\(13, 17\)"),
        (("MODEL.AGN.NUM_NEIGHBORS", "0"), "NUM_NEIGHBORS is 0"),
        (("MODEL.AGN.IN_FEATURES", '["p2", "p7"]'), r"MODEL\.AGN\.IN_FEATURES has \['p7'\]"),
        (
            ("MODEL.AGN.IN_FEATURES", '["p6"]'),
            r"has \['p6'\]; the FPN makes \['p2', .*'p5'\] from MODEL.FPN.IN_FEATURES \['res2', ",
        ),
        (("MODEL.AGN.FUSION", "gate"), "fusion must be one of .*'gate'"),
        (
            ("MODEL.FPN.TOP_BLOCK", "p8"),
            "TOP_BLOCK must be maxpool, p6p7, p6p7_res5 or none, got 'p8'",
        ),
        (
            ("MODEL.AGN.BGN.ENABLED", "False", "MODEL.AGN.IGN.ENABLED", "False"),
            "set MODEL.AGN.ENABLED False",
        ),
        (("MODEL.AGN.IN_FEATURES", "[]"), "IN_FEATURES is empty"),
        (("MODEL.AGN.IGN.NEIGHBORS", "(1, 14)"), r"IGN\.NEIGHBORS \(1, 14\) wants more nodes"),
        (("MODEL.AGN.VIEW_DROP", "1.5"), "VIEW_DROP must be a probability"),
    ],
)
def test_a_config_that_cannot_be_is_refused(overrides, message):
    with pytest.raises(ValueError, match=message):
        build(*overrides)
