"""One small data set, worked out by hand, for the tests of the FROC.

Four images: 0 has one lesion, 1 has two, 2 none, 3 one. By falling score the detections are

    0.9  image 0  hits its lesion
    0.8  image 1  hits its first lesion
    0.8  image 0  false positive
    0.7  image 2  false positive
    0.6  image 1  false positive
    0.5  image 1  false positive

so the curve (FPPI, recall) is (0, 0) (0, 1/4) (1/4, 2/4) (2/4, 2/4) (3/4, 2/4) (4/4, 2/4).
"""

import json

import pytest


@pytest.fixture
def coco_gt() -> dict:
    return {
        "images": [
            {"id": 10, "file_name": "a.png", "width": 99, "height": 99, "patient_id": "p1"},
            {"id": 11, "file_name": "b.png", "width": 99, "height": 99, "patient_id": "p1"},
            {"id": 12, "file_name": "c.png", "width": 99, "height": 99, "patient_id": "p2"},
            {"id": 13, "file_name": "d.png", "width": 99, "height": 99, "patient_id": "p3"},
        ],
        "annotations": [
            {"id": 1, "image_id": 10, "category_id": 1, "bbox": [10, 10, 10, 10], "iscrowd": 0},
            {"id": 2, "image_id": 11, "category_id": 1, "bbox": [10, 10, 10, 10]},
            {"id": 3, "image_id": 11, "category_id": 1, "bbox": [50, 50, 20, 20]},
            {"id": 4, "image_id": 13, "category_id": 1, "bbox": [30, 30, 10, 10]},
        ],
        "categories": [{"id": 1, "name": "mass"}],
    }


@pytest.fixture
def coco_dt() -> list[dict]:
    return [
        {"image_id": 10, "category_id": 1, "bbox": [70, 70, 10, 10], "score": 0.8},
        {"image_id": 11, "category_id": 1, "bbox": [80, 10, 10, 10], "score": 0.5},
        {"image_id": 12, "category_id": 1, "bbox": [10, 10, 10, 10], "score": 0.7},
        {"image_id": 11, "category_id": 1, "bbox": [80, 10, 10, 10], "score": 0.6},
        {"image_id": 11, "category_id": 1, "bbox": [11, 10, 10, 10], "score": 0.8},
        {"image_id": 10, "category_id": 1, "bbox": [10, 10, 9, 9], "score": 0.9},
    ]


@pytest.fixture
def write(tmp_path):
    """Writes an object as JSON (or a text as it is) into a folder of the test."""

    def write_file(name, content):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write_file
