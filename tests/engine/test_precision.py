"""A CPU trains in bfloat16 only where it computes in it itself, or is told to."""

import copy
import os
import pickle
import platform
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from timm.layers import Conv2dSame
from torch import nn

from agn_d2.engine import precision
from agn_d2.engine.precision import cpu_has_bfloat16, speed_up_on_cpu, trains_in_bfloat16
from agn_d2.engine.setup import load_cfg
from agn_d2.engine.trainer import AGNTrainer
from agn_d2.modeling import MultiViewRCNN

from ..modeling.tiny_model import assert_same_detections, detect, make_case, make_model


def pretend(monkeypatch, capabilities, *, kernels="AVX512", onednn=True):
    """A CPU with these instructions, of which PyTorch may use so much."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: kernels)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    monkeypatch.setattr(
        torch.ops, "mkldnn", SimpleNamespace(_is_mkldnn_bf16_supported=lambda: onednn)
    )


@pytest.mark.parametrize("name", ["avx512_bf16", "amx_bf16"])
def test_x86_instructions_count_as_far_as_they_may_be_used(monkeypatch, name):
    pretend(monkeypatch, {"avx512_f": True, name: True})
    assert cpu_has_bfloat16()
    # ATEN_CPU_CAPABILITY=avx2, and ONEDNN_MAX_CPU_ISA=AVX2.
    pretend(monkeypatch, {"avx512_f": True, name: True}, kernels="AVX2")
    assert not cpu_has_bfloat16()
    pretend(monkeypatch, {"avx512_f": True, name: True}, onednn=False)
    assert not cpu_has_bfloat16()


def test_avx512_alone_is_not_enough_although_onednn_takes_it(monkeypatch):
    pretend(monkeypatch, {"avx512_f": True, "avx512_bf16": False, "amx_bf16": False})
    assert not cpu_has_bfloat16()


def test_arm_has_kernels_of_another_name(monkeypatch):
    pretend(monkeypatch, {"architecture": "aarch64", "bf16": True}, kernels="DEFAULT")
    assert cpu_has_bfloat16()
    pretend(monkeypatch, {"architecture": "aarch64", "bf16": False}, kernels="DEFAULT")
    assert not cpu_has_bfloat16()


def test_an_older_pytorch_is_asked_what_it_knows(monkeypatch):
    pretend(monkeypatch, {})
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
    assert cpu_has_bfloat16()
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported")
    assert not cpu_has_bfloat16()
    monkeypatch.setattr(torch.ops, "mkldnn", SimpleNamespace())
    assert not cpu_has_bfloat16()


def test_the_real_query_obeys_a_forced_avx2():
    code = "from agn_d2.engine.precision import cpu_has_bfloat16; print(cpu_has_bfloat16())"
    forced = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
    # On ARM the two variables mean nothing.
    is_x86 = platform.machine() in ("x86_64", "AMD64")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=os.environ | forced,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{not is_x86 and cpu_has_bfloat16()}\n"


CHOICES = [
    # CPU_PRECISION, AMP.ENABLED, the CPU has bfloat16: trains in bfloat16.
    ("auto", True, True, True),
    ("auto", True, False, False),
    ("auto", False, True, False),
    ("bfloat16", True, False, True),
    ("bfloat16", False, True, False),
    ("float32", True, True, False),
]


@pytest.mark.parametrize(("key", "enabled", "has", "expected"), CHOICES)
def test_the_key_and_the_cpu_decide(monkeypatch, caplog, key, enabled, has, expected):
    monkeypatch.setattr(precision, "cpu_has_bfloat16", lambda: has)
    caplog.set_level("INFO")
    options = ["SOLVER.AMP.CPU_PRECISION", key, "SOLVER.AMP.ENABLED", str(enabled)]
    assert trains_in_bfloat16(load_cfg(None, options)) == expected
    said = [r.getMessage() for r in caplog.records if r.name == precision.__name__]
    if key == "auto" and enabled and not has:
        assert len(said) == 1 and "Training in float32: this CPU has no bfloat16" in said[0]
    else:
        assert not said


def test_an_unknown_precision_is_refused():
    cfg = load_cfg(None, ["SOLVER.AMP.CPU_PRECISION", "float16"])
    with pytest.raises(ValueError, match="CPU_PRECISION must be one of .* got 'float16'"):
        trains_in_bfloat16(cfg)


@pytest.mark.parametrize(("has", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_the_trainers_model_computes_in_the_chosen_precision(monkeypatch, has, dtype):
    monkeypatch.setattr(precision, "cpu_has_bfloat16", lambda: has)
    monkeypatch.setattr("detectron2.engine.defaults.build_model", lambda cfg: nn.Linear(2, 2))
    cfg = load_cfg(None, ["MODEL.DEVICE", "cpu", "SOLVER.AMP.ENABLED", "True"])
    model = AGNTrainer.build_model(cfg)
    assert model(torch.ones(1, 2)).dtype == dtype
    # A validation measures losses in training mode; it stays float32, as inference does.
    with torch.no_grad():
        assert model(torch.ones(1, 2)).dtype == torch.float32
    assert model.eval()(torch.ones(1, 2)).dtype == torch.float32


def test_without_amp_nothing_but_the_layout_changes():
    model = speed_up_on_cpu(nn.Conv2d(2, 2, 3), amp=False)
    assert model.weight.is_contiguous(memory_format=torch.channels_last)
    assert model(torch.ones(1, 2, 4, 4)).dtype == torch.float32


def test_a_copy_of_a_model_of_mixed_precision_runs_its_own_weights():
    model = speed_up_on_cpu(make_model(), amp=True)
    copied = copy.deepcopy(model)
    assert isinstance(copied, MultiViewRCNN)
    for parameter in copied.parameters():
        torch.nn.init.zeros_(parameter)
    # Logits of zero are a score of one half for every proposal.
    scores = {round(s, 3) for one in detect(copied, make_case()) for s in one.scores.tolist()}
    assert scores == {0.5}
    assert len({round(s, 3) for s in detect(model, make_case())[0].scores.tolist()}) > 3


def test_a_model_of_mixed_precision_goes_through_pickle():
    model = speed_up_on_cpu(make_model(), amp=True)
    loaded = pickle.loads(pickle.dumps(model))
    assert type(loaded) is type(model)
    assert_same_detections(detect(loaded, make_case()), detect(model, make_case()))


LAYERS = [
    # Kernel, stride, groups, in float32 in a training of mixed precision.
    (5, 1, 4, True),
    (3, 2, 4, True),
    (3, 1, 4, False),
    (5, 2, 1, False),
    (5, 2, 2, False),
]


@pytest.mark.parametrize("kind", [nn.Conv2d, Conv2dSame])
@pytest.mark.parametrize(("kernel", "stride", "groups", "wide"), LAYERS)
def test_depthwise_convolutions_that_bfloat16_slows_down_run_in_float32(
    kind, kernel, stride, groups, wide
):
    torch.manual_seed(0)
    layer = kind(4, 4, kernel, stride=stride, groups=groups)
    narrow = nn.Conv2d(1, 4, 1)
    reference = copy.deepcopy(layer).to(memory_format=torch.channels_last)
    model = speed_up_on_cpu(nn.Sequential(narrow, layer), amp=True)
    assert isinstance(model[1], kind)
    given = []
    model[0].register_forward_hook(lambda module, inputs, output: given.append(output))
    out = model(torch.rand(2, 1, 9, 8))
    (x,) = given
    assert x.dtype == out.dtype == torch.bfloat16
    expected = reference(x.detach().float())
    # bfloat16 would round the weights too.
    assert torch.equal(out, expected.bfloat16()) == wide
    grad = torch.rand(out.shape).bfloat16()
    out.backward(grad)
    expected.backward(grad.float())
    assert layer.weight.grad.dtype == torch.float32
    exact = torch.allclose(layer.weight.grad, reference.weight.grad, rtol=1e-5)
    assert exact == wide
    assert narrow.weight.grad.abs().sum() > 0


def test_layers_in_float32_go_through_pickle_and_copy():
    layers = nn.Sequential(nn.Conv2d(1, 4, 1), nn.Conv2d(4, 4, 5, groups=4))
    model = speed_up_on_cpu(layers, amp=True)
    x = torch.rand(1, 1, 8, 8)
    for again in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert type(again[1]) is type(model[1]) and isinstance(again[1], nn.Conv2d)
        assert torch.equal(again(x), model(x))
