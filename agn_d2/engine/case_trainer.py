"""What a trainer builds from a config: model, loaders of whole cases, optimizer, evaluation."""

from __future__ import annotations

from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.engine import DefaultTrainer
from detectron2.evaluation import DatasetEvaluator, DatasetEvaluators, print_csv_format
from detectron2.utils import comm
from torch import nn
from torch.utils.data import DataLoader

from ..data.build import build_test_loader, build_train_loader
from ..evaluation.coco_evaluator import CheckedCOCOEvaluator
from ..modeling.meta_arch import check_views_are_read
from ..modeling.test_time_augmentation import augmented
from .evaluation import (
    build_froc_evaluator,
    evaluate_rescored,
    forget_rescored,
    results_folder,
    write_context_detections,
)
from .precision import speed_up_on_cpu, trains_in_bfloat16
from .solver import build_optimizer
from .stages import scale_rates


class CaseTrainer(DefaultTrainer):
    """Detectron2's ``DefaultTrainer`` with the builders of agn_d2; a subclass says how to train."""

    @classmethod
    def build_model(cls, cfg: CfgNode) -> nn.Module:
        model = super().build_model(cfg)
        check_views_are_read(cfg, model)
        if cfg.MODEL.DEVICE == "cpu":
            speed_up_on_cpu(model, amp=trains_in_bfloat16(cfg))
        elif cfg.SOLVER.AMP.ENABLED:
            # Half-precision convolutions of CUDA want this layout too.
            model.to(memory_format=torch.channels_last)
        return model

    @staticmethod
    def auto_scale_workers(cfg: CfgNode, num_workers: int) -> CfgNode:
        """Detectron2's ``SOLVER.REFERENCE_WORLD_SIZE``, for the rates of ``SOLVER.STAGES`` too."""
        scaled = DefaultTrainer.auto_scale_workers(cfg, num_workers)
        if scaled is cfg:
            return cfg
        scaled.defrost()
        factor = num_workers / cfg.SOLVER.REFERENCE_WORLD_SIZE
        scaled.SOLVER.STAGES = scale_rates(cfg.SOLVER.STAGES, factor)
        if cfg.is_frozen():
            scaled.freeze()
        return scaled

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
        output = results_folder(cfg, dataset_name)
        tasks = ("bbox", "segm") if cfg.MODEL.MASK_ON else ("bbox",)
        return DatasetEvaluators(
            [
                CheckedCOCOEvaluator(dataset_name, tasks, output_dir=output),
                build_froc_evaluator(cfg, dataset_name, output),
            ]
        )

    @classmethod
    def test(
        cls,
        cfg: CfgNode,
        model: nn.Module,
        evaluators: DatasetEvaluator | list[DatasetEvaluator] | None = None,
    ) -> dict[str, Any]:
        """As in Detectron2, and what this package adds.

        That is test-time augmentation (``TEST.AUG.ENABLED``), the detections in context views
        (``TEST.CONTEXT_DETECTIONS``), and the relation of ``MODEL.CROSS_VIEW.RELATION``, which
        gives "froc_relation" beside "froc".
        """
        model = augmented(cfg, model)
        if evaluators is not None:
            return super().test(cfg, model, evaluators)
        names = cfg.DATASETS.TEST
        for name in names:
            if comm.is_main_process():
                forget_rescored(cfg, name)
            write_context_detections(cfg, model, name)
        results = super().test(cfg, model)
        if cfg.MODEL.CROSS_VIEW.RELATION and comm.is_main_process():
            for name in names:
                of_dataset = results if len(names) == 1 else results[name]
                of_dataset["froc_relation"] = evaluate_rescored(cfg, name)
                print_csv_format({"froc_relation": of_dataset["froc_relation"]})
        return results
