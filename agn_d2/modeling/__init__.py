"""Modules; importing them registers backbones and meta-architectures with Detectron2."""

from .agn import AnatomyGraphNetwork
from .agn_layer import AGNLayer, LayerIntermediates
from .backbone import AGNFPN, AGNResNetFPN, AGNTimmFPN, TimmBottomUp
from .detr import DETR
from .fusion import GraphFusion
from .graph_convolution import BipartiteGraphConvolution, InceptionGraphConvolution
from .meta_arch import MultiViewFCOS, MultiViewMixin, MultiViewRCNN, MultiViewRetinaNet

__all__ = [
    "DETR",
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
    "TimmBottomUp",
]
