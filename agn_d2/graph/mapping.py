"""Node mapping between a feature grid and the pseudo-landmarks: phi_k and psi_k of [P], [S].

Shape legend
    V: views      C: channels      H, W: cells of the feature grid      P = H * W
    N: nodes (padded)      k: neighbors of a cell
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, eq=False)
class NodeMapping:
    """phi_k and psi_k between the cells of one level and the nodes of their views.

    Like the structures of Detectron2 it has a length, V, and ``mapping[rows]`` are some views.

    Attributes:
        assignment: (V, P, N) float32, A, see ``assign_cells``.
        grid: (H, W) with P = H * W.
        k: neighbors of a cell in ``assignment``.
        attended: (V, H, W) bool, cells that IGN's attention works on; None: all.
    """

    assignment: Tensor
    grid: tuple[int, int]
    k: int
    attended: Tensor | None = None

    @classmethod
    def build(
        cls,
        nodes: Tensor,
        node_valid: Tensor,
        view_sizes: Tensor,
        grid: tuple[int, int],
        stride: int,
        k: int,
        reach: float = 0.0,
    ) -> NodeMapping:
        """The mapping of V views.

        Args:
            nodes, node_valid, view_sizes, grid, stride, k: see ``assign_cells``.
            reach: how far from the nodes the attention works, see ``cells_within_reach``; 0:
                everywhere.

        Raises:
            ValueError: k is below 1 or above N.
        """
        assignment = assign_cells(nodes, node_valid, view_sizes, grid, stride, k)
        attended = cells_within_reach(nodes, node_valid, grid, stride, reach) if reach else None
        return cls(assignment, grid, k, attended)

    def __len__(self) -> int:
        return len(self.assignment)

    def __getitem__(self, rows: slice | list[int]) -> NodeMapping:
        attended = None if self.attended is None else self.attended[rows]
        return NodeMapping(self.assignment[rows], self.grid, self.k, attended)

    def to_nodes(self, features: Tensor) -> Tensor:
        """X = phi_k(F): (V, C, H, W) to (V, N, C), see ``pixels_to_nodes``."""
        return pixels_to_nodes(features, self.assignment)

    def to_pixels(self, values: Tensor) -> Tensor:
        """F = psi_k(Z): (V, N, C) to (V, C, H, W), see ``nodes_to_pixels``."""
        return nodes_to_pixels(values, self.assignment, self.grid, self.k)

    def transform_and_add(
        self, features: Tensor, weight: Tensor, factor: Tensor | None, values: Tensor | None
    ) -> Tensor:
        """factor o (F W^T) + psi_k(Z), (V, D, H, W), see ``transform_and_add_nodes``."""
        return transform_and_add_nodes(features, weight, factor, values, self.assignment, self.k)


@torch.no_grad()
def assign_cells(
    nodes: Tensor,
    node_valid: Tensor,
    view_sizes: Tensor,
    grid: tuple[int, int],
    stride: int,
    k: int,
) -> Tensor:
    """The adjacency A of grid cells and nodes: A_ij = 1 if node j is among the k nearest of cell i.

    A cell stands where its center lies in the input image. Cells in the padding (center outside
    the view's own height and width) belong to no node, so that padding never changes a result.

    Args:
        nodes: (V, N, 2) float, (x, y) in input pixels.
        node_valid: (V, N) bool, False for padded nodes.
        view_sizes: (V, 2) int, height and width of each view before padding.
        grid: (H, W) of the feature map.
        stride: input pixels per cell.
        k: neighbors of each cell; every view must have at least k valid nodes.

    Returns:
        (V, P, N) float32 of zeros and ones.

    Raises:
        ValueError: k is below 1 or above N.
    """
    if not 1 <= k <= nodes.shape[1]:
        raise ValueError(f"k = {k} neighbors, but there are {nodes.shape[1]} nodes")
    height, width = grid
    ys = (torch.arange(height, device=nodes.device, dtype=torch.float32) + 0.5) * stride
    xs = (torch.arange(width, device=nodes.device, dtype=torch.float32) + 0.5) * stride
    nodes = nodes.float()
    # Squared distances split into x and y: (V, H, 1, N) + (V, 1, W, N), no (P, N, 2) tensor.
    dx2 = (xs[None, :, None] - nodes[:, None, :, 0]).square()
    dy2 = (ys[None, :, None] - nodes[:, None, :, 1]).square()
    dx2 = dx2.masked_fill(~node_valid[:, None, :], float("inf"))
    distance = (dy2[:, :, None, :] + dx2[:, None, :, :]).flatten(1, 2)
    nearest = distance.topk(k, dim=2, largest=False).indices
    inside = (ys[None, :, None] < view_sizes[:, :1, None]) & (
        xs[None, None, :] < view_sizes[:, 1:, None]
    )
    share = inside.flatten(1)[:, :, None].to(torch.float32).expand(-1, -1, k)
    return torch.zeros_like(distance).scatter_(2, nearest, share)


@torch.no_grad()
def cells_within_reach(
    nodes: Tensor, node_valid: Tensor, grid: tuple[int, int], stride: int, reach: float
) -> Tensor:
    """Cells that lie near the nodes of their view, hence in the breast.

    A view's widest gap is the largest distance from a node to the node nearest to it.

    Args:
        nodes, node_valid, grid, stride: see ``assign_cells``.
        reach: largest distance of a cell's center to the nearest node, in widest gaps.

    Returns:
        (V, H, W) bool.
    """
    height, width = grid
    nodes = nodes.float()
    absent = ~node_valid
    between = torch.cdist(nodes, nodes)
    between.diagonal(dim1=1, dim2=2).fill_(float("inf"))
    between = between.masked_fill(absent[:, None, :], float("inf"))
    widest = between.amin(dim=2).masked_fill(absent, 0).amax(dim=1)
    ys = (torch.arange(height, device=nodes.device, dtype=torch.float32) + 0.5) * stride
    xs = (torch.arange(width, device=nodes.device, dtype=torch.float32) + 0.5) * stride
    centers = torch.stack(torch.meshgrid(xs, ys, indexing="xy"), dim=-1).flatten(0, 1)
    distance = torch.cdist(centers.expand(len(nodes), -1, -1), nodes)
    nearest = distance.masked_fill(absent[:, None, :], float("inf")).amin(dim=2)
    return (nearest <= reach * widest[:, None]).unflatten(1, grid)


def pixels_to_nodes(features: Tensor, assignment: Tensor) -> Tensor:
    """phi_k: X = (Q^f)^T F with Q^f = A (Lambda^f)^-1, Lambda^f_jj = sum_i A_ij.

    Each node receives the mean of the cells that belong to it; a node without cells receives 0.

    Args:
        features: (V, C, H, W).
        assignment: (V, P, N), from ``assign_cells``.

    Returns:
        (V, N, C), float32 at least. Of half-precision features the sums are taken in their type:
        weights are powers of two not above 1 / Lambda^f_jj, so they are exact and no sum exceeds
        the largest feature; the rest of the mean is taken in float32.
    """
    cells = assignment.sum(dim=1).clamp(min=1)
    # cells = mantissa * 2^exponent with 0.5 <= mantissa < 1; mantissa / cells = 2^-exponent.
    mantissa, _ = torch.frexp(cells)
    weights = (assignment * (mantissa / cells)[:, None]).to(features.dtype)
    if _channels_last(features):
        sums = torch.matmul(weights.transpose(1, 2), _rows(features))
    else:
        sums = torch.matmul(features.flatten(2), weights).transpose(1, 2)
    return sums.to(torch.promote_types(sums.dtype, torch.float32)) / mantissa[:, :, None]


def nodes_to_pixels(values: Tensor, assignment: Tensor, grid: tuple[int, int], k: int) -> Tensor:
    """psi_k: F = Q^r Z with Q^r = (Lambda^r)^-1 A, Lambda^r_ii = sum_j A_ij = k.

    Each cell receives the mean of its k nodes; a cell in the padding receives 0.

    Args:
        values: (V, N, C).
        assignment: (V, P, N), from ``assign_cells`` with the same k.
        grid: (H, W) with P = H * W.

    Returns:
        (V, C, H, W) in the dtype of ``values``.
    """
    weights = assignment.to(values.dtype) / k
    return torch.matmul(values.transpose(1, 2), weights.transpose(1, 2)).unflatten(2, grid)


def transform_and_add_nodes(
    features: Tensor,
    weight: Tensor,
    factor: Tensor | None,
    values: Tensor | None,
    assignment: Tensor,
    k: int,
) -> Tensor:
    """factor o (F W^T) + psi_k(Z), in the memory of F W^T where no gradient is taken.

    Args:
        features: (V, C, H, W).
        weight: (D, C), what a 1 x 1 convolution does to the channels of a cell.
        factor: (V, 1, H, W), or None: 1.
        values: (V, N, D), or None: nothing to add.
        assignment: (V, P, N), from ``assign_cells`` with the same k.

    Returns:
        (V, D, H, W) in the memory layout of ``features``; under autocast in its type.
    """
    # On CPU threads a convolution (oneDNN) is faster than a matrix product in float32 (MKL).
    transformed = F.conv2d(features, weight[:, :, None, None])
    in_place = not torch.is_grad_enabled()
    if factor is not None:
        factor = factor.to(transformed.dtype)
        transformed = transformed.mul_(factor) if in_place else transformed * factor
    if values is None:
        return transformed
    # Zeros and ones are exact in every type; the mean over k is taken on the few nodes.
    values = (values / k).to(transformed.dtype)
    assignment = assignment.to(transformed.dtype)
    add = torch.Tensor.baddbmm_ if in_place else torch.baddbmm
    if _channels_last(transformed):
        added = add(_rows(transformed), assignment, values).transpose(1, 2)
    else:
        added = add(transformed.flatten(2), values.transpose(1, 2), assignment.transpose(1, 2))
    return added.unflatten(2, features.shape[-2:])


def _channels_last(features: Tensor) -> bool:
    """Whether the channels of a cell lie next to each other; products then keep it so."""
    return features.is_contiguous(memory_format=torch.channels_last)


def _rows(features: Tensor) -> Tensor:
    """(V, P, C) of a channels-last tensor, a view of it."""
    return features.flatten(2).transpose(1, 2)
