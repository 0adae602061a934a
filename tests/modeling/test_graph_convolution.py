"""BGN and IGN against whole block matrices."""

import numpy as np
import pytest
import torch

from agn_d2.modeling import BipartiteGraphConvolution, InceptionGraphConvolution

from . import slow_graph

C, CC, MLO = 3, 5, 7
# Multiples of 1 / 8, since the prior is kept in float32.
PRIOR = torch.randint(0, 9, (CC, MLO), generator=torch.Generator().manual_seed(1)) / 8


def randn(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def padded(x, count=MLO):
    return torch.cat([x, x.new_zeros(count - len(x), *x.shape[1:])])


def make_bgn(**options):
    bgn = BipartiteGraphConvolution(C, PRIOR, **options).double()
    torch.nn.init.normal_(bgn.affinity)
    torch.nn.init.normal_(bgn.weight)
    return bgn


def make_ign(neighbors=(1, 3, 5), **options):
    ign = InceptionGraphConvolution(C, neighbors, **options).double()
    torch.nn.init.normal_(ign.weight)
    if ign.own_weight is not None:
        torch.nn.init.normal_(ign.own_weight)
    return ign


@pytest.mark.parametrize("normalize", [False, True])
def test_bgn_equals_the_block_matrix_from_both_sides(normalize):
    bgn = make_bgn(normalize=normalize)
    x_cc, x_mlo = randn(CC, C), randn(MLO, C)
    w_s = bgn.affinity.detach().flatten().numpy()
    whole = slow_graph.bipartite(
        x_cc.numpy(), x_mlo.numpy(), PRIOR.numpy(), w_s, bgn.weight.detach().numpy(), normalize
    )
    # One batch that examines the CC view first and the MLO view second, CC padded.
    x_examined = torch.stack([padded(x_cc), x_mlo])
    x_auxiliary = torch.stack([x_mlo, padded(x_cc)])
    z = bgn(x_examined, x_auxiliary, torch.tensor([False, True])).detach()
    assert (whole > 0).any() and (whole == 0).any()
    np.testing.assert_allclose(z[0, :CC], whole[:CC], atol=1e-9)
    np.testing.assert_allclose(z[1], whole[CC:], atol=1e-9)
    assert not z[0, CC:].any()


def test_bgn_by_hand():
    # One channel, w_s = 0: H^s = 1/2. CC node 0 reads 1/2 (1 * 4 + 0 * 6) * 3 = 6; node 1 reads
    # 1/2 (2 * 4 + 4 * 6) * 3 = 48; MLO node 1 reads 1/2 (0 * 10 + 4 * 20) * 3 = 120.
    bgn = BipartiteGraphConvolution(1, torch.tensor([[1.0, 0.0], [2.0, 4.0]]))
    torch.nn.init.zeros_(bgn.affinity)
    torch.nn.init.constant_(bgn.weight, 3)
    cc, mlo = torch.tensor([[[10.0], [20.0]]]), torch.tensor([[[4.0], [6.0]]])
    assert bgn(cc, mlo, torch.tensor([False])).flatten().tolist() == [6, 48]
    assert bgn(mlo, cc, torch.tensor([True])).flatten().tolist() == [75, 120]


def test_bgn_tells_the_two_halves_of_w_s_apart():
    bgn = BipartiteGraphConvolution(1, torch.ones(1, 1)).double()
    with torch.no_grad():
        bgn.affinity[:] = torch.tensor([[1.0], [-2.0]])
    cc, mlo = torch.full((1, 1, 1), 3.0).double(), torch.full((1, 1, 1), 0.5).double()
    expected = slow_graph.sigmoid(3.0 * 1.0 + 0.5 * -2.0)
    for examined, auxiliary, is_mlo in [(cc, mlo, False), (mlo, cc, True)]:
        h = bgn.adjacency(examined, auxiliary, torch.tensor([is_mlo]))
        assert h.item() == pytest.approx(expected)


def test_bgn_passes_nothing_where_the_prior_is_zero():
    bgn = BipartiteGraphConvolution(C, torch.zeros(CC, MLO)).double()
    assert not bgn(randn(2, MLO, C), randn(2, MLO, C), torch.tensor([True, False])).any()


@pytest.mark.parametrize("own_weight", [False, True])
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("neighbors", [(1,), (3, 1), (1, 3, 5)])
def test_ign_equals_the_block_matrix(neighbors, normalize, own_weight):
    ign = make_ign(neighbors, normalize=normalize, own_weight=own_weight)
    x_e, x_c, nodes = randn(MLO, C), randn(MLO, C), 50 * torch.rand(MLO, 2)
    short_e, short_c, short_nodes = randn(CC, C), randn(CC, C), 50 * torch.rand(CC, 2)
    valid = torch.ones(2, MLO, dtype=torch.bool)
    valid[1, CC:] = False
    z = ign(
        torch.stack([x_e, padded(short_e)]),
        torch.stack([x_c, padded(short_c)]),
        torch.stack([nodes, padded(short_nodes)]),
        valid,
    ).detach()
    weights = ign.weight.detach().numpy()
    own = ign.own_weight.detach().numpy() if own_weight else None
    for row, (e, c, points) in enumerate([(x_e, x_c, nodes), (short_e, short_c, short_nodes)]):
        arrays = (e.numpy(), c.numpy(), points.double().numpy())
        whole = slow_graph.inception(*arrays, neighbors, weights, normalize, own)
        assert (whole > 0).any()
        np.testing.assert_allclose(z[row, : len(e)], whole[: len(e)], atol=1e-9)
        assert not z[row, len(e) :].any()


def test_own_weight_starts_by_comparing_a_node_with_its_counterpart():
    ign = InceptionGraphConvolution(C, (1, 3), own_weight=True).double()
    x, far = randn(1, MLO, C), 50 * torch.rand(1, MLO, 2)
    valid = torch.ones(1, MLO, dtype=torch.bool)
    # Equal features everywhere: each counterpart equals its node, no difference is left with one
    # neighbor; with several, J_s counts it s times.
    alike = x[:, :1].expand(-1, MLO, -1).contiguous()
    one = InceptionGraphConvolution(C, (1,), own_weight=True).double()
    torch.testing.assert_close(one(alike, alike, far, valid), torch.zeros_like(alike))
    torch.testing.assert_close(one(x, x, far, valid), torch.zeros_like(x))
    assert one(x, x.flip(1), far, valid).any()
    torch.testing.assert_close(ign.own_weight, -ign.weight.sum(0))
    shared = InceptionGraphConvolution(C, (1,)).double()
    assert shared.own_weight is None and shared(x, x, far, valid).any()


def test_correspondence_by_hand():
    # Nodes on a line at 0, 1, 3, 10: the two nearest of the counterpart, itself included.
    nodes = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [3.0, 0.0], [10.0, 0.0]]])
    one, two = make_ign((1, 2)).correspondence(nodes, torch.ones(1, 4, dtype=torch.bool))[:, 0]
    assert one.tolist() == torch.eye(4).tolist()
    assert two.tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]]


