"""Cases of made-up views whose geometry is plain: nipple, straight chest wall, boxes."""

import numpy as np
from detectron2.structures import BoxMode

from agn_d2.cross_view.candidates import ViewDetections
from agn_d2.landmarks.record import Landmarks

HEIGHT, WIDTH = 200, 100


def record(image_id, laterality, view, *, patient="P", boxes=(), **keys):
    """A view with the chest wall at the left edge and the nipple at (90, 100)."""
    landmarks = Landmarks(
        view, "left", [90, 100], [[0, 0], [0, 200]], [[0, 0], [90, 100], [0, 200]], (HEIGHT, WIDTH)
    )
    annotations = [
        {"bbox": list(box), "bbox_mode": BoxMode.XYXY_ABS, "category_id": 0, "iscrowd": 0}
        for box in boxes
    ]
    return {
        "file_name": f"{image_id}.png",
        "image_id": image_id,
        "height": HEIGHT,
        "width": WIDTH,
        "patient_id": patient,
        "laterality": laterality,
        "view": view,
        "landmarks": landmarks,
        "annotations": annotations,
    } | keys


def box_at(depth, height=0.0, side=10.0):
    """XYXY of a square box so far behind the nipple and above it, in pixels."""
    x, y = 90 - depth, 100 - height
    return [x - side / 2, y - side / 2, x + side / 2, y + side / 2]


def detections(*entries):
    """(box, score) ... -> ViewDetections."""
    return ViewDetections(
        np.array([box for box, _ in entries], dtype=float).reshape(-1, 4),
        np.array([score for _, score in entries], dtype=float),
    )
