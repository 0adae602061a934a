"""The same figures on every device; half precision stays finite."""

import contextlib
import copy
import dataclasses

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from .tiny_model import (
    assert_same_detections,
    detect,
    losses,
    make_case,
    make_model,
    randomize_graph,
)

CUDA = pytest.param(
    "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
)
CONCAT = ("MODEL.AGN.FUSION", "concat", "MODEL.AGN.IGN.OWN_WEIGHT", "True")
OPTIONS = [
    (),
    ("MODEL.AGN.FUSION", "paper"),
    CONCAT,
    ("MODEL.AGN.IGN.REACH", "1.0"),
    ("MODEL.AGN.VIEW_DROP", "0.5"),
    ("MODEL.AGN.BGN.NORMALIZE", "True", "MODEL.AGN.IGN.NORMALIZE", "True"),
]


def pretended(tensor):
    """A tensor without values that says it is on CUDA."""
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="cuda")


def pretend_cuda(module):
    for part in module.modules():
        for name, parameter in part._parameters.items():
            if parameter is not None:
                part._parameters[name] = torch.nn.Parameter(pretended(parameter))
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = pretended(buffer)
    return module


@contextlib.contextmanager
def autocast_cuda(dtype):
    """``torch.autocast("cuda")``, which switches itself off where there is no device."""
    before = torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda")
    torch.set_autocast_enabled("cuda", dtype is not None)
    torch.set_autocast_dtype("cuda", dtype or before[1])
    try:
        yield
    finally:
        torch.set_autocast_enabled("cuda", before[0])
        torch.set_autocast_dtype("cuda", before[1])
        torch.clear_autocast_cache()


def forward_on_pretended_cuda(
    overrides, break_it=lambda agn: None, amp=None, layout=torch.contiguous_format
):
    """The pyramid that a backbone in training makes of a case on a CUDA device that is not there.

    PyTorch's fake tensors have no values but a device: whatever mixes devices, or asks for a
    value (which would wait for the GPU), raises.
    """
    model = make_model(*overrides).train().to(memory_format=layout)
    batch = model.preprocess_image(make_case()).tensor
    fields = {field.name: getattr(batch, field.name) for field in dataclasses.fields(batch)}
    with FakeTensorMode(), autocast_cuda(amp):
        backbone = pretend_cuda(model.backbone)
        break_it(backbone.agn)
        tensors = {k: pretended(v) for k, v in fields.items() if isinstance(v, torch.Tensor)}
        return backbone(type(batch)(**{**fields, **tensors}))


@pytest.mark.parametrize("overrides", OPTIONS)
@pytest.mark.parametrize("amp", [None, torch.float16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_everything_stays_on_the_device_of_the_views(overrides, amp, layout):
    pyramid = forward_on_pretended_cuda(overrides, amp=amp, layout=layout)
    assert pyramid["p2"].is_contiguous(memory_format=layout)
    assert {feature.device.type for feature in pyramid.values()} == {"cuda"}
    assert {feature.dtype for feature in pyramid.values()} == {amp or torch.float32}
    assert pyramid["p2"].shape == (4, 32, 16, 24)


def test_a_tensor_on_the_wrong_device_would_be_seen():
    def leave_the_prior(agn):
        bipartite = agn.layers[0].bipartite
        bipartite.prior = torch.empty(bipartite.prior.shape, device="cpu")

    with pytest.raises(RuntimeError, match="device"):
        forward_on_pretended_cuda((), leave_the_prior)


@pytest.mark.parametrize("overrides", [(), CONCAT])
@pytest.mark.parametrize("device", [CUDA])
def test_cpu_and_cuda_agree(device, overrides):
    """Detections, losses and gradients of the graph in float32; TF32 off."""
    model = randomize_graph(make_model(*overrides))
    other = copy.deepcopy(model).to(device)
    tf32 = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        found = [instances.to("cpu") for instances in detect(other, make_case())]
        assert_same_detections(found, detect(model, make_case()))
        pyramids = []
        for each in (model, other):
            each.train().zero_grad()
            batch = each.preprocess_image(make_case()).tensor
            pyramids.append(each.backbone(batch))
            sum(feature.square().mean() for feature in pyramids[-1].values()).backward()
    finally:
        torch.backends.cudnn.allow_tf32 = tf32
    for level, feature in pyramids[0].items():
        torch.testing.assert_close(pyramids[1][level].cpu(), feature, rtol=1e-3, atol=1e-4)
    graphs = zip(
        model.backbone.agn.named_parameters(), other.backbone.agn.parameters(), strict=True
    )
    for (name, ours), theirs in graphs:
        error = (theirs.grad.cpu() - ours.grad).norm() / ours.grad.norm()
        assert error < 1e-3, name


@pytest.mark.parametrize("overrides", OPTIONS)
@pytest.mark.parametrize(
    ("device", "dtype"),
    [
        ("cpu", torch.bfloat16),
        ("cpu", torch.float16),
        pytest.param("cuda", torch.float16, marks=CUDA.marks),
    ],
)
def test_half_precision_is_finite(device, dtype, overrides):
    """Losses and gradients of a training step under autocast, and near those of float32."""
    model = randomize_graph(make_model(*overrides)).to(device)
    model.backbone.agn.view_drop = 0.0  # Or the two steps would hide other views.
    types = []
    model.backbone.agn.register_forward_hook(lambda _, __, out: types.append(out["p2"].dtype))
    with torch.autocast(device, dtype=dtype):
        half = losses(model, make_case())
    sum(half.values()).backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert len(gradients) > 50
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    full = losses(model, make_case())
    assert types == [dtype, torch.float32]
    assert sum(half.values()).item() == pytest.approx(sum(full.values()).item(), rel=0.1)
