"""An RGB stem meets a gray model."""

import pytest
import torch
from torch import nn

from agn_d2.engine.checkpoint import AGNCheckpointer
from agn_d2.modeling.graph_convolution import BipartiteGraphConvolution
from agn_d2.modeling.gray_stem import gray_stem


class Net(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.stem = nn.Conv2d(channels, 4, 3, bias=False)
        self.next = nn.Conv2d(4, 4, 3, bias=False)


def rgb_weight():
    weight = torch.zeros(4, 3, 3, 3)
    weight[:, 0], weight[:, 1], weight[:, 2] = 1.0, 10.0, 100.0
    return weight


@pytest.mark.parametrize(
    ("kind", "order", "expected"),
    [
        ("luma", "RGB", 0.299 + 5.87 + 11.4),
        ("luma", "BGR", 0.114 + 5.87 + 29.9),
        ("sum", "RGB", 111.0),
        ("sum", "BGR", 111.0),
    ],
)
def test_gray_stem_by_hand(kind, order, expected):
    gray = gray_stem(rgb_weight(), kind, order=order)
    assert gray.shape == (4, 1, 3, 3)
    assert torch.allclose(gray, torch.full_like(gray, expected))


def test_sum_computes_what_the_rgb_network_computes_on_gray():
    torch.manual_seed(0)
    weight, image = torch.randn(4, 3, 3, 3), torch.randn(1, 1, 8, 8)
    rgb = nn.functional.conv2d(image.expand(-1, 3, -1, -1), weight)
    assert torch.allclose(nn.functional.conv2d(image, gray_stem(weight, "sum")), rgb, atol=1e-5)


def test_bad_weights():
    with pytest.raises(ValueError, match=r"\(C, 3, h, w\)"):
        gray_stem(torch.zeros(4, 1, 3, 3))
    with pytest.raises(ValueError, match="kind"):
        gray_stem(rgb_weight(), "mean")


def test_loading_turns_the_stem_gray_and_nothing_else(tmp_path):
    source = Net(3)
    source.stem.weight.data = rgb_weight()
    torch.save({"model": source.state_dict()}, tmp_path / "rgb.pth")
    model = Net(1)
    AGNCheckpointer(model, stem_to_gray="luma").load(str(tmp_path / "rgb.pth"))
    assert torch.allclose(model.stem.weight, gray_stem(rgb_weight()))
    assert torch.equal(model.next.weight, source.next.weight)


def test_a_color_model_keeps_its_stem(tmp_path):
    source = Net(3)
    torch.save({"model": source.state_dict()}, tmp_path / "rgb.pth")
    model = Net(3)
    AGNCheckpointer(model).load(str(tmp_path / "rgb.pth"))
    assert torch.equal(model.stem.weight, source.stem.weight)


def test_a_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"MODEL\.WEIGHTS.*none\.pth"):
        AGNCheckpointer(Net(1)).load(str(tmp_path / "none.pth"))


def test_another_layout_is_refused(tmp_path):
    def model(mlo):
        net = nn.Module()
        net.bipartite = BipartiteGraphConvolution(2, torch.ones(4, mlo))
        return net

    torch.save({"model": model(5).state_dict()}, tmp_path / "a.pth")
    AGNCheckpointer(model(5)).load(str(tmp_path / "a.pth"))
    with pytest.raises(ValueError, match=r"layout \(4, 5\), but MODEL.AGN.LAYOUT is \(4, 6\)"):
        AGNCheckpointer(model(6)).load(str(tmp_path / "a.pth"))
