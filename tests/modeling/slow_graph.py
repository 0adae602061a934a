"""BGN, IGN and the fusion written from their equations with whole block matrices, in float64.

One examined image at a time; arrays are NumPy. Nothing here is shared with the library.
"""

import numpy as np

from ..graph.slow_mapping import assign, phi, psi


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def row_mean(adjacency):
    sums = adjacency.sum(1, keepdims=True)
    return np.divide(adjacency, sums, out=np.zeros_like(adjacency), where=sums > 0)


def bipartite(x_cc, x_mlo, prior, w_s, weight, normalize=False):
    """Z^B = relu(H^B X^B W^B), (N_cc + N_mlo, C), with H^B = [[0, H], [H^T, 0]], H = H^g o H^s."""
    n_cc, n_mlo = prior.shape
    h = np.zeros((n_cc, n_mlo))
    for i in range(n_cc):
        for j in range(n_mlo):
            pair = np.concatenate([x_cc[i], x_mlo[j]])
            h[i, j] = prior[i, j] * sigmoid(sum(pair[c] * w_s[c] for c in range(len(pair))))
    block = np.zeros((n_cc + n_mlo, n_cc + n_mlo))
    block[:n_cc, n_cc:] = h
    block[n_cc:, :n_cc] = h.T
    if normalize:
        block = row_mean(block)
    return np.maximum(block @ np.concatenate([x_cc, x_mlo]) @ weight, 0)


def correspondence(nodes, s):
    """J_s: the s contralateral nodes nearest to the counterpart (node m itself) of each node m."""
    count = len(nodes)
    j_s = np.zeros((count, count))
    for m in range(count):
        distances = [np.hypot(*(nodes[n] - nodes[m])) for n in range(count)]
        for n in sorted(range(count), key=distances.__getitem__)[:s]:
            j_s[m, n] = 1
    return j_s


def inception(x_e, x_c, nodes_c, neighbors, weights, normalize=False, own=None):
    """Z^I = relu(sum_i [[I, J_si], [J_si^T, I]] X^I W_i), (2N, C).

    With ``own`` (W_0) the adjacencies lack I, and X^I W_0 is added.
    """
    count = len(x_e)
    total = np.zeros((2 * count, weights.shape[-1]))
    for s, weight in zip(neighbors, weights, strict=True):
        block = np.eye(2 * count) if own is None else np.zeros((2 * count, 2 * count))
        block[:count, count:] = correspondence(nodes_c, s)
        block[count:, :count] = block[:count, count:].T
        if normalize:
            block = row_mean(block)
        total += block @ np.concatenate([x_e, x_c]) @ weight
    if own is not None:
        total += np.concatenate([x_e, x_c]) @ own
    return np.maximum(total, 0)


def fuse(f_e, f_b, f_i, kind, w_f, w_i, bias):
    """Y = [factor o F_e, F_B] W_f^T pixel by pixel; f_b, f_i (C, H, W) or None.

    The attention is sigmoid(F_I w_I + bias); its factor is 2 F^ + 0.2 (residual) or 2 F^ (paper:
    the 2 is a part of W_f there); without F_I it is 1, without F_B zeros stand in its place.
    "concat": residual's factor and [factor o F_e, F_B, F_I], zeros for a missing F_I.
    """
    channels, height, width = f_e.shape
    fused = np.zeros((len(w_f), height, width))
    for y in range(height):
        for x in range(width):
            factor = 1.0
            if f_i is not None:
                attention = sigmoid(f_i[:, y, x] @ w_i + bias)
                factor = 2 * attention + (0 if kind == "paper" else 0.2)
            read = [factor * f_e[:, y, x]]
            for brought in (f_b, f_i) if kind == "concat" else (f_b,):
                read.append(np.zeros(channels) if brought is None else brought[:, y, x])
            fused[:, y, x] = w_f @ np.concatenate(read)
    return fused


def parameters(layer):
    """Parameters of an ``AGNLayer`` as the symbols of the equations, float64."""

    def array(tensor):
        return tensor.detach().double().numpy()

    bgn, ign, fusion = layer.bipartite, layer.inception, layer.fusion
    w_f = [array(fusion.weight_examined)]
    if bgn is not None:
        w_f.append(array(fusion.weight_auxiliary))
    else:
        w_f.append(np.zeros_like(w_f[0]))
    if fusion.kind == "concat":
        no_ign = fusion.weight_contralateral is None
        w_f.append(np.zeros_like(w_f[0]) if no_ign else array(fusion.weight_contralateral))
    return {
        "prior": bgn and array(bgn.prior),
        "w_s": bgn and np.concatenate([array(bgn.affinity[0]), array(bgn.affinity[1])]),
        "w_b": bgn and array(bgn.weight),
        "neighbors": ign and ign.neighbors,
        "w_i": ign and array(ign.weight),
        "w_f": np.concatenate(w_f, axis=1),
        "w_attention": ign and array(fusion.attention.weight[0]),
        "bias": ign and fusion.attention.bias.item(),
        "kind": fusion.kind,
    }


def agn(features, views, examined, auxiliary, contralateral, stride, k, p):
    """The fused map of one examined image, (C, H, W).

    Args:
        features: (V, C, H, W).
        views: for each view its nodes (N, 2) without padding, its size and its projection.
        examined, auxiliary, contralateral: positions; -1 where there is none.
        p: ``parameters``.
    """
    grid = features.shape[-2:]

    def nodes_of(view):
        adjacency = assign(views[view]["nodes"], views[view]["size"], grid, stride, k)
        return adjacency, phi(features[view], adjacency)

    adjacency, x_e = nodes_of(examined)
    f_b = f_i = None
    if p["prior"] is not None and auxiliary >= 0:
        x_a = nodes_of(auxiliary)[1]
        if views[examined]["projection"] == "CC":
            z = bipartite(x_e, x_a, p["prior"], p["w_s"], p["w_b"])[: len(x_e)]
        else:
            z = bipartite(x_a, x_e, p["prior"], p["w_s"], p["w_b"])[len(x_a) :]
        f_b = psi(z, adjacency, grid)
    if p["neighbors"] is not None and contralateral >= 0:
        x_c = nodes_of(contralateral)[1]
        nodes_c = views[contralateral]["nodes"]
        z = inception(x_e, x_c, nodes_c, p["neighbors"], p["w_i"])[: len(x_e)]
        f_i = psi(z, adjacency, grid)
    return fuse(features[examined], f_b, f_i, p["kind"], p["w_f"], p["w_attention"], p["bias"])
