"""COCO files of images that have boxes only."""

import numpy as np

from agn_d2.prepare.cbis_ddsm.annotate_800 import coco_annotations


def test_coco_json():
    content = coco_annotations([{"file_name": "a.png", "boxes": np.array([[1, 2, 3, 4.0]])}])
    assert content["images"] == [{"id": 1, "file_name": "a.png"}]
    assert content["annotations"] == [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0}
    ]
