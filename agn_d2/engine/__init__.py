"""Training and evaluation on top of Detectron2's engine."""

from .setup import setup_cfg, setup_inference_cfg
from .trainer import AGNTrainer

__all__ = ["AGNTrainer", "setup_cfg", "setup_inference_cfg"]
