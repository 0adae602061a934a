"""DETR beside AG-RCNN: an import registers the meta-architecture, a call adds its keys."""

from .config import add_detr_config
from .detr import DETR

__all__ = ["DETR", "add_detr_config"]
