"""phi_k and psi_k against loops over cells and nodes."""

import numpy as np
import pytest
import torch

from agn_d2.graph.mapping import (
    NodeMapping,
    assign_cells,
    cells_within_reach,
    nodes_to_pixels,
    pixels_to_nodes,
    transform_and_add_nodes,
)

from .slow_mapping import assign, phi, psi

GRID, STRIDE = (5, 6), 4
SIZES = [(20, 24), (17, 24), (11, 9)]  # whole grid; last row cut; most of it is padding
COUNTS = [7, 5, 6]


def random_views(seed=0):
    """Nodes (V, N, 2) padded with zeros, their validity and the view sizes."""
    generator = torch.Generator().manual_seed(seed)
    nodes = torch.zeros(len(COUNTS), max(COUNTS), 2)
    valid = torch.zeros(len(COUNTS), max(COUNTS), dtype=torch.bool)
    for row, (count, (height, width)) in enumerate(zip(COUNTS, SIZES, strict=True)):
        scale = torch.tensor([width, height], dtype=torch.float32)
        nodes[row, :count] = torch.rand(count, 2, generator=generator) * scale
        valid[row, :count] = True
    return nodes, valid, torch.tensor(SIZES)


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("seed", [0, 1])
def test_mapping_equals_loops(k, seed):
    nodes, valid, sizes = random_views(seed)
    adjacency = assign_cells(nodes, valid, sizes, GRID, STRIDE, k)
    features = torch.randn(3, 4, *GRID, dtype=torch.float64)
    values = torch.randn(3, max(COUNTS), 2, dtype=torch.float64)
    gathered = pixels_to_nodes(features, adjacency)
    spread = nodes_to_pixels(values, adjacency, GRID, k)
    assert gathered.shape == (3, max(COUNTS), 4) and spread.shape == (3, 2, *GRID)
    for v, count in enumerate(COUNTS):
        slow = assign(nodes[v, :count].numpy(), SIZES[v], GRID, STRIDE, k)
        np.testing.assert_array_equal(adjacency[v, :, :count], slow)
        np.testing.assert_allclose(gathered[v, :count], phi(features[v].numpy(), slow), atol=1e-6)
        np.testing.assert_allclose(
            spread[v], psi(values[v, :count].numpy(), slow, GRID), atol=1e-12
        )
        # Padded nodes take part in nothing.
        assert not adjacency[v, :, count:].any() and not gathered[v, count:].any()


def test_by_hand_on_a_two_by_two_grid():
    # Cell centers (x, y): (1, 1) (3, 1) / (1, 3) (3, 3); k = 1.
    nodes = torch.tensor([[[0.0, 0.0], [4.0, 2.0], [1.0, 3.5], [100.0, 100.0]]])
    valid = torch.ones(1, 4, dtype=torch.bool)
    adjacency = assign_cells(nodes, valid, torch.tensor([[4, 4]]), (2, 2), 2, 1)
    assert adjacency[0].tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0]]
    features = torch.tensor([[[[10.0, 20.0], [30.0, 40.0]]]])
    gathered = pixels_to_nodes(features, adjacency)[0, :, 0]
    assert gathered.tolist() == [10, 30, 30, 0]  # node 1: (20 + 40) / 2; node 3 is empty
    values = torch.tensor([[[1.0], [2.0], [3.0], [4.0]]])
    assert nodes_to_pixels(values, adjacency, (2, 2), 1)[0, 0].tolist() == [[1, 2], [3, 2]]


def test_a_cell_is_padding_from_its_center_on():
    nodes = torch.tensor([[[1.0, 1.0]]])
    valid = torch.ones(1, 1, dtype=torch.bool)

    def cells(height, width):
        size = torch.tensor([[height, width]])
        return assign_cells(nodes, valid, size, (2, 3), 4, 1)[0, :, 0].reshape(2, 3).tolist()

    # Centers lie at x = 2, 6, 10 and y = 2, 6.
    assert cells(8, 12) == [[1, 1, 1], [1, 1, 1]]
    assert cells(6, 11) == [[1, 1, 1], [0, 0, 0]]
    assert cells(7, 10) == [[1, 1, 0], [1, 1, 0]]


def test_psi_keeps_a_constant_inside_and_gives_zero_in_the_padding():
    nodes, valid, sizes = random_views()
    adjacency = assign_cells(nodes, valid, sizes, GRID, STRIDE, 3)
    spread = nodes_to_pixels(torch.full((3, max(COUNTS), 1), 7.0), adjacency, GRID, 3)
    for v, (height, width) in enumerate(SIZES):
        rows = torch.arange(GRID[0]) * STRIDE + STRIDE / 2 < height
        columns = torch.arange(GRID[1]) * STRIDE + STRIDE / 2 < width
        inside = rows[:, None] & columns
        torch.testing.assert_close(spread[v, 0], torch.where(inside, 7.0, 0.0))


