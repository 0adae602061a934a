#!/usr/bin/env python
"""Train YOLO on one of our data sets and write its detections as COCO results.

projects/YOLO/train_yolo.py --train cbis_ddsm_mass_train --val cbis_ddsm_mass_val \\
    --test cbis_ddsm_mass_test --output output/yolo --epochs 100 --imgsz 1024

YOLO comes from the package ultralytics, which is licensed under AGPL-3.0: what you build with it
and pass on, or offer over a network, falls under that license too, unless you buy another one. This
project does not contain it and does not need it. Its settings file, reports to its makers, other
loggers and installations on its own account are switched off here.

Writes OUTPUT/data (the export), OUTPUT/train (YOLO's own files, weights among them) and
OUTPUT/inference/<test>/coco_instances_results.json, for tools/compare.py and tools/report.py.
Images are handed over as 8 bit.
"""

from __future__ import annotations

from agn_d2.utils.command_line import command_line_tool

# isort: split
import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from detectron2.data import MetadataCatalog

from agn_d2.data.builtin import check_registered, register_builtin_datasets
from agn_d2.evaluation.runs import RESULTS
from agn_d2.utils.files import check_writable_folder, write_json
from yolo import coco_results, export_split, write_data_yaml

REPORTERS = (
    "sync", "clearml", "comet", "dvc", "hub", "mlflow", "neptune", "raytune", "tensorboard", "wandb"
)  # fmt: skip


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train", required=True, help="registered data set")
    parser.add_argument("--val", required=True, help="registered data set")
    parser.add_argument("--test", required=True, help="registered data set")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument(
        "--model",
        default="yolo11n.yaml",
        help="a description (.yaml: random weights) or a weight file of yours (.pt); default: "
        "%(default)s",
    )
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--imgsz", type=int, default=1024, help="longer side of the input")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--device", default=None, help="cpu, 0, ...; default: YOLO's choice")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--score", type=float, default=0.01, help="least score that is kept")
    parser.add_argument("--nms-iou", type=float, default=0.3, help="as in our other configs")
    return parser.parse_args(argv)


def import_yolo(output: Path):
    """The class YOLO, with all that reaches out switched off.

    Raises:
        ImportError: ``ultralytics`` is not installed; says how to.
    """
    # Read when the package is imported: settings of its own, no network, no pip.
    os.environ["YOLO_CONFIG_DIR"] = str((output / "settings").resolve())
    os.environ["YOLO_OFFLINE"] = "true"
    os.environ["YOLO_AUTOINSTALL"] = "false"
    (output / "settings").mkdir(parents=True, exist_ok=True)
    try:
        from ultralytics import YOLO, settings
    except ImportError as error:
        raise ImportError(
            "YOLO needs the package ultralytics (AGPL-3.0), installed so that its opencv-python "
            "does not replace opencv-python-headless: pip install --no-deps -r "
            f"requirements/yolo.txt ({error})"
        ) from error
    settings.update({key: False for key in REPORTERS if key in settings})
    return YOLO


def predict(model, images: list[Path], args: argparse.Namespace) -> Iterator[tuple]:
    """(corners, scores, classes) of each image, in pixels of the stored image."""
    for image in images:
        (result,) = model.predict(
            str(image), conf=args.score, iou=args.nms_iou, imgsz=args.imgsz, max_det=100,
            device=args.device, verbose=False, save=False,
        )  # fmt: skip
        boxes = result.boxes.cpu()
        yield tuple(np.asarray(values) for values in (boxes.xyxy, boxes.conf, boxes.cls))


def run(args: argparse.Namespace) -> None:
    register_builtin_datasets()
    check_registered((args.train, args.val, args.test))
    check_writable_folder(args.output)
    yolo = import_yolo(args.output)
    root = args.output / "data"
    splits = {"train": args.train, "val": args.val, "test": args.test}
    files = {split: export_split(name, root, split) for split, name in splits.items()}
    data = write_data_yaml(root, MetadataCatalog.get(args.train).thing_classes, splits)
    model = yolo(args.model)
    model.train(
        data=str(data), epochs=args.epochs, imgsz=args.imgsz, batch=args.batch, seed=args.seed,
        device=args.device, workers=args.workers, project=str(args.output.resolve()), name="train",
        exist_ok=True, plots=False,
    )  # fmt: skip
    best = args.output / "train" / "weights" / "best.pt"
    results = coco_results(args.test, predict(yolo(str(best)), files["test"], args))
    path = args.output / "inference" / args.test / RESULTS
    write_json(path, results)
    print(f"{len(results)} detections: {path}")


@command_line_tool
def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    run(args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
