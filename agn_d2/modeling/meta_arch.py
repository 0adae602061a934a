"""Detectron2's detectors, reading several views."""

from __future__ import annotations

from typing import Any

import torch
from detectron2.modeling import META_ARCH_REGISTRY, GeneralizedRCNN, RetinaNet
from detectron2.structures import ImageList
from torch import Tensor

from ..structures import MultiViewBatch, distinct_views, pad_nodes


class MultiViewMixin:
    """Hands a ``MultiViewBatch`` to the backbone of any Detectron2 meta-architecture.

    Every meta-architecture calls ``images = self.preprocess_image(batched_inputs)`` and then
    ``self.backbone(images.tensor)``, and its heads read only ``images.image_sizes``. So this
    one method is all that changes: ``images.tensor`` becomes the distinct views of the batch
    with their links, ``images.image_sizes`` stays that of the examined images.
    """

    def preprocess_image(self, batched_inputs: list[dict[str, Any]]) -> ImageList:
        """Normalise, pad and batch the views.

        Args:
            batched_inputs: B model inputs as ``CaseMapper`` makes them.

        Returns:
            An ImageList of the B examined images.
        """
        if not getattr(self.backbone, "reads_context", False):
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


@META_ARCH_REGISTRY.register()
class MultiViewRCNN(MultiViewMixin, GeneralizedRCNN):
    """Faster, Mask and Cascade R-CNN that read several views."""


@META_ARCH_REGISTRY.register()
class MultiViewRetinaNet(MultiViewMixin, RetinaNet):
    """RetinaNet that reads several views."""
