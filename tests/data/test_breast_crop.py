"""Detections of a cut film put back into the film."""

import torch
from detectron2.structures import Boxes, Instances

from agn_d2.data.breast_crop import uncropped


def detections():
    found = Instances((3, 4))
    found.pred_boxes = Boxes(torch.tensor([[0.0, 1.0, 2.0, 3.0], [1.0, 0.5, 4.0, 2.0]]))
    found.scores = torch.tensor([0.9, 0.4])
    masks = torch.zeros(2, 3, 4, dtype=torch.bool)
    masks[0, 2, 1] = masks[1, 0, 3] = True
    found.pred_masks = masks
    return found


def test_boxes_and_masks_move_by_the_corner_of_the_crop():
    moved = uncropped(detections(), {"crop": [10, 20, 14, 23], "frame_size": [30, 40]})
    assert moved.image_size == (30, 40)
    assert moved.pred_boxes.tensor.tolist() == [[10, 21, 12, 23], [11, 20.5, 14, 22]]
    assert moved.scores.tolist() == detections().scores.tolist()
    assert moved.pred_masks.shape == (2, 30, 40)
    assert moved.pred_masks.nonzero().tolist() == [[0, 22, 11], [1, 20, 13]]


def test_an_image_that_was_not_cut_stays():
    found = detections()
    assert uncropped(found, {"height": 3, "width": 4}) is found
