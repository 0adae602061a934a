"""Modules; importing them registers backbones and meta-architectures with Detectron2."""

from .agn import AnatomyGraphNetwork
from .agn_layer import AGNLayer, LayerIntermediates
from .backbone import AGNFPN, AGNResNetFPN, AGNTimmFPN, TimmBottomUp
from .fusion import GraphFusion
from .graph_convolution import BipartiteGraphConvolution, InceptionGraphConvolution
from .meta_arch import MultiViewFCOS, MultiViewMixin, MultiViewRCNN, MultiViewRetinaNet
from .sampled_rpn import SampledRPN

__all__ = [
    "AGNFPN",
    "AGNLayer",
    "AGNResNetFPN",
    "AGNTimmFPN",
    "AnatomyGraphNetwork",
    "BipartiteGraphConvolution",
    "GraphFusion",
    "InceptionGraphConvolution",
    "LayerIntermediates",
    "MultiViewFCOS",
    "MultiViewMixin",
    "MultiViewRCNN",
    "MultiViewRetinaNet",
    "SampledRPN",
    "TimmBottomUp",
]
