"""A film cut to the breast as the preparation of the data sets does, and detections put back."""

from __future__ import annotations

from typing import Any

import torch
from detectron2.structures import Boxes, Instances

from ..landmarks.contour import breast_box
from .pixels import record_pixels


def crop_to_breast(record: dict[str, Any]) -> dict[str, Any]:
    """The dataset dict of a film, cut to the breast by its landmarks (``prepare_image``).

    Args:
        record: a dataset dict without annotations, with ``landmarks`` of the whole film.

    Returns:
        a dict in pixels of the cut image, which it holds as ``pixels``; ``crop`` (x0, y0, x1,
        y1) and ``frame_size`` (H, W) lead back to the film.
    """
    pixels = record_pixels(record)
    x0, y0, x1, y1 = box = breast_box(record["landmarks"])
    return record | {
        "pixels": pixels[y0:y1, x0:x1],
        "height": y1 - y0,
        "width": x1 - x0,
        "landmarks": record["landmarks"].cropped(box),
        "crop": list(box),
        "frame_size": list(pixels.shape),
    }


def uncropped(instances: Instances, record: dict[str, Any]) -> Instances:
    """Detections in pixels of the film that ``crop_to_breast`` has cut.

    Args:
        instances: detections in pixels of the cut image, boxes and masks on the CPU.
        record: the dict of the cut image; one that was not cut changes nothing.
    """
    if "crop" not in record:
        return instances
    x0, y0, x1, y1 = record["crop"]
    moved = Instances(tuple(record["frame_size"]))
    for name, value in instances.get_fields().items():
        if name == "pred_boxes":
            value = Boxes(value.tensor + value.tensor.new_tensor([x0, y0, x0, y0]))
        elif name == "pred_masks":
            masks = torch.zeros(len(value), *moved.image_size, dtype=value.dtype)
            masks[:, y0:y1, x0:x1] = value
            value = masks
        moved.set(name, value)
    return moved
