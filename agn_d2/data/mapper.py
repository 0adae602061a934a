"""From a case to model inputs: image, boxes, masks and nodes, moved by one transform."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode, configurable
from detectron2.data import detection_utils as utils
from detectron2.data import transforms as T
from detectron2.structures.masks import polygons_to_bitmask

from ..dicom.tone import Tone
from ..landmarks.nodes import NodeLayout, place_nodes
from ..structures import View
from .cases import Case
from .node_jitter import jitter_nodes
from .pixels import record_shares
from .seeding import DRAWS, numpy_seed
from .spatial import SpatialTransform, tight_box
from .transforms import build_augmentations

# What the mapper itself uses up.
NOT_HANDED_ON = ("annotations", "landmarks", "context_views", "pixels")


class CaseMapper:
    """Read the views of a case and make one model input per examined view.

    Each view is read and transformed once; the inputs of a case share their ``View`` objects,
    so that the model computes each of them once.

    Args:
        augmentations: Detectron2 augmentations.
        augmentation_draw: "view": drawn for each view anew; "case": once, the same for all
            views of the case.
        is_train: hand over ``instances``.
        with_masks: hand over ``gt_masks`` where annotations have a segmentation.
        layout: (N_cc, N_mlo); None: no nodes and no context views (a detector without AGN).
        mask_format: "polygon" or "bitmask".
        node_jitter, node_jitter_mode: see ``jitter_nodes``.
        node_jitter_by_name: an image's name decides the directions of the jitter; None: in
            testing, while training draws them.
        tone: how the gray values of DICOM files are made.
    """

    @configurable
    def __init__(
        self,
        *,
        augmentations: Sequence[T.Augmentation],
        is_train: bool,
        with_masks: bool,
        layout: Sequence[int] | None,
        mask_format: str = "bitmask",
        node_jitter: float = 0.0,
        node_jitter_mode: str = "view",
        node_jitter_by_name: bool | None = None,
        augmentation_draw: str = "view",
        tone: Tone | None = None,
    ) -> None:
        if augmentation_draw not in DRAWS:
            raise ValueError(
                f"INPUT.AUGMENTATION_DRAW must be one of {DRAWS}, got {augmentation_draw!r}"
            )
        self.augmentations = T.AugmentationList(list(augmentations))
        self.is_train = is_train
        self.with_masks = with_masks
        self.layout = None if layout is None else NodeLayout.parse(layout)
        self.mask_format = mask_format
        self.node_jitter, self.node_jitter_mode = node_jitter, node_jitter_mode
        by_name = not is_train if node_jitter_by_name is None else node_jitter_by_name
        self.node_jitter_by_name = by_name
        self.augmentation_draw = augmentation_draw
        self.tone = tone

    @classmethod
    def from_config(cls, cfg: CfgNode, is_train: bool) -> dict[str, Any]:
        return {
            "augmentations": build_augmentations(cfg, is_train),
            "is_train": is_train,
            "with_masks": cfg.MODEL.MASK_ON,
            "layout": cfg.MODEL.AGN.LAYOUT if cfg.MODEL.AGN.ENABLED else None,
            "mask_format": cfg.INPUT.MASK_FORMAT,
            "node_jitter": cfg.INPUT.NODE_JITTER,
            "node_jitter_mode": cfg.INPUT.NODE_JITTER_MODE,
            "augmentation_draw": cfg.INPUT.AUGMENTATION_DRAW,
            "tone": Tone(cfg.INPUT.DICOM_TONE, cfg.INPUT.DICOM_VOI),
        }

    def __call__(self, case: Case, examined: Sequence[int] | None = None) -> list[dict[str, Any]]:
        """Model inputs of the examined views.

        Args:
            case: a case of ``group_cases``.
            examined: positions of the views to examine; None: all but context views. The others
                are read only where an examined one needs them.

        Returns:
            For each examined view its dataset dict with

            - ``image``: (1, H, W) float32 in [0, 1];
            - ``instances``: in training;
            - ``examined_view``, ``auxiliary_view``, ``contralateral_view``: View or None.

        Raises:
            FileNotFoundError, ValueError: an image is missing, broken or of another size than
                the annotations say, or has no landmarks.
        """
        examined = case.examined if examined is None else examined
        cache: dict[int, tuple[View, T.TransformList]] = {}
        seed = np.random.randint(2**31) if self.augmentation_draw == "case" else None

        def view(position: int | None) -> tuple[View | None, T.TransformList | None]:
            if position is None or (self.layout is None and position not in examined):
                return None, None
            if position not in cache:
                cache[position] = self._read(case.record(position), seed)
            return cache[position]

        inputs = []
        for position in examined:
            examined_view, transforms = view(position)
            item = self._describe(case.images[position], examined_view, transforms)
            if self.layout is not None:
                item["auxiliary_view"] = view(case.auxiliary[position])[0]
                item["contralateral_view"] = view(case.contralateral[position])[0]
            inputs.append(item)
        return inputs

    def _read(self, record: dict[str, Any], seed: int | None) -> tuple[View, T.TransformList]:
        image = record_shares(record, self.tone)
        if image.shape != (record["height"], record["width"]):
            raise ValueError(
                f"{record['file_name']} is {image.shape} (h, w), but the annotations say "
                f"{(record['height'], record['width'])}"
            )
        aug_input = T.AugInput(image)
        with numpy_seed(seed):
            transforms = self.augmentations(aug_input)
        nodes = None if self.layout is None else self._nodes(record, transforms)
        tensor = torch.from_numpy(np.ascontiguousarray(aug_input.image, dtype=np.float32))
        return View(tensor[None], record["view"], nodes), transforms

    def _nodes(self, record: dict[str, Any], transforms: T.TransformList) -> torch.Tensor:
        if record.get("landmarks") is None:
            raise ValueError(
                f"{record['file_name']} has no landmarks, but AGN needs them. Run "
                "tools/extract_landmarks.py on the images, or set MODEL.AGN.ENABLED False."
            )
        nodes = place_nodes(record["landmarks"], self.layout)
        if self.node_jitter != 0:
            # By name alone: the folder must not decide a test's directions.
            seed = Path(record["file_name"]).name if self.node_jitter_by_name else None
            nodes = jitter_nodes(
                nodes, record["landmarks"], self.node_jitter, self.node_jitter_mode, seed=seed
            )
        return torch.as_tensor(transforms.apply_coords(nodes.astype(np.float64))).float()

    def _describe(
        self, record: dict[str, Any], view: View, transforms: T.TransformList
    ) -> dict[str, Any]:
        item = {k: v for k, v in record.items() if k not in NOT_HANDED_ON}
        item |= {"image": view.image, "examined_view": view}
        if self.is_train:
            item["instances"] = self._instances(record, view, transforms)
        return item

    def _instances(self, record: dict[str, Any], view: View, transforms: T.TransformList) -> Any:
        size = tuple(view.image.shape[-2:])
        warped = any(isinstance(t, SpatialTransform) for t in transforms.transforms)
        annotations = []
        for annotation in copy.deepcopy(record.get("annotations", [])):
            if annotation.get("iscrowd", 0):
                continue
            if not self.with_masks and not warped:
                annotation.pop("segmentation", None)
            utils.transform_instance_annotations(annotation, transforms, size)
            if warped:
                _tighten(annotation, size)
            if not self.with_masks:
                annotation.pop("segmentation", None)
            annotations.append(annotation)
        instances = utils.annotations_to_instances(annotations, size, self.mask_format)
        return utils.filter_empty_instances(instances)


def _tighten(annotation: dict[str, Any], size: tuple[int, int]) -> None:
    """The box of the moved mask, where there is one, in the place of the moved box."""
    segmentation = annotation.get("segmentation")
    if segmentation is not None and len(segmentation):
        height, width = size
        limits = [width, height, width, height]
        box = tight_box(segmentation)
        if isinstance(segmentation, list) and np.any(box != np.clip(box, 0, limits)):
            # What the edge leaves of a polygon may be lower and narrower than the cut box.
            box = tight_box(polygons_to_bitmask(segmentation, height, width))
        annotation["bbox"] = np.clip(box, 0, limits)
