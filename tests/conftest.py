"""A toy data set in canonical form: images of known content, landmarks where they must be."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest

from agn_d2.landmarks.record import Landmarks, write_landmarks

HEIGHT, WIDTH = 96, 64
VIEWS = {"P1": "LCC LMLO RCC RMLO", "P2": "LCC LMLO", "P3": "RCC", "P4": "LMLO RMLO"}


def toy_landmarks(view: str, height: int = HEIGHT, width: int = WIDTH) -> Landmarks:
    """Half an ellipse as a breast, chest wall at the left, nipple at its apex."""
    angles = np.linspace(-np.pi / 2, np.pi / 2, 65)
    contour = np.stack(
        [0.7 * width * np.cos(angles), height / 2 + 0.4 * height * np.sin(angles)], axis=1
    )
    line = [[0, 0.05 * height], [0, 0.95 * height]]
    if view == "MLO":
        line = [[0.4 * width, 0], [0, 0.6 * height]]
    return Landmarks(view, "left", [0.7 * width, height / 2], line, contour, (height, width))


@pytest.fixture(scope="session", autouse=True)
def programs_can_be_interrupted() -> None:
    """A background job of a shell ignores SIGINT, and the programs that it starts inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def toy_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``<root>/phantom`` with four patients of 4, 2, 1 and 2 views; one mass in every image."""
    root = tmp_path_factory.mktemp("datasets")
    folder = root / "phantom"
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    images, annotations, landmarks = [], [], {}
    for patient, views in VIEWS.items():
        for text in views.split():
            laterality, view = text[0], text[1:]
            name = f"{patient}_{text}.png"
            pixels = rng.integers(0, 65536, (HEIGHT, WIDTH), dtype=np.uint16)
            assert cv2.imwrite(str(folder / "images" / name), pixels)
            images.append(
                {
                    "id": len(images) + 1,
                    "file_name": name,
                    "height": HEIGHT,
                    "width": WIDTH,
                    "patient_id": patient,
                    "laterality": laterality,
                    "view": view,
                }
            )
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": len(images),
                    "category_id": 1,
                    "bbox": [10.0, 40.0, 16.0, 12.0],
                    "area": 192.0,
                    "iscrowd": 0,
                    "lesion_id": f"{patient}_{laterality}_1",
                    "segmentation": [[10, 40, 26, 40, 26, 52, 10, 52]],
                }
            )
            landmarks[name] = toy_landmarks(view)
    content = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "mass"}],
    }
    (folder / "annotations").mkdir()
    for split in ("train", "val", "test"):
        (folder / "annotations" / f"{split}.json").write_text(json.dumps(content))
    write_landmarks(folder / "annotations" / "landmarks.json", landmarks)
    return root


@pytest.fixture
def toy_datasets(toy_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The toy data set registered as ``phantom_*``; returns its root."""
    from agn_d2.data.builtin import register_builtin_datasets

    monkeypatch.setenv("DETECTRON2_DATASETS", str(toy_root))
    register_builtin_datasets()
    return toy_root


@pytest.fixture
def context_file(toy_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The COCO file of the toy data set as ``context_test``, where P1's right views are context."""
    from agn_d2.data.builtin import register_builtin_datasets

    folder = tmp_path / "datasets/context"
    (folder / "annotations").mkdir(parents=True)
    for name in ("images", "annotations/landmarks.json"):
        (folder / name).symlink_to(toy_root / "phantom" / name)
    content = json.loads((toy_root / "phantom/annotations/test.json").read_text())
    context = [i for i in content["images"] if i["file_name"].startswith("P1_R")]
    content["images"] = [i for i in content["images"] if i not in context]
    kept = [image["id"] for image in content["images"]]
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] in kept]
    content["context_images"] = context
    file = folder / "annotations/test.json"
    file.write_text(json.dumps(content))
    monkeypatch.setenv("DETECTRON2_DATASETS", str(folder.parent))
    register_builtin_datasets()
    return file
