"""Cases as COCO records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .lesions import MASS
from .truth import PhantomCase, PhantomObject, PhantomView


def case_record(case: PhantomCase) -> dict[str, Any]:
    """All that the annotation files say of one case: its images' records and its landmarks."""
    return {
        "images": [_image_record(case, view) for view in case.views],
        "landmarks": {view.file_name: view.landmarks for view in case.views},
    }


def _image_record(case: PhantomCase, view: PhantomView) -> dict[str, Any]:
    height, width = view.image.shape
    return {
        "image": {
            "file_name": view.file_name,
            "width": width,
            "height": height,
            "patient_id": case.patient_id,
            "case_id": case.patient_id,
            "laterality": view.laterality,
            "view": view.view,
            "density": case.density,
            "mm_per_pixel": round(view.geometry.frame.mm, 5),
        },
        "annotations": [_annotation(o) for o in view.objects if o.kind == MASS],
        "distractors": [{"kind": o.kind, **_annotation(o)} for o in view.objects if o.kind != MASS],
    }


def _annotation(item: PhantomObject) -> dict[str, Any]:
    return {
        "category_id": 1,
        "bbox": [round(v, 3) for v in item.bbox],
        "area": round(item.area, 3),
        "iscrowd": 0,
        "segmentation": [item.polygon.ravel().tolist()],
        "lesion_id": item.lesion_id,
        "diameter_mm": round(item.diameter_mm, 2),
        "spiculated": item.spiculated,
        "hidden": item.hidden,
    }


def coco_file(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The COCO file of the cases whose records are given, ids counted from 1.

    ``distractors`` is an extra list: mass-like objects that are no masses, written as annotations
    are, with their ``kind``.
    """
    coco: dict[str, Any] = {
        "info": {"description": "multi-view mammogram phantom"},
        "categories": [{"id": 1, "name": "mass"}],
        "images": [],
        "annotations": [],
        "distractors": [],
    }
    for entry in (image for record in records for image in record["images"]):
        image_id = len(coco["images"]) + 1
        coco["images"].append({"id": image_id, **entry["image"]})
        for key in ("annotations", "distractors"):
            for item in entry[key]:
                coco[key].append({"id": len(coco[key]) + 1, "image_id": image_id, **item})
    return coco
