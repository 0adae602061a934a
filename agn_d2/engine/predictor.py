"""Detections for a case, from images alone."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.modeling import build_model
from detectron2.structures import Instances
from torch import nn

from ..cross_view.explanation import explain_case
from ..cross_view.relation_file import configured_relation
from ..cross_view.rescoring import rescore_case
from ..data.breast_crop import uncropped
from ..data.cases import Case
from ..data.examination import Examination
from ..data.examination_files import Source, read_examination
from ..data.given_case import positions_of, read_given_case
from ..data.mapper import CaseMapper
from ..dicom.acceptance import Wishes
from ..dicom.tone import Tone
from ..landmarks.record import Landmarks
from ..model_zoo.files import get_checkpoint_url, get_config_file
from ..modeling.meta_arch import check_views_are_read
from ..modeling.test_time_augmentation import augmented
from .checkpoint import build_checkpointer
from .checkpoint_fit import GRAPH
from .inference_setup import configure_for_inference
from .precision import speed_up_on_cpu
from .setup import load_cfg, resolve_device

logger = logging.getLogger(__name__)


class Predictor:
    """A trained detector that takes the views of a case as they are.

    Landmarks are found in the images, films are cut to the breast if the model was trained so
    (``INPUT.CROP_TO_BREAST``), and detections come back in pixels of the images given. Neither
    the training data nor the file of the prior is needed.

        predictor = Predictor(cfg)      # or Predictor.from_pretrained("a name of the model zoo")
        found = predictor({"L-CC": "lcc.dcm", "L-MLO": "lmlo.png", "R-CC": array})
        found["L-CC"].pred_boxes, found["L-CC"].scores
        found = predictor(predictor.read_examination("folder of DICOM files"))

    Args:
        cfg: the model's config, with ``MODEL.WEIGHTS``; it is copied, not changed.

    Raises:
        TypeError: not a config, but the name of one, say.
        FileNotFoundError: MODEL.WEIGHTS cannot be read.
        ValueError: no MODEL.WEIGHTS, or weights of no trained model of this config.
    """

    def __init__(self, cfg: CfgNode) -> None:
        if not isinstance(cfg, CfgNode):
            raise TypeError(
                f"expected a config, got {cfg!r:.80}; agn_d2.load_cfg(YAML, [KEY, VALUE, ...]) "
                "makes one, and Predictor.from_pretrained(NAME) takes a model of the zoo"
            )
        cfg = cfg.clone()
        cfg.defrost()
        resolve_device(cfg)
        configure_for_inference(cfg)
        cfg.freeze()
        self.cfg = cfg
        self.model = build_trained(cfg)
        self.mapper = CaseMapper(cfg, is_train=False)
        self.relation = configured_relation(cfg)
        self.tone = Tone(cfg.INPUT.DICOM_TONE, cfg.INPUT.DICOM_VOI)

    @classmethod
    def from_pretrained(cls, name: str, *, device: str | None = None) -> Predictor:
        """A model of the zoo, ready to use.

        Args:
            name: one of ``agn_d2.model_zoo.list_models()``.
            device: such as "cpu"; None: the GPU if there is one.

        Raises:
            ValueError: no model of this name, or a damaged weight file.
        """
        cfg = load_cfg(get_config_file(name), ["MODEL.WEIGHTS", get_checkpoint_url(name)])
        if device is not None:
            cfg.MODEL.DEVICE = device
        return cls(cfg)

    @property
    def reads_other_views(self) -> bool:
        """Whether the detections of a view depend on the other views, by a graph or a relation."""
        return self.cfg.MODEL.AGN.ENABLED or self.relation is not None

    def check_explains(self) -> None:
        """
        Raises:
            ValueError: the model has no relation, so there is nothing to explain.
        """
        if self.relation is None:
            raise ValueError(
                "explanations are what a relation has read in the other views, and this model has "
                "none (MODEL.CROSS_VIEW.RELATION)"
            )

    def read_examination(self, source: Source, *, wishes: Wishes | None = None) -> Examination:
        """``agn_d2.read_examination`` with the gray values that the model was trained on."""
        return read_examination(source, tone=self.tone, wishes=wishes)

    def __call__(
        self,
        case: Mapping[Hashable, Any] | Examination,
        *,
        examined: Iterable[Hashable] | None = None,
        landmarks: Mapping[Hashable, Landmarks] | None = None,
        bits: int | Mapping[Hashable, int] | None = None,
        explain: bool = False,
    ) -> dict[Hashable, Instances]:
        """Detect masses in the views of a case.

        Args:
            case: an examination that ``read_examination`` has read; or view -> image, one to four
                views of one patient and examination; the others may be missing or None. Keys name
                side and view: "L-CC", "RMLO", ("L", "MLO"). An image is a path (DICOM, PNG, JPEG,
                TIFF), or an array (H, W) of uint8, uint16 or floats in [0, 1].
            examined: keys of the views to examine, None for all; the others serve them.
            landmarks: view -> landmarks in pixels of its image, where they are known.
            bits: that the gray values have, of all images or view -> bits, where they are fewer
                than the file's or array's: 12 or 14 bits in 16. DICOM files and floats need none.
            explain: add the field ``explanations`` to the ``Instances``: for each detection an
                ``agn_d2.cross_view.explanation.Explanation``, with the score of the view by itself
                and what the relation has read in the others.

        Returns:
            key, as it was given -> ``Instances`` on the CPU, in pixels of the image given.

        Raises:
            FileNotFoundError, ValueError: an image or a key that cannot be read; names the key. Or
                an explanation is asked of a model without a relation.
            TypeError: an image alone, as Detectron2's ``DefaultPredictor`` takes it.
        """
        read = self.read(case, landmarks=landmarks, bits=bits)
        return self.detect(*read, examined=examined, explain=explain)

    def read(
        self,
        case: Mapping[Hashable, Any] | Examination,
        *,
        landmarks: Mapping[Hashable, Landmarks] | None = None,
        bits: int | Mapping[Hashable, int] | None = None,
    ) -> tuple[Case, list[Hashable]]:
        """The first half of a call, which needs no model: read, find landmarks, cut.

        Returns:
            what ``detect`` takes.
        """
        name = "case"
        if isinstance(case, Examination):
            _check_tone(case, self.tone)
            case, name = case.images, case.name
        return read_given_case(
            case,
            landmarks=landmarks,
            bits=bits,
            tone=self.tone,
            name=name,
            crop=self.cfg.INPUT.CROP_TO_BREAST,
            needs_landmarks=self.reads_other_views,
        )

    @torch.no_grad()
    def detect(
        self,
        case: Case,
        keys: Sequence[Hashable],
        *,
        examined: Iterable[Hashable] | None = None,
        explain: bool = False,
    ) -> dict[Hashable, Instances]:
        """The second half of a call: the detections of a case that ``read`` has read."""
        if explain:
            self.check_explains()
        positions = range(len(keys)) if examined is None else positions_of(examined, keys)
        if not positions:
            return {}
        # A relation hears the candidates of all views, whichever are asked for.
        read = positions if self.relation is None else range(len(keys))
        outputs = self.model(self.mapper(case, read))
        found = [output["instances"].to("cpu") for output in outputs]
        if explain:
            explanations = explain_case(self.relation, case, found, keys)
            for instances, of_view in zip(found, explanations, strict=True):
                instances.explanations = of_view
        if self.relation is not None:
            found = rescore_case(self.relation, case, found)
        of_position = dict(zip(read, found, strict=True))
        return {
            keys[position]: uncropped(of_position[position], case.images[position])
            for position in positions
        }


def _check_tone(examination: Examination, tone: Tone) -> None:
    """
    Raises:
        ValueError: DICOM files were read otherwise than the model was trained.
    """
    dicom = [one.path for one in examination.images.values() if one.header is not None]
    if dicom and examination.tone != tone:
        raise ValueError(
            f"{dicom[0]}: read with {examination.tone}, but the model was trained with {tone} "
            "(INPUT.DICOM_TONE, INPUT.DICOM_VOI); read it with Predictor.read_examination"
        )


def build_trained(cfg: CfgNode) -> nn.Module:
    """The trained model of a config in eval mode, with test-time augmentation if it says so."""
    model = build_model(cfg)
    check_views_are_read(cfg, model)
    if cfg.MODEL.DEVICE == "cpu":
        speed_up_on_cpu(model, amp=False)
    return augmented(cfg, load_trained(cfg, model)).eval()


def load_trained(cfg: CfgNode, model: nn.Module) -> nn.Module:
    """Load ``MODEL.WEIGHTS`` into a model, and refuse those that leave a part of it untrained.

    A detector without graph weights is let through: its graph does nothing, and a warning
    says so.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: the checkpoint is not of a trained model of this config.
    """
    checkpointer = build_checkpointer(cfg, model)
    checkpointer.load(cfg.MODEL.WEIGHTS, checkpointables=[])
    detector = [name for name in checkpointer.missing if not name.startswith(GRAPH)]
    if detector:
        raise ValueError(
            f"MODEL.WEIGHTS: {cfg.MODEL.WEIGHTS} is no trained model of this config: it lacks "
            f"{len(detector)} of its weights, {detector[0]} among them"
        )
    if checkpointer.missing:
        logger.warning(
            "%s has no weights of the graph network: it starts as the identity, and detections "
            "are those of the detector without it.",
            cfg.MODEL.WEIGHTS,
        )
    return model
