"""Options of the graph network: gradient into the context, reach of the attention, levels."""

import numpy as np
import pytest
import torch

from agn_d2.engine.setup import load_cfg
from agn_d2.modeling import AGNLayer
from agn_d2.modeling.backbone.agn_fpn import build_agn

from .test_agn import LAYOUT, LINKS, PRIOR, STRIDES, C, make_batch, make_features, make_network


def random_layer(**options):
    """A layer with random weights, the same ones whatever the options."""
    torch.manual_seed(4)
    options = {"fusion": "residual", "prior": PRIOR, "inception_neighbors": (1, 3)} | options
    layer = AGNLayer(C, **options)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    return layer


def gradients(layer):
    """Gradient at each view's features of level p2, and the fused maps."""
    batch, _ = make_batch()
    features = {level: f.requires_grad_() for level, f in make_features().items()}
    fused = make_network(layer)(features, batch)
    sum(f.square().sum() for f in fused.values()).backward()
    return features["p2"].grad, fused


def test_without_context_gradient_the_result_is_the_same_and_the_context_gets_none():
    torch.manual_seed(1)
    with_gradient, fused = gradients(random_layer())
    torch.manual_seed(1)
    without_gradient, same = gradients(random_layer(context_gradient=False))
    for level in STRIDES:
        torch.testing.assert_close(same[level], fused[level])
    # View 4 is context only; view 3 is examined and reads nothing.
    assert with_gradient[4].any() and not without_gradient[4].any()
    for view in (0, 1, 2, 5):
        assert without_gradient[view].any()
        assert not torch.allclose(without_gradient[view], with_gradient[view])
    torch.testing.assert_close(without_gradient[3], with_gradient[3])


def slow_reach(nodes, size, stride, reach):
    """Cells within ``reach`` times the widest gap of a node, one by one."""
    gaps = [min(np.hypot(*(a - b)) for b in nodes if b is not a) for a in nodes]
    height, width = size
    inside = np.zeros(size, bool)
    for row in range(height):
        for column in range(width):
            center = np.array([(column + 0.5) * stride, (row + 0.5) * stride])
            nearest = min(np.hypot(*(center - node)) for node in nodes)
            inside[row, column] = nearest <= reach * max(gaps)
    return inside


def test_attention_reaches_as_far_as_it_is_told():
    batch, plain = make_batch()
    features = make_features()
    reach = 0.6
    layer = random_layer(prior=None)
    torch.nn.init.eye_(layer.fusion.weight_examined)
    everywhere = make_network(layer)(features, batch)
    limited = make_network(layer, attention_reach=reach)
    fused = limited(features, batch)
    for level, stride in STRIDES.items():
        grid = features[level].shape[-2:]
        for row, (examined, _, contralateral) in enumerate(LINKS):
            nodes = list(plain[examined]["nodes"])
            inside = torch.from_numpy(slow_reach(nodes, grid, stride, reach))
            if level == "p2":
                assert inside.any() and not inside.all()
            expected = torch.where(inside, everywhere[level][row], features[level][examined])
            torch.testing.assert_close(fused[level][row], expected)
            attention = limited.inspect(features, batch, level).attention[row, 0]
            if contralateral >= 0:
                # 2 * 0.4 + 0.2 = 1: outside the attention changes nothing.
                outside = attention[~inside]
                torch.testing.assert_close(outside, torch.full_like(outside, 0.4))


def test_a_negative_reach_is_refused():
    with pytest.raises(ValueError, match="REACH must not be negative, got -1"):
        make_network(random_layer(), attention_reach=-1)


def built(*overrides):
    cfg = load_cfg(None, ["MODEL.AGN.LAYOUT", "(13, 17)", *overrides])
    return build_agn(cfg, C, {"p2": 4, "p3": 8, "p4": 16, "p5": 32})


def test_switches_of_the_config_reach_the_network():
    agn = built()
    assert agn.in_features == ("p2", "p3", "p4", "p5") and len(agn.layers) == 1
    layer = agn.layers[0]
    assert layer.context_gradient and agn.attention_reach == 0 and agn.view_drop == 0
    assert not layer.bipartite.normalize and not layer.inception.normalize
    assert layer.inception.own_weight is None
    changed = built(
        *("MODEL.AGN.IN_FEATURES", "['p3', 'p4']", "MODEL.AGN.SHARE_LEVELS", "False"),
        *("MODEL.AGN.CONTEXT_GRADIENT", "False", "MODEL.AGN.IGN.REACH", "1.0"),
        *("MODEL.AGN.BGN.NORMALIZE", "True", "MODEL.AGN.IGN.NORMALIZE", "True"),
        *("MODEL.AGN.VIEW_DROP", "0.2", "MODEL.AGN.IGN.OWN_WEIGHT", "True"),
    )
    assert changed.in_features == ("p3", "p4") and changed.strides == {"p3": 8, "p4": 16}
    assert len(changed.layers) == 2 and changed.layer("p3") is not changed.layer("p4")
    assert changed.attention_reach == 1.0 and changed.view_drop == 0.2
    for layer in changed.layers:
        assert not layer.context_gradient
        assert layer.bipartite.normalize and layer.inception.normalize
        assert layer.inception.own_weight is not None


def test_no_prior_file_means_every_pair_alike():
    prior = built().layers[0].bipartite.prior
    assert prior.shape == (13, 17) and (prior > 0).all()
    assert torch.allclose(prior, prior[0, 0])
    assert LAYOUT["CC"] != 13  # not the one that the other tests share
