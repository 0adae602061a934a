"""agn_d2: multi-view mammogram mass detection on Detectron2.

Importing the package registers its backbones and meta-architectures and does nothing else.
"""

from . import modeling
from .config import add_agn_config

__version__ = "0.1.0"

__all__ = ["__version__", "add_agn_config", "modeling"]
