#!/usr/bin/env python
"""Restore the films of DDSM at 299 px, and write a table of them for prepare.py.

    datasets/make_ddsm_299_table.py --source ddsm_299 --out restored
    datasets/prepare.py table --table restored/table.csv --images restored/films \
        --box-format xywh --out $DETECTRON2_DATASETS/ddsm

The films get back their own aspect ratio. Boxes of DDSM's outlines, which are 1.6 times as long as
CBIS-DDSM's, are shrunk about their center. cbis_or_none.txt names the examined films that have
boxes of CBIS-DDSM alone, or none: for tools/compare.py --only.
"""

from __future__ import annotations

from agn_d2.utils.command_line import command_line_tool

# isort: split
import argparse
import csv
import sys
from pathlib import Path

from tqdm import tqdm

from agn_d2.prepare.ddsm_299 import COLUMNS, OVERLAY, read_films, restore
from agn_d2.utils.files import check_writable_folder


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", required=True, type=Path, help="the folder ddsm_299")
    parser.add_argument("--out", required=True, type=Path, help="folder to be made")
    parser.add_argument(
        "--shrink",
        type=float,
        default=0.65,
        metavar="SHARE",
        help="of the width and height of DDSM's outlines (%(default)s); 1: as they are",
    )
    args = parser.parse_args(argv)
    if not 0 < args.shrink <= 1:
        parser.error("--shrink must be above 0 and at most 1")
    return args


@command_line_tool
def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    films = read_films(args.source)
    known = [film for film in films if film.size is not None]
    check_writable_folder(args.out / "films")
    rows = []
    for film in tqdm(known, unit="film"):
        rows += restore(film, args.source, args.out / "films", args.shrink)
    # After all films: a run that was stopped leaves no table of a part of them.
    with (args.out / "table.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(rows)
    examined = [film for film in known if film.facts["examined"] == "yes"]
    alike = [film.table_name for film in examined if OVERLAY not in film.sources]
    (args.out / "cbis_or_none.txt").write_text("\n".join([*alike, ""]), encoding="utf-8")
    for film in films:
        if film.size is None:
            print(f"left out: {film.name}: the size of the film is unknown", file=sys.stderr)
    boxes = sum(len(film.boxes) for film in known)
    print(f"{args.out}: {len(known)} films, {len(examined)} examined, {boxes} masses")
    return 0


if __name__ == "__main__":
    sys.exit(main())
