#!/usr/bin/env python
"""Detect the landmarks and place the graph nodes of a folder of mammograms.

tools/extract_landmarks.py --images DIR --output landmarks.json [--overlays DIR] [--workers 4]

Views are read from the headers of DICOM files, from the names of others, or from a table (--views).
Exits with status 1 if an image was skipped because it cannot be read, or its view is not known or
neither CC nor MLO; the others are written all the same.
"""

from __future__ import annotations

from agn_d2.utils.command_line import command_line_tool

# isort: split
import argparse
import logging
import sys
from collections import Counter
from pathlib import Path

import cv2
import numpy as np

from agn_d2.data.examination_files import list_files
from agn_d2.images import read_gray
from agn_d2.landmarks import (
    METHODS,
    Landmarks,
    NodeLayout,
    extract,
    place_nodes,
    resolve_method,
    write_landmarks,
)
from agn_d2.landmarks.correction_files import read_corrections
from agn_d2.landmarks.corrections import apply_corrections
from agn_d2.landmarks.view_table import read_views, views_of
from agn_d2.utils.files import check_writable, check_writable_folder, write_atomically
from agn_d2.utils.view_names import VIEWS
from agn_d2.visualization.landmarks import draw_landmarks


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, required=True, help="folder, read with subfolders")
    views = parser.add_mutually_exclusive_group()
    views.add_argument(
        "--view", choices=VIEWS, help="view of all images; default: by header or file name"
    )
    views.add_argument(
        "--views",
        type=Path,
        metavar="FILE",
        help="CSV table (columns file_name or image_id, and view or view_position) or COCO JSON "
        "that tells the views",
    )
    parser.add_argument(
        "--method",
        type=resolve_method,
        choices=METHODS,
        default=METHODS[0],
        help="our own steps or the recipe of [S], see docs/landmarks.md (default: %(default)s)",
    )
    parser.add_argument("--layout", default="22,26", help="nodes of CC, MLO (default: %(default)s)")
    parser.add_argument("--output", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--overlays", type=Path, help="folder for drawings of the landmarks")
    parser.add_argument("--corrections", type=Path, help="CSV or JSON file that overrides")
    parser.add_argument("--workers", type=int, default=1, help="threads, -1: one per core")
    return parser.parse_args(argv)


def list_images(folder: Path, overlays: Path | None = None) -> list[Path]:
    """Image files below a folder, sorted; the folder of earlier overlays is passed over.

    Raises:
        ValueError: if the folder is missing or holds none.
        OSError: a folder cannot be listed now.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder")
    return [Path(path) for path in list_files(folder, skip=overlays)]


def write_overlays(
    images: Path, folder: Path, landmarks: dict[str, Landmarks], nodes: dict[str, np.ndarray]
) -> None:
    """Write a drawing of each image's landmarks and nodes as <folder>/<file name>.png."""
    for key, item in landmarks.items():
        drawing = draw_landmarks(read_gray(images / key), item, nodes[key])
        _, data = cv2.imencode(".png", drawing[:, :, ::-1])
        write_atomically(folder / f"{key}.png", data.tobytes())


@command_line_tool
def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s")
    layout = NodeLayout.parse(args.layout)
    corrections = read_corrections(args.corrections) if args.corrections else {}
    paths = list_images(args.images, args.overlays)
    views = views_of(paths, args.images, read_views(args.views)) if args.views else args.view
    check_writable(args.output)
    if args.overlays:
        check_writable_folder(args.overlays)
    result = extract(paths, views, args.workers, args.method)
    keys = {path: Path(path).relative_to(args.images).as_posix() for path in result.landmarks}
    found = {keys[path]: item for path, item in result.landmarks.items()}
    landmarks, unknown = apply_corrections(found, corrections)
    nodes = {key: place_nodes(item, layout) for key, item in landmarks.items()}
    counts = Counter((item.view, item.status) for item in landmarks.values())
    for (view, status), count in sorted(counts.items()):
        print(f"{count:6d}  {view:3s}  {status}")
    for name in unknown:
        print(f"warning: a correction, but no landmarks: {name}", file=sys.stderr)
    for reason in result.failures.values():
        print(f"skipped: {reason}", file=sys.stderr)
    print(f"{len(landmarks)} of {len(paths)} images have landmarks")
    if not landmarks:
        return 1
    write_landmarks(args.output, landmarks, nodes)
    if args.overlays:
        write_overlays(args.images, args.overlays, landmarks, nodes)
    return 1 if result.failures else 0


if __name__ == "__main__":
    sys.exit(main())
