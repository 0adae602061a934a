"""A COCO file of two images of 100 x 200 (h x w) with a mass each."""

import json

import pytest


@pytest.fixture
def content() -> dict:
    return {
        "images": [{"id": n, "file_name": f"{n}.png", "height": 100, "width": 200} for n in (1, 2)],
        "annotations": [
            {
                "id": n, "image_id": n, "category_id": 1, "area": 200, "iscrowd": 0,
                "bbox": [10, 20, 10, 20],
            }
            for n in (1, 2)
        ],
        "categories": [{"id": 1, "name": "mass"}],
    }  # fmt: skip


@pytest.fixture
def write(tmp_path):
    """Writes an object as JSON; returns its file."""

    def write_file(content):
        path = tmp_path / "train.json"
        path.write_text(json.dumps(content))
        return path

    return write_file
