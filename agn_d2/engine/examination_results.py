"""The detections of an examination as plain values, and as JSON and CSV files.

Nothing of the patient's identity is in them unless it is asked for. The SOP UID of an image is: it
names the image that a box belongs to, and nobody.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

from detectron2.structures import Instances

from ..cross_view.explanation import Explanation, PartnerEvidence
from ..data.cases import Case
from ..data.examination import Examination, ExaminationImage
from ..utils.files import write_atomically, write_json

FORMAT = 1
_CORNERS = ("x0", "y0", "x1", "y1")
CSV_COLUMNS = (
    *("examination", "file", "sop_uid", "side", "view", "marks", "score", *_CORNERS),
    *(f"{corner}_mm" for corner in _CORNERS),
    "other_views",
)


def examination_record(
    examination: Examination,
    case: Case,
    found: Mapping[Hashable, Instances],
    *,
    min_score: float,
    roots: Sequence[Path] = (),
    reads_others: bool = True,
    identity: bool = False,
    num_classes: int = 1,
) -> dict[str, Any]:
    """What was found in an examination, ready for JSON.

    Args:
        examination: as it was read.
        case: what ``Predictor.read`` returns: the images of the examination, in its order.
        found: what ``Predictor.detect`` returns, in pixels of the stored images.
        min_score: detections below are left out.
        roots: folders that file names are given relative to.
        reads_others: the model reads the other views of a case.
        identity: add the patient's ID and the UIDs of study and series.
        num_classes: of the model; from two on each detection has a ``class``, counted from 0.

    Returns:
        ``images``, each with ``detections``, the surest first, and ``left_out``. A ``box`` is
        (x0, y0, x1, y1) in pixels of the stored image: 0, 0 is the upper left corner of its first
        pixel. ``box_mm`` is the same from that corner in mm, None where the spacing is unknown. A
        detection that has the field ``explanations`` gets an ``explanation``.
    """
    images = []
    for position, (key, image) in enumerate(examination.images.items()):
        others = _others(case, position) if reads_others else []
        entry = _image_entry(image, roots) | {"read_with": others}
        if identity and image.header is not None:
            who = image.header.identity
            entry["identity"] = {
                "patient_id": who.patient_id,
                "study_uid": who.study_uid,
                "series_uid": who.series_uid,
            }
        entry["detections"] = _detections(found[key], image, min_score, num_classes > 1)
        images.append(entry)
    left_out = [
        {
            "file": relative_name(one.path, roots),
            "reason": one.reason,
            "bad": one.bad,
            "later": one.later,
        }
        for one in examination.left_out
    ]
    return {
        "format": FORMAT,
        "examination": examination.name,
        **({"classes": num_classes} if num_classes > 1 else {}),
        "images": images,
        "left_out": left_out,
    }


def write_results(record: Mapping[str, Any], stem: Path) -> None:
    """Write ``<stem>.csv``, one row a detection, and then ``<stem>.json``.

    The JSON file comes last: where it is, everything is.
    """
    # A file name that is no UTF-8 keeps its bytes.
    table = _csv(record).encode("utf-8", "surrogateescape")
    write_atomically(stem.with_name(f"{stem.name}.csv"), table)
    write_json(stem.with_name(f"{stem.name}.json"), record, indent=1)


def relative_name(path: str, roots: Sequence[Path]) -> str:
    """The path below the first of the roots that holds it, else the file's name alone."""
    for root in roots:
        if Path(path).is_relative_to(root) and Path(path) != root:
            return Path(path).relative_to(root).as_posix()
    return Path(path).name


def _others(case: Case, position: int) -> list[str]:
    positions = (case.auxiliary[position], case.contralateral[position])
    records = [case.record(other) for other in positions if other is not None]
    return [f"{one['laterality']}-{one['view']}" for one in records]


def _image_entry(image: ExaminationImage, roots: Sequence[Path]) -> dict[str, Any]:
    header = image.header
    spacing = None if header is None else header.spacing.mm
    return {
        "file": relative_name(image.path, roots),
        "sop_uid": "" if header is None else header.identity.sop_uid,
        "side": image.laterality,
        "view": image.view,
        "marks": list(image.marks),
        "notes": list(image.notes),
        "height": image.pixels.shape[0],
        "width": image.pixels.shape[1],
        "spacing_mm": None if spacing is None else list(spacing),
    }


def _detections(
    found: Instances, image: ExaminationImage, min_score: float, with_class: bool
) -> list[dict[str, Any]]:
    spacing = None if image.header is None else image.header.spacing.mm
    boxes, scores = found.pred_boxes.tensor.tolist(), found.scores.tolist()
    classes = found.pred_classes.tolist()
    reasons = found.explanations if found.has("explanations") else [None] * len(scores)
    entries = []
    for box, score, kind, reason in sorted(
        zip(boxes, scores, classes, reasons, strict=True), key=lambda one: -one[1]
    ):
        if score < min_score:
            continue
        in_mm = None
        if spacing is not None:
            down, across = spacing
            in_mm = [
                round(v * s, 3) for v, s in zip(box, (across, down, across, down), strict=True)
            ]
        entry = {"score": round(score, 5), "box": _rounded(box), "box_mm": in_mm}
        if with_class:
            entry["class"] = kind
        if reason is not None:
            entry["explanation"] = _explanation(reason)
        entries.append(entry)
    return entries


def _rounded(box: Sequence[float]) -> list[float]:
    return [round(value, 2) for value in box]


def _explanation(one: Explanation) -> dict[str, Any]:
    read = (one.auxiliary, one.contralateral)
    return {
        "score_alone": round(one.before, 5),
        "views": [_evidence(partner) for partner in read if partner is not None],
        "missing": round(one.missing, 5),
    }


def _evidence(read: PartnerEvidence) -> dict[str, Any]:
    return {
        "view": read.image_id,
        "change": round(read.change, 5),
        "share": round(read.share, 5),
        "candidates": [
            {
                "score": round(other.score, 5),
                "box": _rounded((x, y, x + width, y + height)),
                "weight": round(other.weight, 5),
            }
            for other in read.candidates
            for x, y, width, height in [other.bbox]
        ],
        "others": round(read.others, 5),
        "no_counterpart": round(read.no_counterpart, 5),
    }


def _csv(record: Mapping[str, Any]) -> str:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    own = ("class",) if "classes" in record else ()
    rows.writerow((*CSV_COLUMNS, *own))
    for image in record["images"]:
        for one in image["detections"]:
            rows.writerow(
                [
                    record["examination"],
                    *(image[key] for key in ("file", "sop_uid", "side", "view")),
                    "; ".join(image["marks"]),
                    one["score"],
                    *one["box"],
                    *(one["box_mm"] or [""] * 4),
                    " ".join(image["read_with"]),
                    *(one[key] for key in own),
                ]
            )
    return text.getvalue()