def test_features_in_the_padding_never_reach_a_node():
    nodes, valid, sizes = random_views()
    adjacency = assign_cells(nodes, valid, sizes, GRID, STRIDE, 3)
    features = torch.randn(3, 4, *GRID)
    spoiled = features.clone()
    spoiled[1, :, 4:] = 1e6  # center at y = 18 of 17
    spoiled[2, :, 3:] = 1e6
    spoiled[2, :, :, 2:] = 1e6
    torch.testing.assert_close(
        pixels_to_nodes(features, adjacency), pixels_to_nodes(spoiled, adjacency)
    )


def test_permuting_nodes_permutes_them_and_leaves_the_pixels():
    nodes, valid, sizes = random_views()
    order = torch.tensor([3, 0, 6, 1, 5, 2, 4])
    adjacency = assign_cells(nodes, valid, sizes, GRID, STRIDE, 3)
    permuted = assign_cells(nodes[:, order], valid[:, order], sizes, GRID, STRIDE, 3)
    torch.testing.assert_close(permuted, adjacency[:, :, order])
    values = torch.randn(3, 7, 2)
    torch.testing.assert_close(
        nodes_to_pixels(values[:, order], permuted, GRID, 3),
        nodes_to_pixels(values, adjacency, GRID, 3),
    )


@pytest.mark.parametrize("k", [0, 8])
def test_k_out_of_range_is_refused(k):
    nodes, valid, sizes = random_views()
    with pytest.raises(ValueError, match=f"k = {k} neighbors, but there are 7 nodes"):
        assign_cells(nodes, valid, sizes, GRID, STRIDE, k)


def test_gradients_of_both_mappings():
    nodes, valid, sizes = random_views()
    adjacency = assign_cells(nodes, valid, sizes, GRID, STRIDE, 3)
    features = torch.randn(3, 2, *GRID, dtype=torch.float64, requires_grad=True)
    values = torch.randn(3, max(COUNTS), 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda f: pixels_to_nodes(f, adjacency), features)
    assert torch.autograd.gradcheck(lambda z: nodes_to_pixels(z, adjacency, GRID, 3), values)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_means_of_half_precision_features_are_as_good_as_the_features(dtype, layout):
    nodes, valid, sizes = random_views()
    adjacency = assign_cells(nodes, valid, sizes, GRID, STRIDE, 3)
    features = torch.randn(3, 4, *GRID).to(dtype).to(memory_format=layout)
    halved = pixels_to_nodes(features, adjacency)
    assert halved.dtype == torch.float32
    exact = pixels_to_nodes(features.double(), adjacency)
    error = (halved - exact).abs().max() / exact.abs().max()
    assert error < torch.finfo(dtype).eps


def test_sums_over_many_large_half_precision_features_do_not_overflow():
    # One node owns all 65,536 cells; 60,000 is near the largest float16 (65,504).
    grid, features = (256, 256), torch.full((1, 1, 256, 256), 60000.0, dtype=torch.float16)
    nodes, valid = torch.zeros(1, 1, 2), torch.ones(1, 1, dtype=torch.bool)
    adjacency = assign_cells(nodes, valid, torch.tensor([grid]), grid, 1, 1)
    assert pixels_to_nodes(features, adjacency).item() == pytest.approx(60000, rel=1e-3)
    adjacency[0, 40000:] = 0  # a number of cells that is no power of two
    assert pixels_to_nodes(features, adjacency).item() == pytest.approx(60000, rel=1e-3)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_transforming_and_adding_equals_loops_in_either_memory_layout(layout):
    k = 3
    adjacency = assign_cells(*random_views(), GRID, STRIDE, k)
    features = torch.randn(3, 4, *GRID, dtype=torch.float64).to(memory_format=layout)
    weight = torch.randn(2, 4, dtype=torch.float64)
    values = torch.randn(3, max(COUNTS), 2, dtype=torch.float64)
    factor = torch.rand(3, 1, *GRID, dtype=torch.float64)
    leaves = [leaf.requires_grad_() for leaf in (features, weight, factor, values)]
    fused = transform_and_add_nodes(*leaves, adjacency, k)
    slow = torch.stack(
        [
            torch.from_numpy(psi(values[v].detach().numpy(), adjacency[v].numpy(), GRID))
            for v in range(3)
        ]
    ).nan_to_num()
    for y, x in np.ndindex(GRID):
        examined = factor[:, :, y, x] * features[:, :, y, x]
        slow[:, :, y, x] += (examined @ weight.T).detach()
    torch.testing.assert_close(fused.detach(), slow)
    assert fused.is_contiguous(memory_format=layout)
    with torch.no_grad():
        again = transform_and_add_nodes(*leaves, adjacency, k)
    assert again.is_contiguous(memory_format=layout)
    torch.testing.assert_close(again, slow)
    assert torch.autograd.gradcheck(
        lambda *inputs: transform_and_add_nodes(*inputs, adjacency, k), leaves
    )


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_nothing_to_add_leaves_the_transformed_features(layout):
    adjacency = assign_cells(*random_views(), GRID, STRIDE, 3)
    features = torch.randn(3, 4, *GRID).to(memory_format=layout)
    weight = torch.randn(5, 4)
    torch.testing.assert_close(
        transform_and_add_nodes(features, weight, None, None, adjacency, 3),
        torch.einsum("vchw,dc->vdhw", features, weight),
    )


