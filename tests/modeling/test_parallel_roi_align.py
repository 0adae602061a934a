"""RoIAlign on several threads: torchvision's results to the last bit."""

import pytest
import torch
from detectron2.layers import ROIAlign
from torch import nn

from agn_d2.engine.precision import speed_up_on_cpu
from agn_d2.modeling import parallel_roi_align
from agn_d2.modeling.parallel_roi_align import ParallelROIAlign


@pytest.fixture
def three_threads(monkeypatch):
    """As PyTorch would say; more threads than the parts that some inputs here have."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)


def run(kind, boxes, channels=5, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, channels, 12, 9, generator=generator)
    features = features.to(dtype, memory_format=torch.channels_last).requires_grad_()
    corner = torch.rand(boxes, 2, generator=generator) * 30
    size = torch.rand(boxes, 2, generator=generator) * 20 + 1
    image = (torch.arange(boxes) % 2)[:, None].float()
    pooled = kind((4, 3), 0.25, 0)(features, torch.cat([image, corner, corner + size], dim=1))
    pooled.backward(torch.randn(pooled.shape, generator=generator).to(pooled.dtype))
    return pooled.detach(), features.grad


@pytest.mark.parametrize(("boxes", "channels"), [(7, 5), (1, 5), (0, 5), (7, 1)])
def test_pooled_features_and_gradients_are_the_same_bits(three_threads, boxes, channels):
    pooled, gradient = run(ParallelROIAlign, boxes, channels)
    expected, expected_gradient = run(ROIAlign, boxes, channels)
    assert pooled.shape == (boxes, channels, 4, 3)
    assert torch.equal(pooled, expected) and torch.equal(gradient, expected_gradient)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_pooled_in_float32_by_boxes_in_float32(monkeypatch, dtype, threads):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)

    class AllInFloat32(ROIAlign):
        def forward(self, features, rois):
            return super().forward(features.float(), rois).to(features.dtype)

    with torch.autocast("cpu", dtype=dtype):
        pooled, gradient = run(ParallelROIAlign, 7, dtype=dtype)
    expected, expected_gradient = run(AllInFloat32, 7, dtype=dtype)
    assert pooled.dtype == gradient.dtype == dtype
    assert torch.equal(pooled, expected) and torch.equal(gradient, expected_gradient)
    # Detectron2's has rounded boxes.
    with torch.autocast("cpu", dtype=dtype):
        rounded, _ = run(ROIAlign, 7, dtype=dtype)
    assert not torch.equal(pooled, rounded)


def test_the_work_is_shared_out(three_threads, monkeypatch):
    parts = []
    shared_out = parallel_roi_align._shared_out

    def record(work, whole, dim):
        parts.append([part.shape[dim] for part in shared_out(lambda part: part, whole, dim)])
        return shared_out(work, whole, dim)

    monkeypatch.setattr(parallel_roi_align, "_shared_out", record)
    run(ParallelROIAlign, boxes=7)
    # 7 boxes forward and 5 channels backward on three threads.
    assert parts == [[3, 3, 1], [2, 2, 1]]


def test_one_thread_takes_torchvisions_way(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    monkeypatch.setattr(parallel_roi_align, "_shared_out", None)
    pooled, _ = run(ParallelROIAlign, boxes=2)
    assert pooled.shape == (2, 5, 4, 3)


def test_a_detector_on_the_cpu_pools_in_parallel():
    model = nn.Sequential(nn.Conv2d(1, 1, 1), ROIAlign((7, 7), 0.25, 0))
    assert type(speed_up_on_cpu(model, amp=False)[1]) is ParallelROIAlign


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_gradient_is_laid_out_as_the_features(monkeypatch, dtype, layout, threads):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    weights = torch.ones(2, 5, 12, 9, dtype=dtype).contiguous(memory_format=layout)
    features = weights.requires_grad_() * 1  # a leaf's gradient would be laid out anew
    laid_out = []
    features.register_hook(lambda grad: laid_out.append(grad.is_contiguous(memory_format=layout)))
    boxes = torch.tensor([[0.0, 1, 2, 20, 30], [1, 3, 4, 25, 35]])
    ParallelROIAlign((4, 3), 0.25, 0)(features, boxes).sum().backward()
    assert laid_out == [True]
