"""An RGB stem meets a gray model."""

import pickle

import pytest
import torch
from torch import nn

from agn_d2.engine.checkpoint import AGNCheckpointer
from agn_d2.modeling.graph_convolution import BipartiteGraphConvolution


class Net(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.stem = nn.Conv2d(channels, 4, 3, bias=False)
        self.next = nn.Conv2d(4, 4, 3, bias=False)


def rgb_weight():
    weight = torch.zeros(4, 3, 3, 3)
    weight[:, 0], weight[:, 1], weight[:, 2] = 1.0, 10.0, 100.0
    return weight


@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_loading_turns_the_stem_gray_and_nothing_else(tmp_path, order):
    source = Net(3)
    source.stem.weight.data = rgb_weight()
    torch.save({"model": source.state_dict()}, tmp_path / "rgb.pth")
    model = Net(1)
    AGNCheckpointer(model, stem_order=order).load(str(tmp_path / "rgb.pth"))
    # Channels 1, 10 and 100, of which red is the first or the last.
    luma = 0.299 + 5.87 + 11.4 if order == "RGB" else 0.114 + 5.87 + 29.9
    assert torch.allclose(model.stem.weight, torch.full((4, 1, 3, 3), luma))
    assert torch.equal(model.next.weight, source.next.weight)


def test_caffe_style_weights_are_blue_first(tmp_path):
    """As Detectron2's MSRA/R-50.pkl: a pickle of arrays, with names of their own."""

    class Backbone(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Module()
            self.stem.conv1 = nn.Conv2d(1, 4, 3, bias=False)

    content = {"conv1_w": rgb_weight().numpy()}
    (tmp_path / "R-50.pkl").write_bytes(pickle.dumps(content))
    model = Backbone()
    AGNCheckpointer(model, stem_order="BGR").load(str(tmp_path / "R-50.pkl"))
    expected = torch.full((4, 1, 3, 3), 0.114 + 5.87 + 29.9)
    assert torch.allclose(model.stem.conv1.weight, expected)


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
