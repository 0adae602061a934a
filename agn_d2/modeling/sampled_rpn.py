"""Detectron2's RPN whose backward pass visits sampled anchors only.

Shape legend
    B: images      C: channels      H, W: cells of a level      A: anchors of a cell
    S: sampled anchors of the batch
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from detectron2.config import configurable
from detectron2.modeling import PROPOSAL_GENERATOR_REGISTRY
from detectron2.modeling.proposal_generator.rpn import RPN, StandardRPNHead
from detectron2.structures import ImageList, Instances
from torch import Tensor, nn


@PROPOSAL_GENERATOR_REGISTRY.register()
class SampledRPN(RPN):
    """``RPN`` with the same proposals, losses and gradients, and a far cheaper backward pass.

    The losses read the few anchors that are sampled (``MODEL.RPN.BATCH_SIZE_PER_IMAGE``); at all
    others the gradient is 0, yet the head's convolutions go back through every cell of every
    level. Here all anchors are predicted without a graph, for the proposals, and the sampled ones
    once more with it. Sums run in another order, so that figures agree within rounding.

    Raises:
        ValueError: the head is not ``StandardRPNHead`` with one 3 x 3 convolution.
    """

    @configurable
    def __init__(self, *, head: nn.Module, **arguments) -> None:
        """See Detectron2's ``RPN`` for the arguments."""
        super().__init__(head=head, **arguments)
        if not isinstance(head, StandardRPNHead) or isinstance(head.conv, nn.Sequential):
            raise ValueError(
                "MODEL.PROPOSAL_GENERATOR.NAME SampledRPN needs MODEL.RPN.HEAD_NAME "
                "StandardRPNHead with one entry in MODEL.RPN.CONV_DIMS; RPN takes any"
            )

    def forward(
        self,
        images: ImageList,
        features: dict[str, Tensor],
        gt_instances: list[Instances] | None = None,
    ) -> tuple[list[Instances], dict[str, Tensor]]:
        """Proposals and losses, see ``RPN.forward``."""
        if not self.training:
            return super().forward(images, features, gt_instances)
        levels = [features[name] for name in self.in_features]
        anchors = self.anchor_generator(levels)
        labels, boxes = self.label_and_sample_anchors(anchors, gt_instances)
        sampled = torch.stack(labels) >= 0
        logits_sampled, deltas_sampled = self._predict_at(levels, sampled)
        # Second: autocast of a PyTorch before its pull request 165068 takes the half-precision
        # biases that it has made here once more above, and they have no gradient.
        with torch.no_grad():
            logits, deltas = self._predict(levels)
        # In row-major order, as nonzero() numbers them.
        losses = self.losses(
            anchors,
            [torch.cat(logits, dim=1).masked_scatter(sampled, logits_sampled)],
            labels,
            [torch.cat(deltas, dim=1).masked_scatter(sampled[:, :, None], deltas_sampled)],
            boxes,
        )
        return self.predict_proposals(anchors, logits, deltas, images.image_sizes), losses

    def _predict(self, levels: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """For each level the logits (B, H * W * A) and deltas (B, H * W * A, box_dim)."""
        logits, deltas = self.rpn_head(levels)
        box_dim = self.anchor_generator.box_dim
        return (
            [level.permute(0, 2, 3, 1).flatten(1) for level in logits],
            [level.permute(0, 2, 3, 1).flatten(1).unflatten(1, (-1, box_dim)) for level in deltas],
        )

    def _predict_at(self, levels: list[Tensor], sampled: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (S,) and deltas (S, box_dim) of the sampled anchors.

        Args:
            levels: (B, C, H, W) each.
            sampled: (B, anchors of all levels) bool, S of them True.
        """
        head, count = self.rpn_head, self.anchor_generator.num_anchors[0]
        image, anchor = sampled.nonzero(as_tuple=True)
        neighbors, inside = neighbor_rows(levels, image, anchor // count)
        rows = torch.cat([level.permute(0, 2, 3, 1).flatten(0, 2) for level in levels])
        patches = rows.index_select(0, neighbors.flatten()).unflatten(0, neighbors.shape)
        patches = patches * inside[:, :, None].to(patches.dtype)
        # (out, C, 3, 3) -> (out, 9 C), in the order of the neighbors.
        weight = head.conv.weight.permute(0, 2, 3, 1).flatten(1)
        hidden = head.conv.activation(F.linear(patches.flatten(1), weight, head.conv.bias))
        logits = _linear(hidden, head.objectness_logits)
        deltas = _linear(hidden, head.anchor_deltas).unflatten(1, (count, -1))
        of_cell = anchor % count
        row = torch.arange(len(anchor), device=anchor.device)
        return logits[row, of_cell], deltas[row, of_cell]


def neighbor_rows(levels: list[Tensor], image: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """The 3 x 3 neighborhoods of cells in the rows of all levels one after the other.

    Args:
        levels: (B, C, H, W) each; a level's rows are its cells, image after image.
        image: (S,) int64, of the batch.
        cell: (S,) int64, counted through the levels of an image.

    Returns:
        rows (S, 9) int64, row by row of the neighborhood, and (S, 9) bool, False where a
        neighbor lies outside of its level; its row is then that of some other cell.
    """
    size = torch.tensor([level.shape[-2:] for level in levels], device=cell.device)
    cells = size.prod(dim=1)
    end = cells.cumsum(0)
    level = torch.bucketize(cell, end, right=True)
    height, width = size[level].unbind(1)
    within = cell - (end - cells)[level]
    step = torch.arange(-1, 2, device=cell.device)
    y = (within // width)[:, None] + step.repeat_interleave(3)
    x = (within % width)[:, None] + step.repeat(3)
    inside = (y >= 0) & (y < height[:, None]) & (x >= 0) & (x < width[:, None])
    first = len(levels[0]) * (end - cells)[level] + image * cells[level]
    rows = first[:, None] + y * width[:, None] + x
    return rows.where(inside, first[:, None]), inside


def _linear(rows: Tensor, convolution: nn.Conv2d) -> Tensor:
    """What a 1 x 1 convolution makes of rows of channels."""
    return F.linear(rows, convolution.weight.flatten(1), convolution.bias)
