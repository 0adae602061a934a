"""COCO AP on the checked ground truth that training and FROC read too."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Sequence

import torch
from detectron2.data import MetadataCatalog
from detectron2.evaluation import COCOEvaluator
from detectron2.utils.file_io import PathManager
from pycocotools.coco import COCO

from ..coco.file import CocoFile, read_coco

logger = logging.getLogger(__name__)


class CheckedCOCOEvaluator(COCOEvaluator):
    """Detectron2's ``COCOEvaluator`` whose ground truth is not read by pycocotools.

    pycocotools takes plain JSON only and checks nothing, and to ``COCOeval`` a matched annotation
    whose id is 0 counts as not matched.

    Args:
        dataset_name: registered data set whose metadata has ``json_file``.
        tasks: "bbox", "segm"; "segm" is left out, with a warning, where a lesion has no mask.
        output_dir: see ``COCOEvaluator``.
        distributed: see ``COCOEvaluator``.

    Raises:
        ValueError: the ground truth cannot be read or is wrong; names file and entry.
    """

    def __init__(
        self,
        dataset_name: str,
        tasks: Sequence[str],
        *,
        output_dir: str | None = None,
        distributed: bool = True,
    ) -> None:
        # Not COCOEvaluator's, which reads the file: these are the attributes that it sets.
        self._logger = logging.getLogger(COCOEvaluator.__module__)
        self._distributed = distributed
        self._output_dir = output_dir
        # Detectron2's fast COCO evaluation is compiled code that not every build has.
        self._use_fast_impl = False
        self._max_dets_per_image = [1, 10, 100]
        self._cpu_device = torch.device("cpu")
        self._kpt_oks_sigmas = ()
        self._do_evaluation = True
        self._metadata = MetadataCatalog.get(dataset_name)
        truth = read_coco(PathManager.get_local_path(self._metadata.json_file))
        missing = sum(annotation.get("segmentation") is None for annotation in truth.annotations)
        if "segm" in tasks and missing:
            logger.warning(
                "%s: %d of %d lesions have no mask, so there is no AP of masks",
                dataset_name,
                missing,
                len(truth.annotations),
            )
            tasks = [task for task in tasks if task != "segm"]
        self._tasks = tuple(tasks)
        self._coco_api = coco_api(truth)


def coco_api(truth: CocoFile) -> COCO:
    """A checked file as pycocotools has it, annotation ids counted from 1.

    Args:
        truth: annotations need ``category_id``, ``area`` and ``iscrowd``.
    """
    api = COCO()
    # Copies: COCOeval writes into the annotations.
    api.dataset = {
        "info": {},
        "images": [dict(image) for image in truth.images],
        "annotations": [a | {"id": n} for n, a in enumerate(truth.annotations, 1)],
        "categories": [dict(category) for category in truth.categories],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        api.createIndex()
    return api
