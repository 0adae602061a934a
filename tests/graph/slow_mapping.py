"""Node mapping written loop by loop from its definition, one view at a time, in float64.

A_ij = 1 if node j is among the k nearest of cell i; Q^f = A (Lambda^f)^-1; Q^r = (Lambda^r)^-1 A.
"""

import numpy as np


def assign(nodes, size, grid, stride, k):
    """A of one view, (H * W, N): ``nodes`` (N, 2) without padding, ``size`` (height, width)."""
    height, width = grid
    adjacency = np.zeros((height * width, len(nodes)))
    for row in range(height):
        for column in range(width):
            x, y = (column + 0.5) * stride, (row + 0.5) * stride
            if x >= size[1] or y >= size[0]:
                continue  # a cell of the padding belongs to nobody
            distances = [np.hypot(x - node[0], y - node[1]) for node in nodes]
            for j in sorted(range(len(nodes)), key=distances.__getitem__)[:k]:
                adjacency[row * width + column, j] = 1
    return adjacency


def phi(features, adjacency):
    """(C, H, W) -> (N, C): the mean of the cells of each node, 0 for a node without cells."""
    channels, height, width = features.shape
    values = np.zeros((adjacency.shape[1], channels))
    for j in range(adjacency.shape[1]):
        cells = [i for i in range(height * width) if adjacency[i, j]]
        for i in cells:
            values[j] += features[:, i // width, i % width] / len(cells)
    return values


def psi(values, adjacency, grid):
    """(N, C) -> (C, H, W): the mean of the nodes of each cell, 0 for a cell of the padding."""
    height, width = grid
    features = np.zeros((values.shape[1], height, width))
    for i in range(height * width):
        nodes = [j for j in range(adjacency.shape[1]) if adjacency[i, j]]
        for j in nodes:
            features[:, i // width, i % width] += values[j] / len(nodes)
    return features
