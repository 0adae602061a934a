"""Detectron2's trainer with case loaders, FROC and the solver of agn_d2."""

from __future__ import annotations

import os
import weakref
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.engine import DefaultTrainer, HookBase, SimpleTrainer
from detectron2.evaluation import COCOEvaluator, DatasetEvaluators
from detectron2.utils import comm
from torch import nn
from torch.utils.data import DataLoader

from ..data.build import build_test_loader, build_train_loader
from ..evaluation import FROCEvaluator
from .checkpoint import AGNCheckpointer
from .hooks import GraphPictures
from .precision import speed_up_on_cpu
from .solver import build_optimizer


class AGNTrainer(DefaultTrainer):
    """Trains and evaluates on whole cases; everything else is Detectron2's ``DefaultTrainer``."""

    def __init__(self, cfg: CfgNode) -> None:
        super().__init__(cfg)
        if cfg.MODEL.DEVICE == "cpu":
            # Detectron2's AMPTrainer demands CUDA; on the CPU the model itself runs autocast.
            parts = self._trainer
            self._trainer = SimpleTrainer(parts.model, parts.data_loader, parts.optimizer)
        self.checkpointer = build_checkpointer(
            cfg, self._trainer.model, trainer=weakref.proxy(self)
        )

    def build_hooks(self) -> list[HookBase | None]:
        """Detectron2's hooks, and pictures of the graph before the writer (on its process)."""
        hooks = super().build_hooks()
        if comm.is_main_process():
            hooks.insert(-1, GraphPictures.from_config(self.cfg, self._trainer.model))
        return hooks

    @classmethod
    def build_model(cls, cfg: CfgNode) -> nn.Module:
        model = super().build_model(cfg)
        if cfg.MODEL.DEVICE == "cpu":
            speed_up_on_cpu(model, amp=cfg.SOLVER.AMP.ENABLED)
        return model

    @classmethod
    def build_train_loader(cls, cfg: CfgNode) -> DataLoader:
        return build_train_loader(cfg)

    @classmethod
    def build_test_loader(cls, cfg: CfgNode, dataset_name: str) -> DataLoader:
        return build_test_loader(cfg, dataset_name)

    @classmethod
    def build_optimizer(cls, cfg: CfgNode, model: nn.Module) -> torch.optim.Optimizer:
        return build_optimizer(cfg, model)

    @classmethod
    def build_evaluator(cls, cfg: CfgNode, dataset_name: str) -> DatasetEvaluators:
        """COCO AP and FROC."""
        output = os.path.join(cfg.OUTPUT_DIR, "inference", dataset_name)
        tasks = ("bbox", "segm") if cfg.MODEL.MASK_ON else ("bbox",)
        froc = cfg.TEST.FROC
        return DatasetEvaluators(
            [
                # Detectron2's fast COCO evaluation is compiled code that not every build has.
                COCOEvaluator(dataset_name, tasks, output_dir=output, use_fast_impl=False),
                FROCEvaluator(
                    dataset_name,
                    output_dir=output,
                    iou=froc.IOU,
                    fppi=tuple(froc.FPPI),
                    duplicates=froc.DUPLICATES,
                ),
            ]
        )


def build_checkpointer(cfg: CfgNode, model: nn.Module, **checkpointables: Any):
    """The checkpointer of a run, for training as well as for ``--eval-only``."""
    return AGNCheckpointer(
        model,
        cfg.OUTPUT_DIR,
        stem_to_gray=cfg.MODEL.STEM_TO_GRAY,
        stem_order="BGR" if cfg.INPUT.FORMAT == "BGR" else "RGB",
        **checkpointables,
    )
