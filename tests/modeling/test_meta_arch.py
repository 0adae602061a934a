"""Whole detectors: cases through the backbone once, each examined image on its own account."""

import pytest
import torch
from detectron2.modeling import META_ARCH_REGISTRY, ProposalNetwork
from detectron2.utils.events import EventStorage

from agn_d2.engine import AGNTrainer
from agn_d2.modeling import MultiViewMixin
from agn_d2.modeling.fusion import FUSIONS
from agn_d2.structures import View

from .tiny_model import (
    RETINA,
    assert_same_detections,
    counted_images,
    detect,
    losses,
    make_case,
    make_cfg,
    make_input,
    make_model,
    make_view,
    randomize_graph,
    without,
)

AUXILIARY, CONTRALATERAL = "auxiliary_view", "contralateral_view"
MISSING = {
    "nothing": (),
    "auxiliary": (AUXILIARY,),
    "contralateral": (CONTRALATERAL,),
    "both": (AUXILIARY, CONTRALATERAL),
}


@pytest.fixture(scope="module")
def model():
    """R-CNN with a graph far from the identity; no test changes its weights."""
    return randomize_graph(make_model())


@pytest.fixture(scope="module")
def plain():
    """The detector without AGN, as if trained."""
    return make_model("MODEL.AGN.ENABLED", "False")


@pytest.fixture(scope="module", params=FUSIONS)
def extended(request, plain):
    """The same weights below a new graph."""
    agn = make_model("MODEL.AGN.FUSION", request.param, seed=11)
    keys = agn.load_state_dict(plain.state_dict(), strict=False)
    assert not keys.unexpected_keys and keys.missing_keys
    assert all(key.startswith("backbone.agn.") for key in keys.missing_keys)
    return agn


@pytest.mark.parametrize("channels", ["RGB", "BGR"])
def test_detectron2s_pictures_of_a_training_show_the_gray_image(channels):
    model = make_model("VIS_PERIOD", "1", "INPUT.FORMAT", channels)
    with EventStorage() as storage:
        model.train()(make_case())
        (name, picture, _), *_ = storage._vis_data
    assert "GT bounding boxes" in name
    # Two panels of 64 x 96; the made-up image is noise about the middle of the gray values.
    assert picture.shape == (3, 64, 2 * 96)
    assert 100 < picture.mean() < 150


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "META_ARCHITECTURE",
            "GeneralizedRCNN",
            "GeneralizedRCNN gives its backbone single",
        ),
        ("BACKBONE.NAME", "build_resnet_fpn_backbone", "build_resnet_fpn_backbone has no graph"),
    ],
)
def test_a_graph_that_nothing_reads_is_refused(key, value, message):
    options = (f"MODEL.{key}", value)
    with pytest.raises(ValueError, match=message):
        AGNTrainer.build_model(make_cfg(*options))
    plain = AGNTrainer.build_model(make_cfg(*options, "MODEL.AGN.ENABLED", "False"))
    assert losses(plain, make_case()).keys() >= {"loss_cls", "loss_rpn_cls"}


@pytest.mark.parametrize(
    ("architecture", "part"),
    [
        *(("MultiViewRCNN", part) for part in ("FPN", "RPN", "ROI_HEADS")),
        *((name, "RETINANET") for name in ("MultiViewRetinaNet", "MultiViewFCOS")),
    ],
)
def test_a_level_that_is_not_there_is_told_by_its_key(architecture, part):
    key = f"MODEL.{part}.IN_FEATURES"
    cfg = make_cfg("MODEL.META_ARCHITECTURE", architecture, key, "['p3', 'p9']")
    with pytest.raises(ValueError, match=f"{key}.* level '(p9|p3)'"):
        AGNTrainer.build_model(cfg)


def test_a_meta_architecture_that_batches_its_images_itself_is_refused():
    class ViewlessProposals(MultiViewMixin, ProposalNetwork):
        pass

    META_ARCH_REGISTRY.register(ViewlessProposals)
    options = ("MODEL.META_ARCHITECTURE", "ViewlessProposals")
    with pytest.raises(ValueError, match="ViewlessProposals has no preprocess_image"):
        AGNTrainer.build_model(make_cfg(*options))
    AGNTrainer.build_model(make_cfg(*options, "MODEL.AGN.ENABLED", "False"))


def test_names_are_registered():
    import agn_d2.modeling as modeling

    for name in ("MultiViewRCNN", "MultiViewRetinaNet"):
        assert META_ARCH_REGISTRY.get(name) is getattr(modeling, name)


def test_the_batch_that_the_backbone_reads(model):
    l_cc, _, r_cc, r_mlo = make_case(sizes=((64, 96), (50, 90), (80, 70), (33, 40)))
    inputs = [r_cc, l_cc | {"auxiliary_view": None}]
    images = model.preprocess_image(inputs)
    batch = images.tensor
    # The examined views first, then the others in the order in which they are named.
    views = [item["examined_view"] for item in (r_cc, l_cc, r_mlo)]
    assert batch.examined == (0, 1)
    assert batch.auxiliary.tolist() == [2, -1] and batch.contralateral.tolist() == [1, 0]
    assert batch.is_mlo.tolist() == [False, False, True]
    # Sizes without the padding, which fills up to a multiple of the coarsest stride.
    assert batch.view_sizes.tolist() == [[80, 70], [64, 96], [33, 40]]
    assert list(images.image_sizes) == [(80, 70), (64, 96)] and len(images) == 2
    assert batch.views.shape == (3, 1, 96, 96)
    assert batch.node_valid.sum(1).tolist() == [13, 13, 17]
    for row, view in enumerate(views):
        height, width = view.image.shape[-2:]
        expected = (view.image - 0.4589) / 0.2264
        torch.testing.assert_close(batch.views[row, :, :height, :width], expected)
        assert not batch.views[row, :, height:].any() and not batch.views[row, ..., width:].any()
        torch.testing.assert_close(batch.nodes[row][batch.node_valid[row]], view.nodes)