def test_the_counterpart_comes_first_where_nodes_coincide():
    # A pectoral line of no length, or nodes clipped to the same image corner.
    nodes = torch.ones(1, 6, 2)
    (one,) = make_ign((1,)).correspondence(nodes, torch.ones(1, 6, dtype=torch.bool))
    assert one[0].tolist() == torch.eye(6).tolist()


@pytest.mark.parametrize("module", ["bgn", "ign"])
def test_permuting_images_permutes_outputs(module):
    order = torch.tensor([2, 0, 1])
    x_e, x_o, nodes = randn(3, MLO, C), randn(3, MLO, C), torch.rand(3, MLO, 2)
    if module == "bgn":
        net, rest = make_bgn(), (torch.tensor([True, False, True]),)
    else:
        net, rest = make_ign(), (nodes, torch.ones(3, MLO, dtype=torch.bool))
    z = net(x_e, x_o, *rest)
    permuted = net(x_e[order], x_o[order], *(r[order] for r in rest))
    torch.testing.assert_close(permuted, z[order])


@pytest.mark.parametrize("normalize", [False, True])
def test_gradients_of_bgn(normalize):
    bgn = make_bgn(normalize=normalize)
    is_mlo = torch.tensor([False, True])

    def run(x_examined, x_auxiliary, affinity, weight):
        return torch.func.functional_call(
            bgn, {"affinity": affinity, "weight": weight}, (x_examined, x_auxiliary, is_mlo)
        )

    inputs = (randn(2, MLO, C), randn(2, MLO, C), bgn.affinity, bgn.weight)
    assert torch.autograd.gradcheck(run, [x.detach().requires_grad_() for x in inputs])


def test_gradients_of_ign():
    ign = make_ign()
    nodes, valid = torch.rand(2, MLO, 2), torch.ones(2, MLO, dtype=torch.bool)
    valid[1, CC:] = False

    def run(x_examined, x_contralateral, weight):
        args = (x_examined, x_contralateral, nodes, valid)
        return torch.func.functional_call(ign, {"weight": weight}, args)

    inputs = (randn(2, MLO, C), randn(2, MLO, C), ign.weight)
    assert torch.autograd.gradcheck(run, [x.detach().requires_grad_() for x in inputs])


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="without negative entries"):
        BipartiteGraphConvolution(C, -PRIOR)
    with pytest.raises(ValueError, match=r"must be a matrix \(N_cc, N_mlo\)"):
        BipartiteGraphConvolution(C, PRIOR[0])
    for neighbors in [(), (0, 3)]:
        with pytest.raises(ValueError, match="must be positive branch sizes"):
            InceptionGraphConvolution(C, neighbors)
    with pytest.raises(ValueError, match="s = 9, but 7 nodes"):
        make_ign((1, 9)).correspondence(torch.rand(1, 7, 2), torch.ones(1, 7, dtype=torch.bool))


def test_the_prior_of_a_checkpoint_is_taken_and_said(caplog):
    old = BipartiteGraphConvolution(3, torch.rand(4, 5))
    new = BipartiteGraphConvolution(3, torch.rand(4, 5))
    new.load_state_dict(old.state_dict())
    assert torch.equal(new.prior, old.prior)
    assert "another prior" in caplog.text
    caplog.clear()
    new.load_state_dict(old.state_dict())
    assert not caplog.text
    # As exported: float16 is 0.05 % off at most, which makes no other prior; 1 % does.
    half = {name: value.half() for name, value in old.state_dict().items()}
    new = BipartiteGraphConvolution(3, old.prior.clone())
    new.load_state_dict(half)
    assert not caplog.text
    new.load_state_dict(half | {"prior": 1.01 * old.prior})
    assert "another prior" in caplog.text


def test_a_checkpoint_of_another_layout_is_refused():
    old = BipartiteGraphConvolution(3, torch.rand(4, 6))
    with pytest.raises(RuntimeError, match="prior"):
        BipartiteGraphConvolution(3, torch.rand(4, 5)).load_state_dict(old.state_dict())
