"""The fusion against its equation, computed pixel by pixel without the detour over nodes."""

import dataclasses

import numpy as np
import pytest
import torch

from agn_d2.graph.mapping import NodeMapping
from agn_d2.modeling import GraphFusion
from agn_d2.modeling.fusion import FUSIONS

from ..graph.slow_mapping import psi
from .slow_graph import fuse

B, C, N, GRID, K = 4, 3, 6, (4, 5), 2
HAS_AUXILIARY = torch.tensor([True, True, False, False])
HAS_CONTRALATERAL = torch.tensor([True, False, True, False])
PADDED_SIZE = (13, 14)  # of 16 x 20: the last row and the last two columns are padding


def randn(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def make_fusion(kind, *, bipartite=True, inception=True):
    fusion = GraphFusion(C, kind, bipartite=bipartite, inception=inception).double()
    for parameter in fusion.parameters():
        torch.nn.init.normal_(parameter)
    return fusion


def make_mapping(size):
    nodes = torch.rand(B, N, 2) * torch.tensor([size[1], size[0]])
    valid = torch.ones(B, N, dtype=torch.bool)
    return NodeMapping.build(nodes, valid, torch.tensor([size] * B), GRID, 4, K)


def slow(fusion, features, z_b, z_i, mapping):
    w_f = [fusion.weight_examined]
    w_f.append(torch.zeros(C, C) if fusion.weight_auxiliary is None else fusion.weight_auxiliary)
    if fusion.kind == "concat":
        no_ign = fusion.weight_contralateral is None
        w_f.append(torch.zeros(C, C) if no_ign else fusion.weight_contralateral)
    w_f = torch.cat(w_f, dim=1).detach().numpy()
    w_i = bias = None
    if fusion.attention is not None:
        w_i = fusion.attention.weight[0].detach().numpy()
        bias = fusion.attention.bias.item()
    fused = []
    for row in range(B):
        adjacency = mapping.assignment[row].double().numpy()
        f_b = f_i = None
        if z_b is not None and HAS_AUXILIARY[row]:
            f_b = psi(z_b[row].numpy(), adjacency, GRID)
        if z_i is not None and HAS_CONTRALATERAL[row]:
            f_i = psi(z_i[row].numpy(), adjacency, GRID)
        fused.append(fuse(features[row].numpy(), f_b, f_i, fusion.kind, w_f, w_i, bias))
    return np.stack(fused)


@pytest.mark.parametrize("size", [(16, 20), PADDED_SIZE])
@pytest.mark.parametrize("parts", [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("kind", FUSIONS)
def test_fusion_equals_its_equation_on_pixels(kind, parts, size):
    fusion = make_fusion(kind, bipartite=parts[0], inception=parts[1])
    mapping = make_mapping(size)
    features = randn(B, C, *GRID)
    z_b, z_i = (randn(B, N, C) if part else None for part in parts)
    fused = fusion(features, z_b, z_i, HAS_AUXILIARY, HAS_CONTRALATERAL, mapping)
    expected = slow(fusion, features, z_b, z_i, mapping)
    np.testing.assert_allclose(fused.detach(), expected, atol=1e-9)


def test_by_hand():
    # One channel, one cell, one node. Attention sigmoid(2 * ln 3 - ln 3) = 3/4.
    # residual: (2 * 3/4 + 0.2) * 10 * 5 + 4 * 7 = 85 + 28; paper: 2 * 3/4 * 10 * 5 + 28;
    # concat: residual's and F_I = 2 times 11.
    yes = torch.tensor([True])
    for kind, expected in [("residual", 113.0), ("paper", 103.0), ("concat", 135.0)]:
        fusion = GraphFusion(1, kind, bipartite=True, inception=True).double()
        with torch.no_grad():
            fusion.weight_examined.fill_(5)
            fusion.weight_auxiliary.fill_(7)
            if kind == "concat":
                fusion.weight_contralateral.fill_(11)
            fusion.attention.weight.fill_(np.log(3))
            fusion.attention.bias.fill_(-np.log(3))
        one = torch.ones(1, 1, 1, dtype=torch.float64)
        mapping = NodeMapping(one.float(), (1, 1), 1)
        fused = fusion(10 * one[..., None], 4 * one, 2 * one, yes, yes, mapping)
        assert fused.item() == pytest.approx(expected)


@pytest.mark.parametrize("size", [(16, 20), PADDED_SIZE])
@pytest.mark.parametrize("kind", FUSIONS)
def test_starts_as_the_identity_in_the_padding_too(kind, size):
    # The heads' convolutions read across the border of an image into its padding.
    fusion = GraphFusion(C, kind, bipartite=True, inception=True).double()
    features, z_b, z_i = randn(B, C, *GRID), randn(B, N, C), randn(B, N, C)
    fused = fusion(features, z_b, z_i, HAS_AUXILIARY, HAS_CONTRALATERAL, make_mapping(size))
    torch.testing.assert_close(fused, features, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", FUSIONS)
def test_missing_views_bring_nothing_and_receive_no_gradient(kind):
    fusion = make_fusion(kind)
    z_b = randn(B, N, C).requires_grad_()
    z_i = randn(B, N, C).requires_grad_()
    fused = fusion(
        randn(B, C, *GRID),
        z_b,
        z_i,
        HAS_AUXILIARY,
        HAS_CONTRALATERAL,
        make_mapping((16, 20)),
    )
    fused.square().sum().backward()
    assert z_b.grad.flatten(1).any(1).tolist() == HAS_AUXILIARY.tolist()
    assert z_i.grad.flatten(1).any(1).tolist() == HAS_CONTRALATERAL.tolist()


@pytest.mark.parametrize("kind", FUSIONS)
def test_gradients(kind):
    fusion = make_fusion(kind)
    names = [name for name, _ in fusion.named_parameters()]
    mapping = make_mapping(PADDED_SIZE)

    def run(features, z_b, z_i, *values):
        args = (features, z_b, z_i, HAS_AUXILIARY, HAS_CONTRALATERAL, mapping)
        return torch.func.functional_call(fusion, dict(zip(names, values, strict=True)), args)

    inputs = (randn(B, C, *GRID), randn(B, N, C), randn(B, N, C), *fusion.parameters())
    assert torch.autograd.gradcheck(run, [x.detach().requires_grad_() for x in inputs])


def test_unknown_fusion_is_refused():
    with pytest.raises(
        ValueError, match=r"fusion must be one of .*'residual', 'paper', 'concat'.*'product'"
    ):
        GraphFusion(C, "product", bipartite=True, inception=True)


def test_a_missing_auxiliary_view_lets_nothing_through():
    """The index of a missing view points at some other image, which may hold anything."""
    fusion = GraphFusion(2, bipartite=True, inception=False)
    torch.nn.init.normal_(fusion.weight_auxiliary)
    features = torch.randn(1, 2, 2, 2)
    z = torch.full((1, 3, 2), float("nan"))
    absent = torch.zeros(1, dtype=torch.bool)
    fused = fusion(features, z, None, absent, absent, NodeMapping(torch.ones(1, 4, 3), (2, 2), 3))
    assert torch.equal(fused, features)


@pytest.mark.parametrize("kind", FUSIONS)
def test_where_the_attention_does_not_act_features_stay_exactly_as_they_are(kind):
    fusion = GraphFusion(C, kind, bipartite=False, inception=True)
    torch.nn.init.normal_(fusion.attention.weight)
    attended = torch.rand(B, *GRID) < 0.5
    mapping = dataclasses.replace(make_mapping((16, 20)), attended=attended)
    features, z_i = torch.randn(B, C, *GRID), torch.randn(B, N, C)
    if kind == "concat":
        fusion.weight_contralateral.data.zero_()
    args = (features, None, z_i, HAS_AUXILIARY, HAS_CONTRALATERAL, mapping)
    fused, attention = fusion(*args, return_attention=True)
    acts = attended & HAS_CONTRALATERAL[:, None, None]
    assert torch.equal((fused == features).all(1), ~acts)
    assert torch.equal(attention[:, 0] != fusion.neutral, acts)
    assert torch.equal(fusion(*args), fused)