def test_context_matters(model):
    # Without this, the tests below would pass with a graph that does nothing.
    case = make_case()
    whole = detect(model, case)[0].scores
    for missing in ("auxiliary", "contralateral", "both"):
        alone = detect(model, without(case, *MISSING[missing]))[0].scores
        assert len(alone) != len(whole) or (alone - whole).abs().max() > 1e-3


def test_a_batch_of_cases_equals_each_image_alone_with_its_views(model):
    lone = without(make_case(2)[:2], AUXILIARY, CONTRALATERAL)
    batch = make_case(0) + without(make_case(1)[1:3], CONTRALATERAL) + lone
    together = detect(model, batch)
    assert_same_detections(together, [detect(model, [item])[0] for item in batch])


def test_permuting_the_batch_permutes_the_outputs(model):
    batch = make_case(0) + make_case(1)
    order = [5, 0, 3, 7, 2, 6, 1, 4]
    permuted = detect(model, [batch[i] for i in order])
    together = detect(model, batch)
    assert_same_detections(permuted, [together[i] for i in order])


@pytest.mark.parametrize(
    ("inputs", "images"),
    [
        (make_case(0), 4),
        (make_case(0) + make_case(1), 8),
        (make_case(0)[:1], 3),  # with its auxiliary and contralateral view
        (make_case(0)[:2], 4),  # both views of one breast, one more view each
        (without(make_case(0), CONTRALATERAL)[:2], 2),
        (without(make_case(0), AUXILIARY, CONTRALATERAL)[:1], 1),
        (make_case(0)[:1] * 2, 3),
    ],
)
@pytest.mark.parametrize("training", [False, True])
def test_every_distinct_view_passes_the_bottom_up_once(model, inputs, images, training):
    with counted_images(model) as counts:
        if training:
            losses(model, inputs)
        else:
            assert len(detect(model, inputs)) == len(inputs)
    assert counts == [images]


def test_without_agn_the_context_is_not_computed(plain):
    with counted_images(plain) as counts:
        detect(plain, make_case(0)[:1])
    assert counts == [1]


@pytest.mark.parametrize("missing", MISSING)
def test_every_parameter_of_the_detector_has_a_gradient(model, missing):
    model.zero_grad()
    sum(losses(model, without(make_case(), *MISSING[missing])).values()).backward()
    bare = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    model.zero_grad()
    assert not bare


def test_sizes_of_the_examined_images_are_those_of_the_outputs(model):
    case = make_case(0, sizes=((64, 96), (96, 64), (80, 80), (50, 90)))
    for item, detections in zip(case, detect(model, case), strict=True):
        assert detections.image_size == (item["height"], item["width"])


@pytest.mark.parametrize("missing", MISSING)
@pytest.mark.parametrize("sizes", ["equal", "padded"])
def test_agn_on_top_of_a_trained_detector_starts_where_it_was(plain, extended, sizes, missing):
    shapes = ((64, 96),) * 4 if sizes == "equal" else ((64, 96), (96, 64), (80, 70), (50, 90))
    case = without(make_case(sizes=shapes), *MISSING[missing])
    expected, ours = losses(plain, case), losses(extended, case)
    assert expected.keys() == ours.keys() and len(expected) == 4
    for name, loss in expected.items():
        torch.testing.assert_close(ours[name], loss, rtol=1e-5, atol=1e-6)
    assert_same_detections(detect(extended, case), detect(plain, case))


def test_retinanet_trains_and_detects():
    model = make_model(kind=RETINA)
    case = make_case()
    before = losses(model, case)
    assert set(before) == {"loss_cls", "loss_box_reg"}
    sum(before.values()).backward()
    assert all(p.grad is not None for p in model.backbone.agn.parameters())
    assert model.backbone.agn.layer("p3").fusion.weight_examined.grad.any()
    found = detect(model, case)
    assert len(found) == 4 and all(len(detections) for detections in found)
    with counted_images(model) as counts:
        detect(model, case)
    assert counts == [4]


def bad_inputs():
    """(what is wrong, input, what the message says)."""
    cc, mlo, other = make_view("CC"), make_view("MLO"), make_view("CC")
    bare = View(cc.image, "CC", None)
    return {
        "no examined view": ({"image": cc.image, "file_name": "x.png"}, "x.png: .*examined_view"),
        "auxiliary": (make_input(cc, other, None), "made_up.png: the auxiliary .*other projection"),
        "contralateral": (make_input(cc, None, mlo), "made_up.png: the contral.*same projection"),
        "no nodes": (make_input(bare), "has no nodes: .*extract_landmarks.py"),
        "context without nodes": (make_input(other, None, bare), "has no nodes"),
    }


@pytest.mark.parametrize("case", bad_inputs())
def test_bad_inputs_are_refused(model, case):
    inputs, message = bad_inputs()[case]
    with pytest.raises(ValueError, match=message):
        detect(model, [inputs])


def test_unknown_projection_is_refused():
    with pytest.raises(ValueError, match=r"projection must be one of \('CC', 'MLO'\), got 'ML'"):
        View(torch.rand(1, 8, 8), "ML")
