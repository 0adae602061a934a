"""Pictures of the graph at work while it is trained."""

from __future__ import annotations

import torch
from detectron2.config import CfgNode
from detectron2.engine import HookBase
from torch import nn

from ..data.build import load_cases
from ..data.cases import Case
from ..data.mapper import CaseMapper
from ..visualization.inside_figure import (
    correspondence_figure,
    features_figure,
    figure_pixels,
)
from .inside import inspect_case


class GraphPictures(HookBase):
    """Shows what the graph does to one case, always the same, in TensorBoard.

    Every ``period`` iterations two pictures are put into the event storage, ``agn/features``
    (features, F_B, F_I, attention, enhanced features, difference) and ``agn/nodes`` (which nodes
    of CC and MLO read each other). The training itself is left alone.

    Args:
        model: the detector, also wrapped for several processes.
        mapper: the mapper of test time.
        case: the case to look at.
        period: iterations between two pictures.
        level: pyramid level; empty: the finest one with a graph.
    """

    def __init__(
        self, model: nn.Module, mapper: CaseMapper, case: Case, period: int, level: str = ""
    ) -> None:
        self.model = getattr(model, "module", model)
        self.mapper, self.case = mapper, case
        self.period, self.level = period, level

    @classmethod
    def from_config(cls, cfg: CfgNode, model: nn.Module) -> GraphPictures | None:
        """The hook of ``MODEL.AGN.VIS_PERIOD``, or None where it is switched off.

        It looks at the first case with the most views of the first test data set.
        """
        if not cfg.MODEL.AGN.ENABLED or cfg.MODEL.AGN.VIS_PERIOD <= 0:
            return None
        names = cfg.DATASETS.TEST or cfg.DATASETS.TRAIN
        case = max(load_cases(names[:1]), key=len)
        return cls(model, CaseMapper(cfg, is_train=False), case, cfg.MODEL.AGN.VIS_PERIOD)

    def after_step(self) -> None:
        # Nothing to see while a stage of the training leaves the graph out.
        if (self.trainer.iter + 1) % self.period == 0 and self.model.backbone.reads_context:
            self.draw()

    def draw(self) -> None:
        """Put both pictures into the event storage."""
        training = self.model.training
        self.model.eval()
        try:
            insides = inspect_case(self.model, self.mapper, self.case, self.level)
        finally:
            self.model.train(training)
        title = f"{self.case.case_id}, iteration {self.trainer.iter + 1}"
        figures = {
            "features": features_figure(title, insides),
            "nodes": correspondence_figure(title, insides, self.mapper.layout),
        }
        for name, figure in figures.items():
            pixels = torch.from_numpy(figure_pixels(figure)).permute(2, 0, 1)
            self.trainer.storage.put_image(f"agn/{name}", pixels)
