"""What the tests of the converters share: the program, and what it wrote."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import joblib

from agn_d2.data.multi_view_coco import load_multi_view_coco
from agn_d2.evaluation.coco_results import read_detections, read_ground_truth
from agn_d2.evaluation.report import evaluate_froc
from agn_d2.utils.locks import locked

from ..programs import load_program

ROOT = Path(__file__).resolve().parents[2]


def prepare(*arguments: object) -> int:
    """Run ``datasets/prepare.py`` in this process; returns its exit status."""
    module = load_program(ROOT / "datasets" / "prepare.py")
    with joblib.parallel_config(backend="threading"):
        return module.main([*map(str, arguments), "--workers", "1"])


def split_of(out: Path, split: str) -> dict:
    return json.loads((out / "annotations" / f"{split}.json").read_text())


def load(out: Path, split: str) -> list[dict]:
    folder = out / "annotations"
    return load_multi_view_coco(
        folder / f"{split}.json", out / "images", None, folder / "landmarks.json"
    )


def summary_of(out: Path) -> dict:
    return json.loads((out / "report" / "summary.json").read_text())


def decisions_of(out: Path) -> list[dict[str, str]]:
    with (out / "report" / "decisions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def film_boxes(content: dict) -> dict[str, list[list[float]]]:
    """File name -> boxes XYXY in pixels of the film as released, none of them mirrored."""
    boxes: dict[str, list[list[float]]] = {i["file_name"]: [] for i in content["images"]}
    for annotation in content["annotations"]:
        image = next(i for i in content["images"] if i["id"] == annotation["image_id"])
        assert not image["mirrored"]
        left, top = image["crop"][:2]
        x, y, width, height = annotation["bbox"]
        boxes[image["file_name"]].append([x + left, y + top, x + left + width, y + top + height])
    return boxes


def froc_of_made_up_detections(out: Path, split: str, tmp_path: Path) -> dict:
    """FROC of every true box, and of one false detection that is surer than all of them."""
    content = split_of(out, split)
    found = [
        {"image_id": a["image_id"], "category_id": 1, "bbox": a["bbox"], "score": 0.5}
        for a in content["annotations"]
    ]
    first = content["images"][0]["id"]
    found.append({"image_id": first, "category_id": 1, "bbox": [0, 0, 3, 3], "score": 0.9})
    path = tmp_path / "found.json"
    path.write_text(json.dumps(found))
    truth = read_ground_truth(out / "annotations" / f"{split}.json")
    report, _ = evaluate_froc(read_detections(path, truth), truth.lesions, fppi=[1e-9, 1])
    return {key: report[key] for key in ("recall", "images", "lesions")}


@contextmanager
def another_process_holds(lock: Path) -> Iterator[BaseProcess]:
    """A process that holds a lock until the block ends."""
    context = get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=_hold, args=(lock, there), daemon=True)
    process.start()
    assert here.recv() == "locked"
    yield process
    here.send("enough")
    process.join()


def _hold(lock: Path, pipe: Connection) -> None:
    with locked(lock):
        pipe.send("locked")
        pipe.recv()
