"""The configs of the project, read as its train_net.py reads them."""

from pathlib import Path

from detectron2.config import CfgNode

from agn_d2.engine.setup import load_cfg
from detr import add_detr_config

CONFIGS = Path(__file__).parents[1] / "configs"


def load(name: str, *overrides: str) -> CfgNode:
    return load_cfg(str(CONFIGS / f"{name}.yaml"), overrides, (add_detr_config,))
