"""FROC as a Detectron2 evaluator."""

from __future__ import annotations

import json
import logging
import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from detectron2.data import MetadataCatalog
from detectron2.evaluation import DatasetEvaluator
from detectron2.utils import comm
from detectron2.utils.file_io import PathManager

from ..utils.files import write_text
from .coco_results import ImageId, read_ground_truth
from .froc import DEFAULT_FPPI, MEAN_FPPI, append_mean, check_fppi, recall_at_fppi
from .matching import DEFAULT_IOU, check_options
from .records import Detections
from .report import curve_to_dict, evaluate_froc, format_report

logger = logging.getLogger(__name__)

Prediction = tuple[ImageId, Detections]


class FROCEvaluator(DatasetEvaluator):
    """Lesion recall at given false positives per image (FPPI); all classes are merged.

    The rules stand in :mod:`agn_d2.evaluation.matching` and :mod:`agn_d2.evaluation.froc`. FPPI
    divides by all images of the data set, also by those that were never processed (a warning says
    so). No limit on detections per image applies but the model's own.
    """

    def __init__(
        self,
        dataset_name: str,
        *,
        output_dir: str | None = None,
        distributed: bool = True,
        iou: float = DEFAULT_IOU,
        fppi: Sequence[float] = DEFAULT_FPPI,
        duplicates: str = "ignore",
        hit: str = "iou",
        lesion_images_only: bool = False,
    ) -> None:
        """
        Args:
            dataset_name: registered data set whose metadata has ``json_file``, a COCO JSON file.
            output_dir: folder for ``froc_<dataset_name>.json``: the report of
                :func:`evaluate_froc` (recall as 0 .. 1) and the curve; None for no file.
            distributed: collect the predictions of all ranks; otherwise only of this process.
            fppi: where the curve is read.
            iou, duplicates, hit: see :func:`match_detections`.
            lesion_images_only: count only images with a lesion.

        Raises:
            ValueError: for an option out of range, or a data set without readable COCO JSON.
        """
        check_options(iou, hit, duplicates)
        check_fppi(fppi)
        metadata = MetadataCatalog.get(dataset_name)
        if not hasattr(metadata, "json_file"):
            raise ValueError(f"data set {dataset_name!r} has no json_file in its metadata")
        self._dataset_name = dataset_name
        self._output_dir = output_dir
        self._distributed = distributed
        self._options = {
            "fppi": tuple(fppi),
            "iou": iou,
            "hit": hit,
            "duplicates": duplicates,
            "lesion_images_only": lesion_images_only,
        }
        self._ground_truth = read_ground_truth(PathManager.get_local_path(metadata.json_file))
        self._image_index = self._ground_truth.image_index
        self.reset()

    def reset(self) -> None:
        self._predictions: list[Prediction] = []

    def process(
        self, inputs: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]
    ) -> None:
        """Takes the predicted boxes and scores of a batch.

        Args:
            inputs: dicts with ``image_id``, as in the COCO JSON.
            outputs: dicts with ``instances``: Instances with ``pred_boxes`` (XYXY, pixels of the
                stored image) and ``scores``.

        Raises:
            ValueError: for an image that is not in the data set, outputs without instances, or
                boxes and scores that are not usable; names the image.
        """
        for image, output in zip(inputs, outputs, strict=True):
            image_id = image["image_id"]
            if image_id not in self._image_index:
                raise ValueError(f"image_id {image_id!r} is not in {self._dataset_name!r}")
            if "instances" not in output:
                raise ValueError(f"image {image_id!r}: FROC needs 'instances' in the outputs")
            instances = output["instances"]
            boxes = instances.pred_boxes.tensor.detach().cpu().numpy()
            scores = instances.scores.detach().cpu().numpy()
            try:
                index = np.full(len(boxes), self._image_index[image_id])
                self._predictions.append((image_id, Detections(boxes, scores, index)))
            except ValueError as error:
                raise ValueError(f"image {image_id!r}: {error}") from error

    def evaluate(self) -> OrderedDict[str, dict[str, float]]:
        """Gathers the predictions of all ranks and reads the curve.

        Returns:
            ``{"froc": {"recall@<fppi>": percent, ..., "mean_recall": percent}}``, NaN without a
            lesion, on the main process; empty on the others, and if nothing was processed.
        """
        predictions = self._predictions
        if self._distributed:
            comm.synchronize()
            gathered = comm.gather(predictions, dst=0)
            if not comm.is_main_process():
                return OrderedDict()
            predictions = [prediction for part in gathered for prediction in part]
        if not predictions:
            logger.warning("FROC of %s: no image was processed", self._dataset_name)
            return OrderedDict()

        return self.evaluate_detections(self._join(predictions))

    def evaluate_detections(self, detections: Detections) -> OrderedDict[str, dict[str, float]]:
        """As :meth:`evaluate`, of detections that are there already; files are written too.

        Args:
            detections: on the images of the data set.
        """
        report, curve = evaluate_froc(detections, self._ground_truth.lesions, **self._options)
        logger.info("%s\n%s", self._dataset_name, format_report(report))
        if self._output_dir:
            self._write({"dataset": self._dataset_name, **report, "curve": curve_to_dict(curve)})
        recall = 100 * append_mean(recall_at_fppi(curve, (*report["fppi"], *MEAN_FPPI)))
        names = [*(f"recall@{x:g}" for x in report["fppi"]), "mean_recall"]
        return OrderedDict(froc=dict(zip(names, recall.tolist(), strict=True)))

    def _join(self, predictions: Sequence[Prediction]) -> Detections:
        """One set of detections; an image processed twice (a padding sampler) counts once."""
        by_image: dict[ImageId, Detections] = {}
        for image_id, detections in predictions:
            by_image.setdefault(image_id, detections)
        repeated = len(predictions) - len(by_image)
        if repeated:
            logger.warning(
                "FROC of %s: %d images came more than once; the first result of each counts",
                self._dataset_name,
                repeated,
            )
        missing = len(self._image_index) - len(by_image)
        if missing:
            logger.warning(
                "FROC of %s: %d of %d images were never processed; they count as images without "
                "detections",
                self._dataset_name,
                missing,
                len(self._image_index),
            )
        parts = by_image.values()
        return Detections(
            boxes=np.concatenate([part.boxes for part in parts]),
            scores=np.concatenate([part.scores for part in parts]),
            images=np.concatenate([part.images for part in parts]),
        )

    def _write(self, content: dict[str, Any]) -> None:
        path = os.path.join(self._output_dir, f"froc_{self._dataset_name}.json")
        write_text(path, json.dumps(content, indent=1, allow_nan=False))
        logger.info("FROC written to %s", path)