def test_gathering_does_not_depend_on_the_memory_layout():
    adjacency = assign_cells(*random_views(), GRID, STRIDE, 3)
    features = torch.randn(3, 4, *GRID, dtype=torch.float64)
    assert not features.is_contiguous(memory_format=torch.channels_last)
    last = features.to(memory_format=torch.channels_last)
    torch.testing.assert_close(
        pixels_to_nodes(last, adjacency), pixels_to_nodes(features, adjacency)
    )


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_adding_in_half_precision_keeps_its_type_and_takes_the_mean_exactly(layout):
    adjacency = assign_cells(*random_views(), GRID, STRIDE, 3)
    features = torch.zeros(3, 2, *GRID, dtype=torch.bfloat16).to(memory_format=layout)
    weight = torch.eye(2, dtype=torch.bfloat16)
    factor, values = torch.ones(3, 1, *GRID), torch.full((3, max(COUNTS), 2), 3.0)
    fused = transform_and_add_nodes(features, weight, factor, values, adjacency, 3)
    assert fused.dtype == torch.bfloat16
    inside = adjacency.sum(2).unflatten(1, GRID) > 0
    assert torch.equal(fused[:, 0], torch.where(inside, 3.0, 0.0).to(torch.bfloat16))


def test_the_mapping_object_by_hand():
    # Cell centers (x, y): (1, 1) (3, 1) / (1, 3) (3, 3); the nodes are 4 apart, the cells at the
    # left 1 and 3 from them.
    nodes = torch.tensor([[[0.0, 1.0], [4.0, 1.0]]])
    valid, size = torch.ones(1, 2, dtype=torch.bool), torch.tensor([[4, 4]])
    mapping = NodeMapping.build(nodes, valid, size, (2, 2), 2, 1, reach=0.5)
    assert len(mapping) == 1 and mapping.grid == (2, 2) and mapping.k == 1
    # Within 0.5 * 4 px of a node: the upper cells (1 px), not the lower ones (sqrt 5 px).
    assert mapping.attended.tolist() == [[[True, True], [False, False]]]
    features = torch.tensor([[[[10.0, 20.0], [30.0, 40.0]]]])
    assert mapping.to_nodes(features).tolist() == [[[20], [30]]]  # the means of the columns
    values = torch.tensor([[[1.0], [2.0]]])
    assert mapping.to_pixels(values).tolist() == [[[[1, 2], [1, 2]]]]
    # Half of 3 F, and psi(Z): 15 + 1, 30 + 2, 45 + 1, 60 + 2.
    factor, weight = torch.full((1, 1, 2, 2), 0.5), torch.tensor([[3.0]])
    fused = mapping.transform_and_add(features, weight, factor, values)
    assert fused.tolist() == [[[[16, 32], [46, 62]]]]


@pytest.mark.parametrize("reach", [0.0, 0.7])
@pytest.mark.parametrize("rows", [slice(2), [2, 0], [1, 1]])
def test_rows_of_a_mapping_are_the_mapping_of_these_views(rows, reach):
    nodes, valid, sizes = random_views()
    whole = NodeMapping.build(nodes, valid, sizes, GRID, STRIDE, 3, reach)
    assert torch.equal(whole.assignment, assign_cells(nodes, valid, sizes, GRID, STRIDE, 3))
    some = whole[rows]
    alone = NodeMapping.build(nodes[rows], valid[rows], sizes[rows], GRID, STRIDE, 3, reach)
    assert len(some) == 2 and (some.grid, some.k) == (GRID, 3)
    assert torch.equal(some.assignment, alone.assignment)
    if reach:
        reached = cells_within_reach(nodes[rows], valid[rows], GRID, STRIDE, reach)
        assert reached.any() and not reached.all()
        assert torch.equal(some.attended, reached)
    else:
        assert some.attended is None
