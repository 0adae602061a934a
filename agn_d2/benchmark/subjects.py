"""What is compared: stock Detectron2 and the multi-view detector, with equal weights and data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.modeling import build_model
from detectron2.structures import BitMasks, Boxes, Instances
from detectron2.utils.events import EventStorage
from torch import nn

from ..structures import View
from ..utils.view_names import STANDARD_VIEWS, VIEWS

STOCK_ARCHITECTURE = {
    "MultiViewRCNN": "GeneralizedRCNN",
    "MultiViewRetinaNet": "RetinaNet",
    # Detectron2 builds FCOS from Python configs only; without a graph ours runs its code.
    "MultiViewFCOS": "MultiViewFCOS",
}
# A bottom-up of timm is no part of Detectron2: there the plain FPN over it is the stock one.
STOCK_BACKBONE = {"AGNResNetFPN": "build_resnet_fpn_backbone"}
ONE_AT_A_TIME, CASE, STOCK = "AGN, one image at a time", "AGN, 4-view case", "stock Detectron2"


@dataclass(frozen=True)
class Subject:
    """A model and what it reads in one run.

    Attributes:
        name: for the table.
        model: on its device.
        batches: model inputs; all of them make one run.
        images: examined images of one run.
    """

    name: str
    model: nn.Module
    batches: list[list[dict[str, Any]]]

    @property
    def images(self) -> int:
        return sum(map(len, self.batches))

    def infer(self, amp: torch.dtype | None) -> None:
        """One run of inference."""
        self.model.eval()
        with torch.no_grad(), self._precision(amp):
            for batch in self.batches:
                self.model(batch)

    def trainer(self, amp: torch.dtype | None) -> Callable[[], None]:
        """A function that does one run of training steps: forward, backward, SGD."""
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        # A rate so small that the weights stay what they are, and both models do equal work.
        optimizer = torch.optim.SGD(parameters, lr=1e-12, momentum=0.9)

        def run() -> None:
            self.model.train()
            for batch in self.batches:
                torch.manual_seed(0)  # the same proposals are drawn by both
                with self._precision(amp), EventStorage():
                    loss = sum(self.model(batch).values())
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

        return run

    def _precision(self, amp: torch.dtype | None) -> torch.autocast:
        device = next(self.model.parameters()).device.type
        return torch.autocast(device, dtype=amp, enabled=amp is not None)


def build_subjects(cfg: CfgNode, size: int, *, channels_last: bool) -> list[Subject]:
    """The stock detector and ours, on the same made-up case.

    Both have the same initial weights, and a graph starts as the identity: so both propose,
    detect and train on the same boxes, and what differs is the graph.

    Args:
        cfg: of a detector with AGN.
        size: height and width of the input in pixels.
        channels_last: memory layout of the weights.

    Raises:
        ValueError: the config has no graph, or a meta-architecture whose stock one is unknown.
    """
    torch.manual_seed(0)
    ours = build_model(cfg)
    stock = build_model(stock_cfg(cfg))
    missing = stock.load_state_dict(ours.state_dict(), strict=False).missing_keys
    assert not missing, missing
    if channels_last:
        for model in (ours, stock):
            model.to(memory_format=torch.channels_last)
    case = made_up_case(size, tuple(cfg.MODEL.AGN.LAYOUT), masks=cfg.MODEL.MASK_ON)
    return [
        Subject(STOCK, stock, [case]),
        Subject(CASE, ours, [case]),
        Subject(ONE_AT_A_TIME, ours, [[item] for item in case]),
    ]


def stock_cfg(cfg: CfgNode) -> CfgNode:
    """The config of Detectron2's own detector: same stem, pyramid, anchors and heads, no views."""
    architecture = cfg.MODEL.META_ARCHITECTURE
    if not cfg.MODEL.AGN.ENABLED or architecture not in STOCK_ARCHITECTURE:
        raise ValueError(
            "it is the graph that is measured: give a config with MODEL.AGN.ENABLED True and "
            f"MODEL.META_ARCHITECTURE one of {', '.join(STOCK_ARCHITECTURE)}; it has "
            f"{cfg.MODEL.AGN.ENABLED} and {architecture}"
        )
    stock = cfg.clone()
    stock.defrost()
    stock.MODEL.META_ARCHITECTURE = STOCK_ARCHITECTURE[architecture]
    stock.MODEL.AGN.ENABLED = False
    if cfg.MODEL.PROPOSAL_GENERATOR.NAME == "SampledRPN":
        stock.MODEL.PROPOSAL_GENERATOR.NAME = "RPN"
    if cfg.MODEL.FPN.TOP_BLOCK == "maxpool":
        name = cfg.MODEL.BACKBONE.NAME
        stock.MODEL.BACKBONE.NAME = STOCK_BACKBONE.get(name, name)
    return stock


def made_up_case(size: int, layout: tuple[int, int], *, masks: bool) -> list[dict[str, Any]]:
    """Four views of one patient as the mapper makes them, with one mass each, all examined."""
    generator = np.random.default_rng(0)
    counts = dict(zip(VIEWS, layout, strict=True))
    views = []
    for _, projection in STANDARD_VIEWS:
        image = torch.from_numpy(generator.random((1, size, size), dtype=np.float32))
        nodes = torch.from_numpy(generator.random((counts[projection], 2), dtype=np.float32))
        views.append(View(image, projection, nodes * size))
    return [
        {
            "file_name": f"made up {position}",
            "height": size,
            "width": size,
            "image": view.image,
            "instances": _mass(size, generator, masks),
            "examined_view": view,
            "auxiliary_view": views[position ^ 1],
            "contralateral_view": views[position ^ 2],
        }
        for position, view in enumerate(views)
    ]


def _mass(size: int, generator: np.random.Generator, masks: bool) -> Instances:
    side = size // 10
    x, y = (int(v) for v in generator.integers(0, size - side, 2))
    instances = Instances((size, size))
    instances.gt_boxes = Boxes(torch.tensor([[x, y, x + side, y + side]], dtype=torch.float32))
    instances.gt_classes = torch.zeros(1, dtype=torch.int64)
    if masks:
        mask = torch.zeros(1, size, size, dtype=torch.bool)
        mask[:, y : y + side, x : x + side] = True
        instances.gt_masks = BitMasks(mask)
    return instances
