#!/usr/bin/env python
"""Write the attention of IGN for each image of a data set, for tools/report.py to lay over it.

tools/save_attention.py --config-file C.yaml --dataset cbis_ddsm_mass_test --run OUTPUT_DIR \\
    MODEL.WEIGHTS OUTPUT_DIR/model_final.pth

Writes OUTPUT_DIR/inference/<data set>/attention/<image id>.png: 16-bit gray, F^_I of [P] times
65535, on the grid of the finest level with AGN. Images without a contralateral view have none; maps
of an earlier run that are not written again are removed. Signs of an image id that a file name
cannot hold are %-codes.
"""

from __future__ import annotations

from agn_d2.utils.command_line import command_line_tool

# isort: split
import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
from detectron2.utils.logger import setup_logger
from tqdm import tqdm

import agn_d2  # noqa: F401  registers backbones and meta-architectures
from agn_d2.data.build import load_cases
from agn_d2.data.mapper import CaseMapper
from agn_d2.engine import setup_inference_cfg
from agn_d2.engine.inference import predict_case
from agn_d2.engine.predictor import build_trained
from agn_d2.engine.setup import add_model_arguments
from agn_d2.evaluation.runs import ATTENTION
from agn_d2.utils.files import check_writable_folder, write_atomically
from agn_d2.utils.safe_names import safe_names


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_model_arguments(parser)
    parser.add_argument("--dataset", required=True, help="registered name")
    parser.add_argument("--run", type=Path, required=True, help="OUTPUT_DIR of the run")
    parser.add_argument("opts", nargs=argparse.REMAINDER, help="KEY VALUE overrides")
    return parser.parse_args()


@command_line_tool
def main() -> None:
    args = parse_args()
    setup_logger(name="agn_d2")
    cfg = setup_inference_cfg(args)
    cases = load_cases([args.dataset])
    model = build_trained(cfg)
    if not getattr(model.backbone, "reads_context", False):
        raise ValueError("this model reads no other views, so it has no attention")
    mapper = CaseMapper(cfg, is_train=False)
    folder = args.run / "inference" / args.dataset / ATTENTION
    records = [record for case in cases for record in case.images]
    names = safe_names(record["image_id"] for record in records)
    check_writable_folder(folder)
    written = set()
    for case in tqdm(cases, disable=None, unit="case"):
        for result in predict_case(model, mapper, case):
            if result.attention is None or not result.record.get("examined", True):
                continue
            image = (65535 * result.attention).round().astype(np.uint16)
            _, data = cv2.imencode(".png", image)
            written.add(folder / f"{names[result.record['image_id']]}.png")
            write_atomically(folder / f"{names[result.record['image_id']]}.png", data.tobytes())
    for left in set(folder.glob("*.png")) - written:
        left.unlink()
    print(f"{len(written)} attention maps in {folder}")


if __name__ == "__main__":
    sys.exit(main())
