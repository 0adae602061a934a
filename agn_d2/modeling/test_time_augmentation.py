"""Test-time augmentation: each case is read several times, and what is found is merged.

In the manner of Detectron2's ``GeneralizedRCNNWithTTA``, for any multi-view meta-architecture and
with the graph: all views of a case are mirrored and scaled alike, their nodes with them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
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
        cfg: with ``TEST.AUG.FLIP``, ``FLIP_VERTICAL``, ``SCALES`` and ``MERGE_IOU``.
        model: a multi-view detector.

    Raises:
        ValueError: nothing but a reading of the case as it is, or scales that are none.
    """

    def __init__(self, cfg: CfgNode, model: nn.Module) -> None:
        super().__init__()
        aug = cfg.TEST.AUG
        self.flips: list[Flip] = [
            (x, y)
            for y in ((False, True) if aug.FLIP_VERTICAL else (False,))
            for x in ((False, True) if aug.FLIP else (False,))
        ]
        self.scales = _check_scales(aug.SCALES)
        if len(self.flips) == 1 and self.scales == [1.0]:
            raise ValueError(
                "TEST.AUG.ENABLED without a flip or a scale does nothing; set TEST.AUG.FLIP or "
                "TEST.AUG.FLIP_VERTICAL True, further TEST.AUG.SCALES, or TEST.AUG.ENABLED False"
            )
        # Sizes that the model pads nothing to; of a detector without a backbone all.
        backbone = getattr(model, "backbone", None)
        self.divisor = getattr(backbone, "size_divisibility", 0) or 1
        self.merge_iou = aug.MERGE_IOU
        # As in Detectron2 a negative number is no limit.
        limit = cfg.TEST.DETECTIONS_PER_IMAGE
        self.limit = limit if limit >= 0 else None
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
        for scale, flip in product(self.scales, self.flips):
            inputs = scale_inputs(batched_inputs, scale, self.divisor)
            outputs = self.model(flip_inputs(inputs, flip))
            for of_image, output in zip(found, outputs, strict=True):
                device = output["instances"].scores.device
                reading = flip_instances(output["instances"], flip).to("cpu")
                of_image.append(_pack_masks(reading))
        merged = (merge(of_image, self.merge_iou)[: self.limit] for of_image in found)
        return [{"instances": _unpack_masks(instances).to(device)} for instances in merged]


def augmented(cfg: CfgNode, model: nn.Module) -> nn.Module:
    """The detector with test-time augmentation if the config wants it, else as it is."""
    return MultiViewWithTTA(cfg, model) if cfg.TEST.AUG.ENABLED else model


def _check_scales(scales: Sequence[Any]) -> list[float]:
    """``TEST.AUG.SCALES`` without repeats."""
    if not scales or not all(isinstance(s, (int, float)) and 0 < s < math.inf for s in scales):
        raise ValueError(
            f"TEST.AUG.SCALES must be numbers above 0, such as (0.8, 1.0), got {scales}"
        )
    return list(dict.fromkeys(map(float, scales)))


def flip_inputs(batched_inputs: Sequence[dict[str, Any]], flip: Flip) -> list[dict[str, Any]]:
    """Model inputs with all their views mirrored; views that were one object stay one."""
    return _change_views(batched_inputs, lambda view: flip_view(view, flip))


def scale_inputs(
    batched_inputs: Sequence[dict[str, Any]], scale: float, divisor: int = 1
) -> list[dict[str, Any]]:
    """Model inputs with all their views scaled; views that were one object stay one."""
    if scale == 1:
        return list(batched_inputs)
    return _change_views(batched_inputs, lambda view: scale_view(view, scale, divisor))


def _change_views(
    batched_inputs: Sequence[dict[str, Any]], change: Callable[[View], View]
) -> list[dict[str, Any]]:
    changed: dict[int, View] = {}

    def of(view: View | None) -> View | None:
        if view is None:
            return None
        if id(view) not in changed:
            changed[id(view)] = change(view)
        return changed[id(view)]

    outputs = []
    for inputs in batched_inputs:
        views = {role: of(inputs[role]) for role in ROLES if role in inputs}
        outputs.append(inputs | views | {"image": views["examined_view"].image})
    return outputs


def flip_view(view: View, flip: Flip) -> View:
    """A view mirrored along x, along y, or both, with its nodes."""
    axes = [axis for axis, mirrored in zip((-1, -2), flip, strict=True) if mirrored]
    nodes = view.nodes
    if nodes is not None:
        size = nodes.new_tensor(view.image.shape[-2:]).flip(0)
        nodes = torch.where(torch.tensor(flip, device=nodes.device), size - nodes, nodes)
    return replace(view, image=view.image.flip(axes), nodes=nodes)


def scale_view(view: View, scale: float, divisor: int = 1) -> View:
    """A view scaled by about a factor, with its nodes.

    Args:
        view: to scale.
        scale: factor.
        divisor: of the new height and width, so that the model pads nothing.
    """
    old = view.image.shape[-2:]
    size = [max(round(side * scale / divisor), 1) * divisor for side in old]
    image = F.interpolate(view.image[None], size, mode="bilinear", antialias=True)[0]
    nodes = view.nodes
    if nodes is not None:
        nodes = nodes * (nodes.new_tensor(size) / nodes.new_tensor(old)).flip(0)
    return replace(view, image=image, nodes=nodes)


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
    return _fuse(pooled, _groups(overlap.numpy(), reading.tolist()), len(found))


def _groups(overlap: np.ndarray, readings: Sequence[int]) -> list[list[int]]:
    """Positions of the detections of each finding, by falling score of its best one.

    Args:
        overlap: (D, D) bool, detections by falling score.
        readings: of each detection.
    """
    groups: list[list[int]] = []
    members: list[set[int]] = []
    for n, reading in enumerate(readings):
        firsts = [group[0] for group in groups]
        for g in np.flatnonzero(overlap[firsts, n]):
            if reading not in members[g]:
                groups[g].append(n)
                members[g].add(reading)
                break
        else:
            groups.append([n])
            members.append({reading})
    return groups


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
