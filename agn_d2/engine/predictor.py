"""Detections for a case, from images alone."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.modeling import build_model
from detectron2.structures import Instances
from torch import nn

from ..data.breast_crop import uncropped
from ..data.given_case import positions_of, read_given_case
from ..data.mapper import CaseMapper
from ..landmarks.record import Landmarks
from .checkpoint import build_checkpointer
from .checkpoint_fit import GRAPH
from .inference_setup import settle_for_inference
from .precision import speed_up_on_cpu
from .setup import settle_device

logger = logging.getLogger(__name__)


class Predictor:
    """A trained detector that takes the views of a case as they are.

    Landmarks are found in the images, films are cut to the breast if the model was trained so
    (``INPUT.CROP_TO_BREAST``), and detections come back in pixels of the images given. Neither
    the training data nor the file of the prior is needed.

        predictor = Predictor(cfg)
        found = predictor({"L-CC": "lcc.png", "L-MLO": "lmlo.png", "R-CC": array})
        found["L-CC"].pred_boxes, found["L-CC"].scores

    Args:
        cfg: of the model, with ``MODEL.WEIGHTS``; it is copied, not changed.

    Raises:
        FileNotFoundError: MODEL.WEIGHTS cannot be read.
        ValueError: no MODEL.WEIGHTS, or weights of no trained model of this config.
    """

    def __init__(self, cfg: CfgNode) -> None:
        cfg = cfg.clone()
        cfg.defrost()
        settle_device(cfg)
        settle_for_inference(cfg)
        cfg.freeze()
        self.cfg = cfg
        self.model = build_trained(cfg)
        self.mapper = CaseMapper(cfg, is_train=False)

    @torch.no_grad()
    def __call__(
        self,
        case: Mapping[Hashable, Any],
        *,
        examined: Iterable[Hashable] | None = None,
        landmarks: Mapping[Hashable, Landmarks] | None = None,
    ) -> dict[Hashable, Instances]:
        """Detect masses in the views of a case.

        Args:
            case: view -> image, one to four views of one patient and examination; the others
                may be missing or None. Keys name side and view: "L-CC", "RMLO", ("L", "MLO").
                An image is a path, or an array (H, W) of uint8, uint16 or floats in [0, 1].
            examined: keys of the views to examine, None for all; the others serve them.
            landmarks: view -> landmarks in pixels of its image, where they are known.

        Returns:
            key, as it was given -> ``Instances`` on the CPU, in pixels of the image given.

        Raises:
            FileNotFoundError, ValueError: an image or a key that cannot be read; names the key.
        """
        read, keys = read_given_case(
            case,
            landmarks=landmarks,
            crop=self.cfg.INPUT.CROP_TO_BREAST,
            needs_landmarks=self.cfg.MODEL.AGN.ENABLED,
        )
        positions = range(len(keys)) if examined is None else positions_of(examined, keys)
        if not positions:
            return {}
        outputs = self.model(self.mapper(read, positions))
        return {
            keys[position]: uncropped(output["instances"].to("cpu"), read.images[position])
            for position, output in zip(positions, outputs, strict=True)
        }


def build_trained(cfg: CfgNode) -> nn.Module:
    """The trained model of a config, in eval mode."""
    model = build_model(cfg)
    if cfg.MODEL.DEVICE == "cpu":
        speed_up_on_cpu(model, amp=False)
    return load_trained(cfg, model).eval()


def load_trained(cfg: CfgNode, model: nn.Module) -> nn.Module:
    """Load ``MODEL.WEIGHTS`` into a model, and refuse those that leave a part of it untrained.

    A detector without graph weights is let through: its graph does nothing, and that is said.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: the checkpoint is not of a trained model of this config.
    """
    checkpointer = build_checkpointer(cfg, model)
    checkpointer.load(cfg.MODEL.WEIGHTS, checkpointables=[])
    detector = [name for name in checkpointer.missing if not name.startswith(GRAPH)]
    if detector:
        raise ValueError(
            f"MODEL.WEIGHTS: {cfg.MODEL.WEIGHTS} is no trained model of this config: it lacks "
            f"{len(detector)} of its weights, {detector[0]} among them"
        )
    if checkpointer.missing:
        logger.warning(
            "%s has no weights of the graph network: it starts as the identity, and detections "
            "are those of the detector without it.",
            cfg.MODEL.WEIGHTS,
        )
    return model
