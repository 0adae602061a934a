"""What the graph must not do to be cheap: work image by image, or in float64."""

import copy

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from .tiny_model import make_case, make_model, randomize_graph


class Operations(TorchDispatchMode):
    """Every operation that runs: its name, and type and size of what it makes."""

    def __init__(self):
        super().__init__()
        self.names, self.made = [], []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        self.names.append(str(func))
        self.made += [t for t in (out if isinstance(out, tuple | list) else [out]) if is_tensor(t)]
        return out


def is_tensor(value):
    return isinstance(value, torch.Tensor)


def operations_of_the_graph(model, cases):
    inputs = [item for seed in range(cases) for item in make_case(seed)]
    batch = model.preprocess_image(inputs).tensor
    features = super(type(model.backbone), model.backbone).forward(batch.views)
    with Operations() as operations:
        model.backbone.agn(features, batch)
    return operations, features


@pytest.fixture(scope="module")
def model():
    return make_model().eval()


def test_the_graph_has_no_loop_over_images(model):
    """So on CUDA it launches the same kernels for one case as for three."""
    one, _ = operations_of_the_graph(model, 1)
    three, _ = operations_of_the_graph(model, 3)
    assert len(one.names) > 50
    assert one.names == three.names
    # These wait for CUDA.
    assert not [n for n in one.names if "_local_scalar_dense" in n or "nonzero" in n]


def test_nothing_is_float64_or_larger_than_features_and_distances(model):
    operations, features = operations_of_the_graph(model, 1)
    views, channels, height, width = features["p2"].shape
    nodes = 17
    assert {t.dtype for t in operations.made if t.is_floating_point()} == {torch.float32}
    assert max(t.numel() for t in operations.made) == views * height * width * max(channels, nodes)


def test_torch_compile_takes_the_graph_in_one_piece(model):
    batch = model.preprocess_image(make_case()).tensor
    features = super(type(model.backbone), model.backbone).forward(batch.views)
    agn = randomize_graph(copy.deepcopy(model)).backbone.agn
    compiled = torch.compile(agn, backend="eager", fullgraph=True)
    for level, feature in compiled(features, batch).items():
        torch.testing.assert_close(feature, agn(features, batch)[level])
