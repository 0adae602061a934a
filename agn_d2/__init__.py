"""agn_d2: multi-view mammogram mass detection on Detectron2.

Importing the package registers its backbones, its meta-architectures and the paths ``zoo://``, and
does nothing else.
``load_cfg``, ``Predictor`` and ``read_examination`` are imported when they are first asked for.
"""

import warnings
from importlib import import_module
from typing import Any

from .utils.startup import set_up_program, silence_detectron2

set_up_program()
silence_detectron2()

with warnings.catch_warnings():
    # Detectron2 and fvcore decorate four functions with it when they are imported.
    warnings.filterwarnings("ignore", r"`torch\.jit\.script` is deprecated", FutureWarning)
    from . import model_zoo, modeling

from .config import add_agn_config  # noqa: E402

__version__ = "0.1.0"

__all__ = [
    "Predictor",
    "__version__",
    "add_agn_config",
    "load_cfg",
    "model_zoo",
    "modeling",
    "read_examination",
]

_LAZY = {
    "Predictor": "engine.predictor",
    "load_cfg": "engine.setup",
    "read_examination": "data.examination_files",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_LAZY[name]}", __name__), name)
