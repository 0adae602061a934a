"""An examination with its detections, drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ..data.examination import Examination
from ..images import to_float
from .case_figure import ViewPanel, case_figure


def examination_figure(
    examination: Examination,
    record: Mapping[str, Any],
    *,
    min_score: float,
    bits: int | None = None,
) -> Figure:
    """Draw the stored images of an examination and the boxes on them; no name of a patient.

    Args:
        examination: as it was read.
        record: what ``examination_record`` returns.
        min_score: detections below are not drawn.
        bits: bit depth of images that are not DICOM, see ``to_float``.
    """
    panels = {}
    for image, entry in zip(examination.images.values(), record["images"], strict=True):
        drawn = [one for one in entry["detections"] if one["score"] >= min_score]
        panels[image.laterality, image.view] = ViewPanel(
            image=to_float(image.pixels, bits if image.header is None else None),
            predicted=np.asarray([one["box"] for one in drawn], dtype=float).reshape(-1, 4),
            scores=np.asarray([one["score"] for one in drawn], dtype=float),
        )
    return case_figure(examination.name, panels, with_attention=False)
