#!/usr/bin/env python
"""Make a page that shows the landmarks of a data set, the least certain images first.

tools/landmark_report.py --landmarks landmarks.json --images DIR --output DIR [--corrections FILE]

Open DIR/index.html in a browser: summary, distributions, and every image with its landmarks. A
click opens an image; there landmarks can be corrected, and the corrections saved as the CSV file
that --corrections reads (here, in extract_landmarks.py and in prepare_cbis_ddsm_coco.py). Exits
with status 1 if an image could not be shown.
"""

from __future__ import annotations

from agn_d2.utils.command_line import command_line_tool

# isort: split
import argparse
import logging
import sys
from pathlib import Path

from agn_d2.landmarks.correction_files import read_corrections
from agn_d2.landmarks.record import read_landmarks
from agn_d2.visualization.landmark_report import build_report


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--landmarks", type=Path, required=True, help="JSON file with the records")
    parser.add_argument("--images", type=Path, required=True, help="folder of the images")
    parser.add_argument("--output", type=Path, required=True, help="folder for the page")
    parser.add_argument("--corrections", type=Path, help="CSV or JSON file that overrides records")
    parser.add_argument("--layout", default="22,26", help="nodes of CC, MLO (default: %(default)s)")
    parser.add_argument("--title", help="default: the name of the data set's folder")
    parser.add_argument("--workers", type=int, default=1, help="threads, -1: one per core")
    return parser.parse_args(argv)


def default_title(images: Path) -> str:
    """Name of the data set: of the folder above images/, else of the folder itself."""
    folder = images.resolve()
    return folder.parent.name if folder.name == "images" else folder.name


@command_line_tool
def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s: %(message)s")
    if not args.images.is_dir():
        raise ValueError(f"{args.images}: no such folder")
    report = build_report(
        read_landmarks(args.landmarks),
        args.images,
        args.output,
        corrections=read_corrections(args.corrections) if args.corrections else None,
        layout=args.layout,
        title=args.title or default_title(args.images),
        workers=args.workers,
    )
    for name in report.unknown_corrections:
        print(f"warning: a correction, but no landmarks: {name}", file=sys.stderr)
    for reason in report.problems.values():
        print(f"not shown: {reason}", file=sys.stderr)
    if report.without_record:
        print(f"images in the folder without landmarks: {len(report.without_record)}")
    print(f"{report.images} images: {report.page}")
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
