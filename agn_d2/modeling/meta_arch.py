"""Detectron2's detectors, reading several views."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY, GeneralizedRCNN, RetinaNet, build_backbone
from detectron2.modeling.meta_arch.fcos import FCOS, FCOSHead
from detectron2.structures import ImageList
from torch import Tensor, nn

from ..structures import MultiViewBatch, check_inputs, distinct_views, pad_nodes


class MultiViewMixin:
    """Hands a ``MultiViewBatch`` to the backbone of any Detectron2 detector.

    Every detector calls ``images = self.preprocess_image(batched_inputs)`` and then
    ``self.backbone(images.tensor)``, and its heads read only ``images.image_sizes``. So this
    one method is all that changes: ``images.tensor`` becomes the distinct views of the batch
    with their links, ``images.image_sizes`` stays that of the examined images.
    """

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """As the detector's own.

        Raises:
            ValueError: a level under an IN_FEATURES that nothing makes; names the key.
        """
        with _named_levels(cfg):
            return super().from_config(cfg)

    def preprocess_image(self, batched_inputs: list[dict[str, Any]]) -> ImageList:
        """Normalize, pad and batch the views.

        Args:
            batched_inputs: B model inputs as ``CaseMapper`` makes them.

        Returns:
            An ImageList of the B examined images.

        Raises:
            ValueError: inputs of another mapper, or of Detectron2's ``DefaultPredictor``.
        """
        if not getattr(self.backbone, "reads_context", False):
            check_inputs(batched_inputs)
            return super().preprocess_image(batched_inputs)
        views, (examined, auxiliary, contralateral) = distinct_views(batched_inputs)
        images = super().preprocess_image([{"image": view.image} for view in views])
        nodes, valid = pad_nodes(views, self.backbone.agn.layout)

        def to_device(tensor: Tensor) -> Tensor:
            return tensor.to(images.tensor.device, non_blocking=True)

        batch = MultiViewBatch(
            views=images.tensor,
            view_sizes=to_device(torch.tensor(images.image_sizes)),
            is_mlo=to_device(torch.tensor([view.projection == "MLO" for view in views])),
            nodes=to_device(nodes),
            node_valid=to_device(valid),
            examined=tuple(examined),
            auxiliary=to_device(torch.tensor(auxiliary)),
            contralateral=to_device(torch.tensor(contralateral)),
        )
        return ImageList(batch, [images.image_sizes[index] for index in examined])

    def visualize_training(self, batched_inputs: list[dict[str, Any]], results: Any) -> None:
        """Pictures of ``VIS_PERIOD``: Detectron2's, which takes three channels of 0 to 255.

        Args:
            batched_inputs: model inputs as ``CaseMapper`` makes them.
            results: proposals of an R-CNN, detections of RetinaNet.
        """
        shown = [i | {"image": (255 * i["image"]).expand(3, -1, -1)} for i in batched_inputs]
        super().visualize_training(shown, results)


@contextlib.contextmanager
def _named_levels(cfg: CfgNode) -> Iterator[None]:
    """A level that is looked up in vain is told with its key; a KeyError holds it alone."""
    try:
        yield
    except KeyError as error:
        level = error.args[0]
        parts = ("FPN", "RPN", "ROI_HEADS", "RETINANET")
        keys = [f"MODEL.{p}.IN_FEATURES" for p in parts if level in cfg.MODEL[p].IN_FEATURES]
        if not keys:
            raise
        raise ValueError(f"{' and '.join(keys)}: there is no level {level!r}") from error


def check_views_are_read(cfg: CfgNode, model: nn.Module) -> None:
    """Refuse a detector whose graph would take part in nothing.

    Detectron2's own detectors hand single images to the backbone, and its own backbones have no
    graph; either trains and detects without a word.

    Args:
        cfg: what the model was built from.
        model: a detector; one without a ``backbone`` is let through.

    Raises:
        ValueError: MODEL.AGN.ENABLED, but nothing reads other views; names the key.
    """
    if not cfg.MODEL.AGN.ENABLED or not hasattr(model, "backbone"):
        return
    if getattr(model.backbone, "agn", None) is None:
        raise ValueError(
            f"MODEL.AGN.ENABLED is True, but MODEL.BACKBONE.NAME {cfg.MODEL.BACKBONE.NAME} has no "
            "graph: take AGNResNetFPN or AGNTimmFPN, or set MODEL.AGN.ENABLED False"
        )
    if not isinstance(model, MultiViewMixin):
        raise ValueError(
            f"MODEL.AGN.ENABLED is True, but MODEL.META_ARCHITECTURE {cfg.MODEL.META_ARCHITECTURE} "
            "gives its backbone single images: take MultiViewRCNN, MultiViewRetinaNet, "
            "MultiViewFCOS or a class of yours with MultiViewMixin, or set MODEL.AGN.ENABLED False"
        )
    if not hasattr(super(MultiViewMixin, model), "preprocess_image"):
        # Detectron2's ProposalNetwork and SemanticSegmentor batch their images in forward().
        raise ValueError(
            f"MODEL.AGN.ENABLED is True, but MODEL.META_ARCHITECTURE {cfg.MODEL.META_ARCHITECTURE} "
            "has no preprocess_image, by which MultiViewMixin gives its backbone the views: derive "
            "it from a detector that has, or set MODEL.AGN.ENABLED False"
        )


@META_ARCH_REGISTRY.register()
class MultiViewRCNN(MultiViewMixin, GeneralizedRCNN):
    """Faster, Mask and Cascade R-CNN that read several views."""


@META_ARCH_REGISTRY.register()
class MultiViewRetinaNet(MultiViewMixin, RetinaNet):
    """RetinaNet that reads several views."""


@META_ARCH_REGISTRY.register()
class MultiViewFCOS(MultiViewMixin, FCOS):
    """FCOS that reads several views.

    Detectron2 has FCOS for its Python configs only. This one is built from a YAML: it reads the
    keys of ``MODEL.RETINANET``, whose head it shares, and ``MODEL.FCOS``.
    """

    @configurable
    def __init__(self, **arguments: Any) -> None:
        """See Detectron2's ``FCOS`` for the arguments."""
        super().__init__(**arguments)

    def losses(
        self, anchors, pred_logits, gt_labels, pred_anchor_deltas, gt_boxes, pred_centerness
    ) -> dict[str, Tensor]:
        """FCOS's losses in float32: its GIoU loss refuses to mix precisions under AMP."""
        predictions = (pred_logits, pred_anchor_deltas, pred_centerness)
        logits, deltas, centerness = ([level.float() for level in p] for p in predictions)
        with torch.autocast(self.device.type, enabled=False):
            return super().losses(anchors, logits, gt_labels, deltas, gt_boxes, centerness)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        retina = cfg.MODEL.RETINANET
        with _named_levels(cfg):
            backbone = build_backbone(cfg)
            shapes = [backbone.output_shape()[level] for level in retina.IN_FEATURES]
        return {
            "backbone": backbone,
            "head": FCOSHead(
                input_shape=shapes,
                num_classes=retina.NUM_CLASSES,
                conv_dims=[shapes[0].channels] * retina.NUM_CONVS,
                prior_prob=retina.PRIOR_PROB,
                norm=retina.NORM,
            ),
            "head_in_features": retina.IN_FEATURES,
            "num_classes": retina.NUM_CLASSES,
            "center_sampling_radius": cfg.MODEL.FCOS.CENTER_SAMPLING_RADIUS,
            "focal_loss_alpha": retina.FOCAL_LOSS_ALPHA,
            "focal_loss_gamma": retina.FOCAL_LOSS_GAMMA,
            "test_score_thresh": retina.SCORE_THRESH_TEST,
            "test_topk_candidates": retina.TOPK_CANDIDATES_TEST,
            "test_nms_thresh": retina.NMS_THRESH_TEST,
            "max_detections_per_image": cfg.TEST.DETECTIONS_PER_IMAGE,
            "pixel_mean": cfg.MODEL.PIXEL_MEAN,
            "pixel_std": cfg.MODEL.PIXEL_STD,
        }
