"""What is shown of the graph is what the graph does."""

import numpy as np
import pytest
import torch

from agn_d2.graph.mapping import cells_within_reach
from agn_d2.modeling.fusion import FUSIONS

from .tiny_model import make_case, make_model, randomize_graph, without


def inside_of(inputs, *overrides, level="p3"):
    model = randomize_graph(make_model(*overrides)).eval()
    with torch.no_grad():
        images = model.preprocess_image(inputs)
        return model, images.tensor, model.backbone.inspect(images.tensor, level)


def test_before_and_after_are_those_of_the_forward_pass():
    model, batch, inside = inside_of(make_case())
    with torch.no_grad():
        after = model.backbone(batch)["p3"]
        before = super(type(model.backbone), model.backbone).forward(batch.views)["p3"]
    torch.testing.assert_close(inside.enhanced, after)
    torch.testing.assert_close(inside.original, before)
    assert not torch.allclose(before, after)


@pytest.mark.parametrize("reach", [0.0, 0.5])
@pytest.mark.parametrize("kind", FUSIONS)
def test_the_parts_make_the_enhanced_features(kind, reach):
    """Y = W_f [factor o F_e, F_B, F_I], put together again from what is shown."""
    options = ("MODEL.AGN.FUSION", kind, "MODEL.AGN.IGN.REACH", reach)
    model, batch, inside = inside_of(make_case(), *options)
    fusion = model.backbone.agn.layers[0].fusion
    factor = 2 * inside.attention + (0.0 if kind == "paper" else 0.2)
    parts = [(factor * inside.original, fusion.weight_examined)]
    parts.append((inside.bipartite, fusion.weight_auxiliary))
    if kind == "concat":
        parts.append((inside.inception, fusion.weight_contralateral))
    whole = sum(torch.einsum("bchw,dc->bdhw", part, weight) for part, weight in parts)
    torch.testing.assert_close(whole, inside.enhanced, rtol=1e-4, atol=1e-4)


def test_the_attention_is_that_of_f_i_and_neutral_beyond_its_reach():
    _, _, everywhere = inside_of(make_case())
    model, batch, inside = inside_of(make_case(), "MODEL.AGN.IGN.REACH", 0.5)
    fusion = model.backbone.agn.layers[0].fusion
    scores = torch.einsum("bchw,dc->bdhw", inside.inception, fusion.attention.weight)
    attention = torch.sigmoid(scores + fusion.attention.bias)
    torch.testing.assert_close(attention, everywhere.attention, rtol=1e-4, atol=1e-5)
    reached = cells_within_reach(batch.nodes, batch.node_valid, (8, 12), 8, 0.5)[:, None]
    assert reached.any() and not reached.all()
    # 2 * 0.4 + 0.2 = 1: there the features stay as they are.
    expected = torch.where(reached, attention, 0.4)
    torch.testing.assert_close(inside.attention, expected, rtol=1e-4, atol=1e-5)


def test_correspondence_is_the_adjacency_that_makes_f_b():
    model, batch, inside = inside_of(make_case(), level="p2")
    layer = model.backbone.agn.layers[0]
    with torch.no_grad():
        features = super(type(model.backbone), model.backbone).forward(batch.views)["p2"]
        mapping = model.backbone.agn.mapping("p2", features.shape[-2:], batch)
    counts = mapping.assignment.sum(1).clamp(min=1)
    sums = torch.einsum("bcp,bpn->bnc", features.flatten(2), mapping.assignment)
    x = sums / counts[..., None]
    z = torch.relu(inside.correspondence @ x[batch.auxiliary] @ layer.bipartite.weight)
    torch.testing.assert_close(inside.bipartite, mapping.to_pixels(z), rtol=1e-4, atol=1e-5)
    # 13 nodes in a CC view, 17 in an MLO view.
    assert inside.correspondence[0, :13].abs().sum() > 0
    assert inside.correspondence[0, 13:].abs().sum() == 0


@pytest.mark.parametrize(
    ("role", "hidden"),
    [
        ("auxiliary_view", ("bipartite", "correspondence")),
        ("contralateral_view", ("inception", "attention")),
    ],
)
def test_a_missing_view_shows_nothing(role, hidden):
    inputs = make_case()
    inputs[1] = without(inputs[1:2], role)[0]
    _, _, inside = inside_of(inputs)
    for name in ("original", "enhanced", "bipartite", "inception", "attention", "correspondence"):
        empty = np.isnan(getattr(inside, name).numpy()).reshape(4, -1).all(1)
        assert empty.tolist() == [False, name in hidden, False, False], name


def test_half_a_graph_shows_half():
    _, _, inside = inside_of(make_case(), "MODEL.AGN.IGN.ENABLED", False)
    assert inside.inception is None and inside.attention is None
    _, _, inside = inside_of(make_case(), "MODEL.AGN.BGN.ENABLED", False)
    assert inside.bipartite is None and inside.correspondence is None
