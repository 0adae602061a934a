"""agn_d2: multi-view mammogram mass detection on Detectron2.

Importing the package registers its backbones and meta-architectures and does nothing else.
``load_cfg`` and ``Predictor`` are imported when they are first asked for.
"""

from importlib import import_module
from typing import Any

from . import modeling
from .config import add_agn_config

__version__ = "0.1.0"

__all__ = ["Predictor", "__version__", "add_agn_config", "load_cfg", "modeling"]

_LAZY = {"Predictor": "engine.predictor", "load_cfg": "engine.setup"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_LAZY[name]}", __name__), name)
