"""DETR as a Detectron2 meta-architecture: the model, its matcher and its losses are those of
Hugging Face ``transformers`` (optional extra "detr").

Carion et al., End-to-End Object Detection with Transformers, ECCV 2020. It reads one view.

Shape legend: B images, Q queries, M boxes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY
from detectron2.modeling.postprocessing import detector_postprocess
from detectron2.structures import Boxes, ImageList, Instances
from torch import Tensor, nn

from agn_d2.modeling.gray_stem import gray_stem
from agn_d2.structures import check_inputs

from .initialization import initialize_as_published
from .trunk import FEATURES, check_trunk, put_timm_trunk

_RESNETS = {
    18: {"layer_type": "basic", "depths": [2, 2, 2, 2], "hidden_sizes": [64, 128, 256, 512]},
    34: {"layer_type": "basic", "depths": [3, 4, 6, 3], "hidden_sizes": [64, 128, 256, 512]},
    50: {"layer_type": "bottleneck", "depths": [3, 4, 6, 3]},
    101: {"layer_type": "bottleneck", "depths": [3, 4, 23, 3]},
}
_STRIDE = 32


@META_ARCH_REGISTRY.register()
class DETR(nn.Module):
    """DETR on gray images, trained and tested by Detectron2's loop.

    Args:
        detr: ``DetrForObjectDetection``.
        pixel_mean, pixel_std: mean and standard deviation of the gray value.
        max_detections: of an image.
    """

    # The parameters that SOLVER.BACKBONE_MULTIPLIER is for.
    bottom_up_prefix = "detr.model.backbone."

    @configurable
    def __init__(
        self, *, detr: nn.Module, pixel_mean: float, pixel_std: float, max_detections: int
    ) -> None:
        super().__init__()
        self.detr = detr
        self.max_detections = max_detections
        self.register_buffer("pixel_mean", torch.tensor(pixel_mean), persistent=False)
        self.register_buffer("pixel_std", torch.tensor(pixel_std), persistent=False)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        if cfg.MODEL.AGN.ENABLED:
            raise ValueError("DETR reads one view: set MODEL.AGN.ENABLED False")
        if len(cfg.MODEL.PIXEL_MEAN) != 1:
            raise ValueError("DETR reads gray images: MODEL.PIXEL_MEAN must have one value")
        return {
            "detr": build_detr(cfg),
            "pixel_mean": cfg.MODEL.PIXEL_MEAN[0],
            "pixel_std": cfg.MODEL.PIXEL_STD[0],
            "max_detections": cfg.TEST.DETECTIONS_PER_IMAGE,
        }

    @property
    def device(self) -> torch.device:
        return self.pixel_mean.device

    @property
    def backbone(self) -> nn.Module:
        """The convolutional part."""
        return self.detr.model.backbone

    def forward(self, batched_inputs: list[dict[str, Any]]) -> Any:
        """Losses in training, else a list of ``{"instances"}`` in pixels of the stored image.

        Args:
            batched_inputs: B dicts of ``CaseMapper`` with ``image`` (1, H, W) in [0, 1],
                ``examined_view``, ``height`` and ``width`` of the stored image, and in training
                ``instances``.

        Raises:
            ValueError: inputs of another mapper, or of Detectron2's ``DefaultPredictor``.
        """
        check_inputs(batched_inputs)
        images = self.preprocess_image(batched_inputs)
        mask = torch.zeros(images.tensor.shape[0], *images.tensor.shape[-2:], device=self.device)
        for row, (height, width) in zip(mask, images.image_sizes, strict=True):
            row[:height, :width] = 1
        labels = self._labels(batched_inputs) if self.training else None
        output = self.detr(pixel_values=images.tensor, pixel_mask=mask.long(), labels=labels)
        if self.training:
            return self._losses(output.loss_dict)
        return [
            {"instances": detector_postprocess(found, one["height"], one["width"])}
            for found, one in zip(
                self._instances(output, images.image_sizes), batched_inputs, strict=True
            )
        ]

    def preprocess_image(self, batched_inputs: list[dict[str, Any]]) -> ImageList:
        """Normalized images, padded to a common size."""
        images = [one["image"].to(self.device) for one in batched_inputs]
        images = [(image - self.pixel_mean) / self.pixel_std for image in images]
        return ImageList.from_tensors(images, _STRIDE)

    def _labels(self, batched_inputs: list[dict[str, Any]]) -> list[dict[str, Tensor]]:
        """Boxes as center and size in shares of the image, as DETR wants them."""
        labels = []
        for one in batched_inputs:
            instances = one["instances"].to(self.device)
            height, width = instances.image_size
            boxes = instances.gt_boxes.tensor
            corners = boxes / boxes.new_tensor([width, height, width, height])
            centers, sizes = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
            labels.append(
                {"class_labels": instances.gt_classes, "boxes": torch.cat([centers, sizes], dim=1)}
            )
        return labels

    def _losses(self, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        """Weighted as in DETR; what is no loss (the cardinality error) is left out."""
        config = self.detr.config
        weights = {
            "loss_ce": 1.0,
            "loss_bbox": config.bbox_loss_coefficient,
            "loss_giou": config.giou_loss_coefficient,
        }
        return {
            name: weight * value
            for name, value in losses.items()
            for kind, weight in weights.items()
            if name == kind or name.startswith(f"{kind}_")
        }

    def _instances(self, output: Any, sizes: list[tuple[int, int]]) -> list[Instances]:
        """The surest (query, class) pairs of each image, in pixels of the model's input."""
        shares = output.logits.softmax(-1)[..., :-1]
        classes = shares.shape[-1]
        limit = shares[0].numel()
        if self.max_detections >= 0:  # negative: no limit, as in Detectron2
            limit = min(self.max_detections, limit)
        scores, index = shares.flatten(1).topk(limit, dim=1)
        results = []
        for boxes, score, chosen, (height, width) in zip(
            output.pred_boxes, scores, index, sizes, strict=True
        ):
            boxes = boxes[chosen // classes]
            corners = torch.cat(
                [boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], dim=1
            )
            found = Instances((height, width))
            found.pred_boxes = Boxes(corners * corners.new_tensor([width, height, width, height]))
            found.pred_boxes.clip((height, width))
            found.scores = score
            found.pred_classes = chosen % classes
            results.append(found)
        return results


def build_detr(cfg: CfgNode) -> nn.Module:
    """``DetrForObjectDetection`` for gray images; nothing is downloaded without PRETRAINED.

    Raises:
        ImportError: ``transformers`` is not installed; says how to.
        ValueError: an unknown depth or trunk, or pretrained weights of another shape.
    """
    check_trunk(cfg)
    try:
        from transformers import DetrConfig, DetrForObjectDetection, ResNetConfig
    except ImportError as error:
        raise ImportError(
            "DETR needs the package transformers: pip install 'agn_d2[detr]', or "
            "pip install transformers"
        ) from error
    detr = cfg.MODEL.DETR
    if cfg.MODEL.RESNETS.DEPTH not in _RESNETS:
        raise ValueError(
            f"MODEL.RESNETS.DEPTH of DETR must be one of {', '.join(map(str, _RESNETS))}"
        )
    backbone = ResNetConfig(
        num_channels=1,
        out_features=[FEATURES[detr.BACKBONE_FEATURE]],
        **_RESNETS[cfg.MODEL.RESNETS.DEPTH],
    )
    config = DetrConfig(
        backbone_config=backbone,
        num_channels=1,
        num_labels=cfg.MODEL.ROI_HEADS.NUM_CLASSES,
        num_queries=detr.NUM_QUERIES,
        d_model=detr.HIDDEN_DIM,
        encoder_layers=detr.ENCODER_LAYERS,
        decoder_layers=detr.DECODER_LAYERS,
        encoder_ffn_dim=detr.FFN_DIM,
        decoder_ffn_dim=detr.FFN_DIM,
        encoder_attention_heads=detr.NUM_HEADS,
        decoder_attention_heads=detr.NUM_HEADS,
        auxiliary_loss=detr.AUXILIARY_LOSS,
    )
    model = DetrForObjectDetection(config)
    if detr.PRETRAINED:
        name, revision = detr.PRETRAINED, ""
        if not Path(name).is_dir():
            name, _, revision = name.partition("@")
        source = DetrForObjectDetection.from_pretrained(name, revision=revision or "main")
        load_pretrained(model, source.state_dict(), cfg.MODEL.STEM_TO_GRAY)
        return model
    if detr.BACKBONE == "timm":
        put_timm_trunk(model, cfg)
    else:
        # The library freezes the first layers and the batch normalization of its backbone: that
        # suits learned weights only.
        thaw_batch_norm(model.model.backbone)
        model.model.backbone.requires_grad_(True)
    initialize_as_published(model)
    return model


def load_pretrained(detr: nn.Module, state: dict[str, Tensor], stem_to_gray: str) -> None:
    """Copy weights; an RGB stem turns gray, and the classifier of other classes starts anew.

    Raises:
        ValueError: further weights are missing or of another shape; names them.
    """
    own = detr.state_dict()
    wrong = []
    for name, value in own.items():
        given = state.get(name)
        if given is not None and given.ndim == 4 and given.shape[1] == 3 and value.shape[1] == 1:
            given = gray_stem(given, stem_to_gray, order="RGB")
        if given is not None and given.shape == value.shape:
            own[name] = given
        elif not name.startswith("class_labels_classifier."):
            wrong.append(name)
    if wrong:
        raise ValueError(
            f"MODEL.DETR.PRETRAINED does not fit: {len(wrong)} weights are missing or of another "
            f"shape, such as {wrong[0]}"
        )
    detr.load_state_dict(own)


def thaw_batch_norm(module: nn.Module) -> None:
    """Put a learning batch normalization in the place of each frozen one, in place."""
    for name, child in module.named_children():
        if "FrozenBatchNorm" in type(child).__name__:
            setattr(module, name, nn.BatchNorm2d(len(child.weight)))
        else:
            thaw_batch_norm(child)
