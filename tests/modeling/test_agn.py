"""AGNLayer and AnatomyGraphNetwork on batches of mixed and missing views."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from agn_d2.modeling import AGNLayer, AnatomyGraphNetwork
from agn_d2.modeling.fusion import FUSIONS
from agn_d2.structures import MultiViewBatch

from . import slow_graph

C, LAYOUT, STRIDES, K = 3, {"CC": 5, "MLO": 7}, {"p2": 4, "p3": 8}, 2
INPUT = (32, 40)
PRIOR = torch.randint(0, 9, tuple(LAYOUT.values()), generator=torch.Generator().manual_seed(1)) / 8
# Projection and size (height, width) of each view; the sizes leave padding at both levels.
VIEWS = [
    ("CC", (32, 40)),
    ("MLO", (30, 33)),
    ("MLO", (32, 22)),
    ("CC", (19, 40)),
    ("CC", (25, 31)),
    ("MLO", (32, 40)),
]
# Examined view, auxiliary, contralateral: all, no contralateral, no auxiliary, neither.
LINKS = [(0, 1, 4), (1, 0, -1), (2, -1, 5), (3, -1, -1), (5, 4, 2)]


def make_batch(views=VIEWS, links=LINKS):
    """A ``MultiViewBatch`` (without images) and the views as the slow reference reads them."""
    count = max(LAYOUT.values())
    nodes = torch.zeros(len(views), count, 2)
    valid = torch.zeros(len(views), count, dtype=torch.bool)
    plain = []
    for row, (projection, (height, width)) in enumerate(views):
        points = torch.rand(LAYOUT[projection], 2) * torch.tensor([width, height])
        nodes[row, : len(points)] = points
        valid[row, : len(points)] = True
        plain.append({"nodes": points.numpy(), "size": (height, width), "projection": projection})
    examined, auxiliary, contralateral = zip(*links, strict=True)
    batch = MultiViewBatch(
        views=torch.zeros(len(views), 1, *INPUT),
        view_sizes=torch.tensor([size for _, size in views]),
        is_mlo=torch.tensor([projection == "MLO" for projection, _ in views]),
        nodes=nodes,
        node_valid=valid,
        examined=examined,
        auxiliary=torch.tensor(auxiliary),
        contralateral=torch.tensor(contralateral),
    )
    return batch, plain


def make_features(images=VIEWS):
    return {
        level: torch.randn(len(images), C, INPUT[0] // stride, INPUT[1] // stride)
        for level, stride in STRIDES.items()
    }


def make_layer(fusion="residual", *, bgn=True, ign=True):
    layer = AGNLayer(
        C, fusion=fusion, prior=PRIOR if bgn else None, inception_neighbors=(1, 3) if ign else ()
    )
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    return layer


def make_network(*layers, **options):
    layers = layers or [make_layer()]
    levels = list(STRIDES)
    if len(layers) == 1:
        layers = layers * len(levels)
    options = {"layout": (LAYOUT["CC"], LAYOUT["MLO"]), "num_neighbors": K} | options
    return AnatomyGraphNetwork(layers, levels, list(STRIDES.values()), **options)


@pytest.mark.parametrize("parts", [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("fusion", FUSIONS)
def test_network_equals_the_equations(fusion, parts):
    layers = [make_layer(fusion, bgn=parts[0], ign=parts[1]) for _ in STRIDES]
    batch, plain = make_batch()
    features = make_features()
    fused = make_network(*layers)(features, batch)
    assert list(fused) == list(STRIDES)
    for layer, (level, stride) in zip(layers, STRIDES.items(), strict=True):
        symbols = slow_graph.parameters(layer)
        whole = features[level].double().numpy()
        for row, links in enumerate(LINKS):
            expected = slow_graph.agn(whole, plain, *links, stride, K, symbols)
            np.testing.assert_allclose(
                fused[level][row].detach(), expected, rtol=1e-4, atol=1e-4, err_msg=f"{level} {row}"
            )


def test_levels_without_agn_are_handed_through_for_the_examined_views():
    batch, _ = make_batch()
    features = make_features() | {"p6": torch.randn(len(VIEWS), C, 1, 1)}
    fused = make_network()(features, batch)
    torch.testing.assert_close(fused["p6"], features["p6"][[0, 1, 2, 3, 5]])


def test_levels_may_share_one_layer():
    shared, own = make_network(), make_network(make_layer(), make_layer())
    assert shared.layer("p2") is shared.layer("p3") and own.layer("p2") is not own.layer("p3")
    count = sum(p.numel() for p in make_layer().parameters())
    assert sum(p.numel() for p in shared.parameters()) == count
    assert sum(p.numel() for p in own.parameters()) == 2 * count


def test_a_batch_equals_each_examined_image_alone():
    network = make_network().eval()
    batch, _ = make_batch()
    features = make_features()
    together = network(features, batch)
    for row, links in enumerate(LINKS):
        own = [view for view in links if view >= 0]
        single = MultiViewBatch(
            views=batch.views[own],
            view_sizes=batch.view_sizes[own],
            is_mlo=batch.is_mlo[own],
            nodes=batch.nodes[own],
            node_valid=batch.node_valid[own],
            examined=(0,),
            auxiliary=torch.tensor([own.index(links[1]) if links[1] >= 0 else -1]),
            contralateral=torch.tensor([own.index(links[2]) if links[2] >= 0 else -1]),
        )
        if set(own) == {3}:  # CC nodes only: no padding of nodes is needed
            single.nodes, single.node_valid = single.nodes[:, :5], single.node_valid[:, :5]
        alone = network({level: f[own] for level, f in features.items()}, single)
        for level in STRIDES:
            torch.testing.assert_close(alone[level][0], together[level][row])


def test_permuting_views_and_images_permutes_outputs():
    network = make_network().eval()
    batch, _ = make_batch()
    features = make_features()
    together = network(features, batch)
    views, images = torch.tensor([4, 2, 5, 0, 1, 3]), [3, 1, 4, 0, 2]
    new_place = {int(old): new for new, old in enumerate(views)} | {-1: -1}
    examined, auxiliary, contralateral = (
        [new_place[LINKS[image][role]] for image in images] for role in range(3)
    )
    moved = dataclasses.replace(
        batch,
        view_sizes=batch.view_sizes[views],
        is_mlo=batch.is_mlo[views],
        nodes=batch.nodes[views],
        node_valid=batch.node_valid[views],
        examined=tuple(examined),
        auxiliary=torch.tensor(auxiliary),
        contralateral=torch.tensor(contralateral),
    )
    permuted = network({level: f[views] for level, f in features.items()}, moved)
    for level in STRIDES:
        torch.testing.assert_close(permuted[level], together[level][images])


def test_padding_changes_nothing_inside():
    # Features of the padding spoiled, the grid made larger, more padded nodes.
    network = make_network().eval()
    batch, _ = make_batch()
    features = make_features()
    padded = {
        level: torch.nn.functional.pad(f, (0, 2, 0, 3), value=1e4) for level, f in features.items()
    }
    inside = {}
    for level, stride in STRIDES.items():
        inside[level] = torch.zeros(len(VIEWS), *features[level].shape[-2:], dtype=torch.bool)
        for row, (_, (height, width)) in enumerate(VIEWS):
            # Cell i is inside if (i + 1/2) stride < length.
            rows, columns = (math.ceil(length / stride - 0.5) for length in (height, width))
            inside[level][row, :rows, :columns] = True
            padded[level][row, :, rows:] = 1e4
            padded[level][row, :, :, columns:] = 1e4
    more_nodes = dataclasses.replace(
        batch,
        nodes=torch.nn.functional.pad(batch.nodes, (0, 0, 0, 4)),
        node_valid=torch.nn.functional.pad(batch.node_valid, (0, 4)),
    )
    before, after = network(features, batch), network(padded, more_nodes)
    for level in STRIDES:
        height, width = features[level].shape[-2:]
        mask = batch.take_examined(inside[level])[:, None].expand_as(before[level])
        assert mask.any() and not mask.all()
        torch.testing.assert_close(after[level][..., :height, :width][mask], before[level][mask])


def test_view_drop_hides_views_in_training_only():
    batch, _ = make_batch()
    features = make_features()
    layer = make_layer()
    always, never = make_network(layer, view_drop=1.0), make_network(layer)
    alone = dataclasses.replace(
        batch,
        auxiliary=torch.full_like(batch.auxiliary, -1),
        contralateral=torch.full_like(batch.contralateral, -1),
    )
    torch.testing.assert_close(always(features, batch), never(features, alone))
    torch.testing.assert_close(always.eval()(features, batch), never(features, batch))


def test_view_drop_draws_each_view_with_its_probability():
    batch, _ = make_batch(links=[(0, 1, 4)] * 2000)
    links = make_network(view_drop=0.3).links(batch)
    kept = (links >= 0).float()
    np.testing.assert_allclose(kept.mean(1), 0.7, atol=0.05)
    # The two views are dropped independently of each other: both stay in 0.49 of the images.
    assert kept.prod(0).mean().item() == pytest.approx(0.49, abs=0.05)


LINKS_WITHOUT = {
    "all": LINKS,
    "no auxiliary": [(e, -1, c) for e, _, c in LINKS],
    "no contralateral": [(e, a, -1) for e, a, _ in LINKS],
    "neither": [(e, -1, -1) for e, _, _ in LINKS],
}


@pytest.mark.parametrize("links", LINKS_WITHOUT)
@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_parameter_has_a_gradient_whatever_is_missing(fusion, links):
    # Distributed training waits for the gradient of every parameter.
    network = make_network(make_layer(fusion))
    batch, _ = make_batch(links=LINKS_WITHOUT[links])
    features = {level: f.requires_grad_() for level, f in make_features().items()}
    sum(f.square().sum() for f in network(features, batch).values()).backward()
    grads = {name: p.grad for name, p in network.named_parameters()}
    assert all(grad is not None and grad.isfinite().all() for grad in grads.values())
    fed = {name for name, grad in grads.items() if grad.any()}
    starved = set(grads) - fed
    bgn = {name for name in grads if "bipartite" in name or "weight_auxiliary" in name}
    of_ign = ("inception", "attention", "weight_contralateral")
    ign = {name for name in grads if any(part in name for part in of_ign)}
    concat = fusion == "concat"
    assert len(bgn) == 3 and len(ign) == 3 + concat and len(grads) == 7 + concat
    expected = {"all": set(), "no auxiliary": bgn, "no contralateral": ign, "neither": bgn | ign}
    assert starved == expected[links]
    # View 4 is nobody's examined view: only the graph reads it.
    assert bool(features["p2"].grad[4].any()) == (links != "neither")


@pytest.mark.parametrize("fusion", FUSIONS)
def test_the_identity_start_is_left_within_two_steps(fusion):
    layer = AGNLayer(C, fusion=fusion, prior=PRIOR, inception_neighbors=(1, 3))
    network = make_network(layer)
    batch, _ = make_batch()
    features, target = make_features(), make_features(LINKS)

    def grads():
        network.zero_grad()
        fused = network(features, batch)
        sum((fused[level] - target[level]).square().mean() for level in STRIDES).backward()
        return {name.removeprefix("layers.0."): p.grad for name, p in network.named_parameters()}

    first = {name for name, grad in grads().items() if grad.any()}
    expected = {"weight_examined", "weight_auxiliary", "attention.weight", "attention.bias"}
    if fusion == "concat":
        expected.add("weight_contralateral")
    assert first == {f"fusion.{name}" for name in expected}
    with torch.no_grad():
        for parameter in network.parameters():
            parameter -= 0.1 * parameter.grad
    assert all(grad.any() for grad in grads().values())


@pytest.mark.parametrize("fusion", FUSIONS)
def test_starts_as_the_identity(fusion):
    layer = AGNLayer(C, fusion=fusion, prior=PRIOR, inception_neighbors=(1, 3))
    batch, _ = make_batch()
    features = make_features()
    fused = make_network(layer)(features, batch)
    for level in STRIDES:
        torch.testing.assert_close(fused[level], batch.take_examined(features[level]))


def test_attention_to_look_at_is_the_one_that_is_applied():
    layer = make_layer("residual", bgn=False)
    torch.nn.init.eye_(layer.fusion.weight_examined)
    network = make_network(layer).eval()
    batch, _ = make_batch()
    features = make_features()
    fused = network(features, batch)
    for level in STRIDES:
        attention = network.inspect(features, batch, level).attention
        factor = (fused[level] / batch.take_examined(features[level])).mean(1, keepdim=True)
        for row, (_, _, contralateral) in enumerate(LINKS):
            if contralateral < 0:
                assert attention[row].isnan().all()
            else:
                torch.testing.assert_close(
                    2 * attention[row] + 0.2, factor[row], rtol=1e-3, atol=1e-4
                )
    without_ign = make_network(make_layer(ign=False))
    assert without_ign.inspect(features, batch, "p2").attention is None


def test_a_layer_hands_back_what_it_made_on_the_way():
    """Also in training, where views are hidden: one draw for all that is handed back."""
    network = make_network(view_drop=0.5)
    batch, _ = make_batch(links=[(0, 1, 4)] * 50)
    features = make_features()
    links, feature = network.links(batch), features["p2"]
    mapping = network.mapping("p2", feature.shape[-2:], batch)
    layer = network.layer("p2")
    fused, seen = layer(feature, mapping, batch, links, return_intermediates=True)
    assert torch.equal(fused, layer(feature, mapping, batch, links))
    assert fused is seen.enhanced
    assert torch.equal(seen.original, feature[[0] * 50])
    has_auxiliary, has_contralateral = links >= 0
    assert has_auxiliary.any() and not has_auxiliary.all()
    for name in ("z_bipartite", "bipartite", "correspondence"):
        value = getattr(seen, name).flatten(1)
        assert torch.equal(~value.isnan().any(1), has_auxiliary), name
    for name in ("z_inception", "inception", "attention"):
        value = getattr(seen, name).flatten(1)
        assert torch.equal(~value.isnan().any(1), has_contralateral), name
    torch.manual_seed(3)
    drawn = network.links(batch)
    torch.manual_seed(3)
    inside = network.inspect(features, batch, "p2")
    torch.testing.assert_close(inside.enhanced, layer(feature, mapping, batch, drawn))
    assert torch.equal(~inside.correspondence.flatten(1).isnan().any(1), drawn[0] >= 0)


def test_mixed_precision_keeps_close_to_float32():
    layer = make_layer()
    for parameter in layer.parameters():
        parameter.data *= 0.5
    network = make_network(layer).eval()
    batch, _ = make_batch()
    features = make_features()
    exact = network(features, batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = network({level: f.bfloat16() for level, f in features.items()}, batch)
    for level in STRIDES:
        assert mixed[level].dtype == torch.bfloat16
        error = (mixed[level].float() - exact[level]).norm() / exact[level].norm()
        assert error < 0.02


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="AGN needs BGN or IGN"):
        make_layer(bgn=False, ign=False)
    with pytest.raises(ValueError, match="VIEW_DROP must be a probability, got 1.5"):
        make_network(view_drop=1.5)


@pytest.mark.parametrize("examined", [(0, 1, 2), (0, 1), (2, 0), (1, 1)])
def test_take_examined(examined):
    batch = dataclasses.replace(make_batch()[0], examined=examined)
    rows = batch.take_examined(torch.arange(3) * 10)
    assert rows.tolist() == [10 * view for view in examined]
