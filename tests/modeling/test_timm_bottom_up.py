"""A timm model below the pyramid, and the weights it starts from."""

import pytest
import torch
from safetensors.torch import save as safetensors_bytes

from agn_d2.modeling import TimmBottomUp
from agn_d2.modeling.backbone.timm_bottom_up import (
    PACKAGED_MODELS,
    load_timm_weights,
    read_timm_weights,
)

timm = pytest.importorskip("timm", reason="AGNTimmFPN needs the optional package timm")
NAME = "test_efficientnet"


@pytest.fixture(scope="module")
def rgb_model():
    """A whole RGB model, head included, whose weights differ from any other's."""
    torch.manual_seed(1)
    return timm.create_model(NAME, pretrained=False)


def test_features_have_the_strides_and_channels_they_announce():
    bottom_up = TimmBottomUp(NAME, 1).eval()
    features = bottom_up(torch.rand(2, 1, 64, 96))
    shapes = bottom_up.output_shape()
    assert list(features) == list(shapes) == ["res2", "res3", "res4", "res5"]
    for (name, feature), stride in zip(features.items(), (4, 8, 16, 32), strict=True):
        assert shapes[name].stride == stride
        assert feature.shape == (2, shapes[name].channels, 64 // stride, 96 // stride)


def test_a_network_without_stochastic_depth_needs_no_rate_and_takes_none():
    assert TimmBottomUp("ghostnet_050", 1).output_shape()["res5"].stride == 32
    with pytest.raises(ValueError, match=r"DROP_PATH_RATE is 0\.1, but ghostnet_050 has no stoch"):
        TimmBottomUp("ghostnet_050", 1, drop_path_rate=0.1)


def test_the_rate_of_the_stochastic_depth_is_the_one_it_is_told():
    def rates(**options):
        net = TimmBottomUp("test_convnext", 1, **options)
        return [m.drop_prob for m in net.modules() if type(m).__name__ == "DropPath"]

    assert max(rates(drop_path_rate=0.3)) == pytest.approx(0.3)
    assert not any(rates())


def test_no_activation_makes_autograd_copy_its_input():
    bottom_up = TimmBottomUp("tf_efficientnet_lite0", 1)
    activations = [m for m in bottom_up.modules() if isinstance(m, torch.nn.ReLU6)]
    assert len(activations) > 20 and not any(m.inplace for m in activations)


# The second one's extractor has other names for its parts than the model.
@pytest.mark.parametrize("name", [NAME, "test_convnext"])
@torch.no_grad()
def test_weights_of_a_whole_model_from_a_file(name, tmp_path):
    torch.manual_seed(1)
    rgb_model = timm.create_model(name, pretrained=False)
    path = tmp_path / "model.pt"
    torch.save({"state_dict": rgb_model.state_dict()}, path)
    bottom_up = TimmBottomUp(name, 1)
    load_timm_weights(bottom_up.net, read_timm_weights(str(path), name), stem_to_gray="sum")
    image = torch.rand(1, 1, 64, 64)
    rgb_model.eval()
    expected = rgb_model.forward_intermediates(image.expand(-1, 3, -1, -1), intermediates_only=True)
    deepest = bottom_up.eval()(image)["res5"]
    torch.testing.assert_close(deepest, expected[-1], rtol=1e-4, atol=1e-5)


def test_counts_of_batches_that_older_files_lack_stay_zero(rgb_model):
    state = {n: t for n, t in rgb_model.state_dict().items() if "num_batches" not in n}
    assert len(state) < len(rgb_model.state_dict())
    net = TimmBottomUp(NAME, 1).net
    load_timm_weights(net, state, stem_to_gray="sum")
    assert torch.equal(net.bn1.weight, state["bn1.weight"]) and net.bn1.num_batches_tracked == 0


def test_a_network_for_other_sizes_is_one_line():
    bottom_up = TimmBottomUp("maxvit_pico_rw_256", 1).eval()
    before = {n: t.clone() for n, t in bottom_up.state_dict().items()}
    message = r"MODEL\.TIMM\.NAME maxvit_pico_rw_256 does not take images of 96 x 64 px .*window"
    with pytest.raises(ValueError, match=message):
        bottom_up(torch.zeros(1, 1, 96, 64))
    # Trying it out leaves the network as it was.
    assert all(torch.equal(t, before[n]) for n, t in bottom_up.state_dict().items())


def test_a_fault_within_a_network_is_not_taken_for_a_wrong_size():
    bottom_up = TimmBottomUp(NAME, 1)

    def fail(x):
        if x.device.type == "cpu":
            raise RuntimeError("out of memory")

    bottom_up.net.forward = fail
    with pytest.raises(RuntimeError, match="^out of memory$"):
        bottom_up(torch.zeros(1, 1, 64, 64))


def test_a_network_that_cannot_be_tried_keeps_its_own_error():
    bottom_up = TimmBottomUp(NAME, 1)

    def fail(x):
        raise RuntimeError("its own")

    bottom_up.net.forward = fail
    with pytest.raises(RuntimeError, match="^its own$"):
        bottom_up(torch.zeros(1, 1, 64, 64))


def test_an_extractor_may_hold_the_whole_model():
    net = torch.nn.ModuleDict({"model": torch.nn.Conv2d(1, 2, 1)})
    state = torch.nn.Conv2d(3, 2, 1).state_dict()
    load_timm_weights(net, state, stem_to_gray="sum")
    expected = {"model.weight": state["weight"].sum(1, keepdim=True), "model.bias": state["bias"]}
    torch.testing.assert_close(dict(net.state_dict()), expected)


@pytest.mark.parametrize("name", PACKAGED_MODELS)
def test_packaged_imagenet_weights_have_their_names(name):
    package, _ = PACKAGED_MODELS[name]
    pytest.importorskip(package, reason="the packages with the weights are optional")
    state = read_timm_weights("package", name)
    names = timm.create_model(name, pretrained=False).state_dict()
    assert {n: t.shape for n, t in state.items()} == {n: t.shape for n, t in names.items()}
    # Mean, variance, weight and bias of a normalization have one shape: tell them by their values.
    assert all((t >= 0).all() for n, t in state.items() if n.endswith("running_var"))
    assert (state["bn1.running_mean"] < 0).any() and (state["bn1.bias"] < 0).any()


def test_what_cannot_serve_is_refused(rgb_model, tmp_path):
    with pytest.raises(ValueError, match="timm has no model 'no_such_model'"):
        TimmBottomUp("no_such_model")
    with pytest.raises(ValueError, match=r"test_vit has no features of stride 4: \[16"):
        TimmBottomUp("test_vit")
    with pytest.raises(ValueError, match=f"is for tf_efficientnet_lite0, .* is {NAME}"):
        read_timm_weights("package", NAME)
    with pytest.raises(FileNotFoundError, match=r"MODEL\.TIMM\.WEIGHTS: no file .*none\.pt"):
        read_timm_weights(str(tmp_path / "none.pt"), NAME)
    for content in (b"abc", b""):
        (tmp_path / "damaged.pt").write_bytes(content)
        with pytest.raises(ValueError, match=r"WEIGHTS: .*damaged\.pt is no whole checkpoint"):
            read_timm_weights(str(tmp_path / "damaged.pt"), NAME)

    state = rgb_model.state_dict()
    (tmp_path / "hub.safetensors").write_bytes(safetensors_bytes(state))
    read = read_timm_weights(str(tmp_path / "hub.safetensors"), NAME)
    assert read.keys() == state.keys()
    assert all(torch.equal(read[name], value) for name, value in state.items())

    net = TimmBottomUp(NAME, 1).net
    with pytest.raises(ValueError, match="The checkpoint lacks bn1.weight"):
        load_timm_weights(
            net, {n: t for n, t in state.items() if n != "bn1.weight"}, stem_to_gray="sum"
        )
    with pytest.raises(ValueError, match=r"bn1.weight is \(1,\) in the checkpoint"):
        load_timm_weights(net, state | {"bn1.weight": torch.ones(1)}, stem_to_gray="sum")
