"""Test-time augmentation: each case is read mirrored as well, and what is found is merged.

In the manner of Detectron2's ``GeneralizedRCNNWithTTA``, for any multi-view meta-architecture and
with the graph: all views of a case are mirrored alike, their nodes with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.structures import Boxes, ImageList, Instances, pairwise_iou
from torch import Tensor, nn

from ..structures import View
from ..structures.views import ROLES

# Mirrored along x, along y.
Flip = tuple[bool, bool]


class MultiViewWithTTA(nn.Module):
    """A detector with test-time augmentation, called as the detector itself.

    Args:
        cfg: with ``TEST.AUG.FLIP``, ``FLIP_VERTICAL`` and ``MERGE_IOU``. The input size is always
            ``INPUT.SIZE``.
        model: a multi-view detector.

    Raises:
        ValueError: neither flip is asked for.
    """

    def __init__(self, cfg: CfgNode, model: nn.Module) -> None:
        super().__init__()
        aug = cfg.TEST.AUG
        self.flips: list[Flip] = [
            (x, y)
            for y in ((False, True) if aug.FLIP_VERTICAL else (False,))
            for x in ((False, True) if aug.FLIP else (False,))
        ]
        if len(self.flips) == 1:
            raise ValueError(
                "TEST.AUG.ENABLED without a flip does nothing; set TEST.AUG.FLIP or "
                "TEST.AUG.FLIP_VERTICAL True, or TEST.AUG.ENABLED False"
            )
        self.merge_iou = aug.MERGE_IOU
        self.limit = cfg.TEST.DETECTIONS_PER_IMAGE
        self.model = model
        self.train(model.training)

    @property
    def backbone(self) -> nn.Module:
        """The detector's own."""
        return self.model.backbone

    def preprocess_image(self, batched_inputs: list[dict[str, Any]]) -> ImageList:
        """The detector's own, of the inputs as they are."""
        return self.model.preprocess_image(batched_inputs)

    @torch.no_grad()
    def forward(self, batched_inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What the detector, in eval mode, finds in inputs of ``CaseMapper``, merged."""
        found: list[list[Instances]] = [[] for _ in batched_inputs]
        for flip in self.flips:
            outputs = self.model(flip_inputs(batched_inputs, flip))
            for of_image, output in zip(found, outputs, strict=True):
                device = output["instances"].scores.device
                reading = flip_instances(output["instances"], flip).to("cpu")
                of_image.append(_pack_masks(reading))
        merged = (merge(of_image, self.merge_iou)[: self.limit] for of_image in found)
        return [{"instances": _unpack_masks(instances).to(device)} for instances in merged]


def augmented(cfg: CfgNode, model: nn.Module) -> nn.Module:
    """The detector with test-time augmentation if the config wants it, else as it is."""
    return MultiViewWithTTA(cfg, model) if cfg.TEST.AUG.ENABLED else model


def flip_inputs(batched_inputs: Sequence[dict[str, Any]], flip: Flip) -> list[dict[str, Any]]:
    """Model inputs with all their views mirrored; views that were one object stay one."""
    mirrored: dict[int, View] = {}

    def of(view: View | None) -> View | None:
        if view is None:
            return None
        if id(view) not in mirrored:
            mirrored[id(view)] = flip_view(view, flip)
        return mirrored[id(view)]

    flipped = []
    for inputs in batched_inputs:
        views = {role: of(inputs[role]) for role in ROLES if role in inputs}
        flipped.append(inputs | views | {"image": views["examined_view"].image})
    return flipped


def flip_view(view: View, flip: Flip) -> View:
    """A view mirrored along x, along y, or both, with its nodes."""
    axes = [axis for axis, mirrored in zip((-1, -2), flip, strict=True) if mirrored]
    nodes = view.nodes
    if nodes is not None:
        size = nodes.new_tensor(view.image.shape[-2:]).flip(0)
        nodes = torch.where(torch.tensor(flip, device=nodes.device), size - nodes, nodes)
    return replace(view, image=view.image.flip(axes), nodes=nodes)


def flip_instances(instances: Instances, flip: Flip) -> Instances:
    """Detections of a mirrored image in the image as it was."""
    height, width = instances.image_size
    x0, y0, x1, y1 = instances.pred_boxes.tensor.unbind(dim=1)
    if flip[0]:
        x0, x1 = width - x1, width - x0
    if flip[1]:
        y0, y1 = height - y1, height - y0
    moved = Instances(instances.image_size, **instances.get_fields())
    moved.pred_boxes = Boxes(torch.stack([x0, y0, x1, y1], dim=1))
    if moved.has("pred_masks"):
        axes = [axis for axis, mirrored in zip((-1, -2), flip, strict=True) if mirrored]
        moved.pred_masks = moved.pred_masks.flip(axes)
    return moved


def _pack_masks(instances: Instances) -> Instances:
    """One bit instead of a byte for each pixel while all readings are held, on the CPU."""
    if instances.has("pred_masks"):
        masks = instances.pred_masks.flatten(start_dim=1).numpy()
        instances.packed_masks = torch.from_numpy(np.packbits(masks, axis=1))
        instances.remove("pred_masks")
    return instances


def _unpack_masks(instances: Instances) -> Instances:
    if instances.has("packed_masks"):
        height, width = instances.image_size
        bits = instances.packed_masks.numpy()
        masks = np.unpackbits(bits, axis=1, count=height * width).view(np.bool_)
        instances.pred_masks = torch.from_numpy(masks).view(-1, height, width)
        instances.remove("packed_masks")
    return instances


def merge(found: Sequence[Instances], iou: float) -> Instances:
    """Detections of one image from several readings, as one.

    By falling score, each detection joins the first group whose best detection is of its class,
    overlaps it by ``iou`` and has none of its reading; else it founds a group. A group becomes
    its best detection with the mean of the scores over all readings, 0 where a reading has
    none, and the mean of the boxes, weighted by score (weighted boxes fusion: Solovyev et al.,
    Image and Vision Computing 107, 2021).

    Args:
        found: a reading each, on the CPU.
        iou: from which on two boxes are one finding.

    Returns:
        by falling score.
    """
    pooled = Instances.cat(list(found))
    reading = torch.cat([torch.full((len(one),), n) for n, one in enumerate(found)])
    order = pooled.scores.argsort(descending=True, stable=True)
    pooled, reading = pooled[order], reading[order]
    overlap = pairwise_iou(pooled.pred_boxes, pooled.pred_boxes) >= iou
    overlap &= pooled.pred_classes[:, None] == pooled.pred_classes[None]
    groups: list[list[int]] = []
    members: list[set[int]] = []
    for n, of_reading in enumerate(reading.tolist()):
        for group, readings in zip(groups, members, strict=True):
            if overlap[group[0], n] and of_reading not in readings:
                group.append(n)
                readings.add(of_reading)
                break
        else:
            groups.append([n])
            members.append({of_reading})
    return _fuse(pooled, groups, len(found))


def _fuse(pooled: Instances, groups: Sequence[Sequence[int]], readings: int) -> Instances:
    weights = _membership(groups, len(pooled), pooled.scores)
    best = torch.tensor([group[0] for group in groups], dtype=torch.int64)
    fused = pooled[best]
    total = weights.sum(dim=1)
    fused.pred_boxes = Boxes(weights @ pooled.pred_boxes.tensor / total[:, None])
    fused.scores = total / readings
    return fused[fused.scores.argsort(descending=True, stable=True)]


def _membership(groups: Sequence[Sequence[int]], count: int, scores: Tensor) -> Tensor:
    """(groups, count): the score of each detection in the row of its group."""
    weights = scores.new_zeros((len(groups), count))
    for row, group in enumerate(groups):
        weights[row, list(group)] = scores[list(group)]
    return weights
