"""What an evaluation writes beside Detectron2's: FROC, context views, re-scored results."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from detectron2.config import CfgNode
from detectron2.data import MetadataCatalog
from detectron2.evaluation import DatasetEvaluator, inference_on_dataset
from detectron2.utils import comm
from torch import nn

from ..cross_view.relation_file import configured_relation
from ..cross_view.results import CONTEXT_RESULTS, DatasetDetections
from ..data.build import build_context_loader
from ..evaluation.coco_results import read_detections, read_ground_truth
from ..evaluation.froc_evaluator import FROCEvaluator
from ..evaluation.runs import RESCORED, RESULTS
from ..utils.files import write_json

logger = logging.getLogger(__name__)


def results_folder(cfg: CfgNode, dataset_name: str) -> str:
    """Where the results on a data set are written."""
    return os.path.join(cfg.OUTPUT_DIR, "inference", dataset_name)


def build_froc_evaluator(
    cfg: CfgNode, dataset_name: str, output_dir: str | os.PathLike[str]
) -> FROCEvaluator:
    """The evaluator of ``TEST.FROC``."""
    froc = cfg.TEST.FROC
    return FROCEvaluator(
        dataset_name,
        output_dir=os.fspath(output_dir),
        iou=froc.IOU,
        fppi=tuple(froc.FPPI),
        duplicates=froc.DUPLICATES,
        hit=froc.HIT,
        lesion_images_only=froc.LESION_IMAGES_ONLY,
    )


class ContextDetections(DatasetEvaluator):
    """Collects what is found in context views, as COCO results with file names as image ids.

    Args:
        dataset_name: registered data set.
        file: to write.
    """

    def __init__(self, dataset_name: str, file: Path) -> None:
        metadata = MetadataCatalog.get(dataset_name)
        self._root = metadata.image_root
        ids = metadata.thing_dataset_id_to_contiguous_id
        self._category_ids = {contiguous: own for own, contiguous in ids.items()}
        self._file = file
        self.reset()

    def reset(self) -> None:
        self._found: list[dict[str, Any]] = []

    def process(
        self, inputs: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]
    ) -> None:
        for image, output in zip(inputs, outputs, strict=True):
            instances = output["instances"].to("cpu")
            name = os.path.relpath(image["file_name"], self._root)
            for (x0, y0, x1, y1), score, kind in zip(
                instances.pred_boxes.tensor.tolist(),
                instances.scores.tolist(),
                instances.pred_classes.tolist(),
                strict=True,
            ):
                self._found.append(
                    {
                        "image_id": name,
                        "category_id": self._category_ids[kind],
                        "bbox": [x0, y0, x1 - x0, y1 - y0],
                        "score": score,
                    }
                )

    def evaluate(self) -> None:
        """Write what all processes have found."""
        gathered = comm.gather(self._found, dst=0)
        if comm.is_main_process():
            write_json(self._file, [entry for part in gathered for entry in part])


def write_context_detections(cfg: CfgNode, model: nn.Module, dataset_name: str) -> None:
    """Detect in the context views of a data set, if ``TEST.CONTEXT_DETECTIONS`` wants it.

    Otherwise a file that an earlier model has left is removed.
    """
    file = Path(results_folder(cfg, dataset_name)) / CONTEXT_RESULTS
    loader = build_context_loader(cfg, dataset_name) if cfg.TEST.CONTEXT_DETECTIONS else None
    if loader is not None:
        inference_on_dataset(model, loader, ContextDetections(dataset_name, file))
    elif comm.is_main_process():
        file.unlink(missing_ok=True)


def forget_rescored(cfg: CfgNode, dataset_name: str) -> None:
    """Remove what an earlier evaluation, with a relation, has left beside its results."""
    folder = Path(results_folder(cfg, dataset_name)) / RESCORED
    if folder.is_dir():
        shutil.rmtree(folder)


def evaluate_rescored(cfg: CfgNode, dataset_name: str) -> dict[str, float]:
    """FROC of the results on a data set after ``MODEL.CROSS_VIEW.RELATION``, on one process.

    Reads what the evaluation has written, and writes the re-scored results and their FROC into a
    folder ``relation`` there.

    Returns:
        recall in percent, see ``FROCEvaluator``.
    """
    folder = Path(results_folder(cfg, dataset_name))
    found = DatasetDetections(
        dataset_name, folder / RESULTS, shuffled=cfg.DATALOADER.SHUFFLE_PARTNERS
    )
    rescored = folder / RESCORED / RESULTS
    write_json(rescored, found.rescored(configured_relation(cfg)))
    truth = read_ground_truth(MetadataCatalog.get(dataset_name).json_file)
    logger.info("Re-scored by %s: %s", cfg.MODEL.CROSS_VIEW.RELATION, rescored)
    evaluator = build_froc_evaluator(cfg, dataset_name, rescored.parent)
    return evaluator.evaluate_detections(read_detections(rescored, truth))["froc"]
