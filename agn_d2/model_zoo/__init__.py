"""Trained models that come with the package, after ``detectron2.model_zoo``.

A model is a folder of this package, named as the model: ``config.yaml``, complete in itself,
``model.safetensors`` (float16, at most 12 MB) or, for a model that re-scores the detections of
another one, ``relation.json``; ``model_card.md``; and a line in ``SHA256SUMS``. A file with learned
numbers is loaded only if its checksum is the one that stands there, and nothing in it is run.

    from agn_d2 import model_zoo
    model_zoo.list_models()
    model = model_zoo.get("faster_rcnn_EffLite0_FPN_cbis_ddsm", device="cpu")

``zoo://NAME`` stands for the weights wherever a path may be given, ``zoo://NAME/config.yaml`` for
another file of the model.
"""

from .files import (
    get_checkpoint_file,
    get_checkpoint_url,
    get_config_file,
    get_model_card_file,
    list_models,
)
from .models import get, get_config
from .path_handler import register_path_handler

register_path_handler()

__all__ = [
    "get",
    "get_checkpoint_file",
    "get_checkpoint_url",
    "get_config",
    "get_config_file",
    "get_model_card_file",
    "list_models",
]
