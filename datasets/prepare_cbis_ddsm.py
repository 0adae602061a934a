#!/usr/bin/env python
"""Bring CBIS-DDSM, as TCIA releases it in DICOM, into the canonical form.

    datasets/prepare_cbis_ddsm.py --root DOWNLOAD --csv CSVDIR \\
        [--out $DETECTRON2_DATASETS/cbis_ddsm] [--subset mass|calc|all] [--workers N]

Finds the files, reads, repairs, cleans, crops and links them, and accounts for every decision in
<out>/report. A run that was stopped goes on where it was; a finished one is not done again. Files
that cannot be read now, as on a network drive, are tried again, and leave the exit status 1: the
next run takes them up.
"""

from __future__ import annotations

from agn_d2.utils.command_line import command_line_tool

# isort: split
import argparse
import logging
import sys
from pathlib import Path

from agn_d2.prepare.account import format_summary
from agn_d2.prepare.cbis_ddsm.release import ReleaseOptions, prepare_release
from agn_d2.prepare.core_film import ORIENTATIONS, FilmOptions
from agn_d2.utils.paths import datasets_root


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", required=True, type=Path, help="the download folder")
    parser.add_argument("--csv", required=True, type=Path, help="folder of the four CSVs")
    parser.add_argument("--out", type=Path, help="default: $DETECTRON2_DATASETS/cbis_ddsm")
    parser.add_argument("--subset", choices=("mass", "calc", "all"), default="mass")
    parser.add_argument("--workers", type=int, default=-1, help="processes, -1: one per core")
    parser.add_argument("--val-share", type=float, default=0.1, help="share of training patients")
    parser.add_argument("--seed", type=int, default=0, help="random seed of the validation split")
    parser.add_argument("--no-crop", action="store_true", help="keep the whole film")
    parser.add_argument("--no-clean", action="store_true", help="keep borders, labels and tape")
    parser.add_argument(
        "--chest-wall",
        choices=ORIENTATIONS,
        default=ORIENTATIONS[0],
        help="side that the chest wall is brought to",
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="examine films of which a finding is lost, such as in a part of the download; else "
        "they only serve other views, as the lost lesion would count as background",
    )
    parser.add_argument("--ddsm", type=Path, help="original DDSM as PNG, for missing views")
    parser.add_argument("--ddsm-table", type=Path, help="cbis_to_ddsm.csv, needed with --ddsm")
    return parser.parse_args()


@command_line_tool
def main() -> int:
    args = parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s")
    out = args.out or datasets_root() / "cbis_ddsm"
    film = FilmOptions(not args.no_crop, not args.no_clean, args.chest_wall)
    options = ReleaseOptions(
        args.root,
        args.csv,
        out,
        args.subset,
        args.val_share,
        args.seed,
        film,
        args.ddsm,
        args.ddsm_table,
        args.keep,
    )
    result = prepare_release(options, args.workers)
    print(format_summary(result.summary), end="")
    print(f"prepared now: {result.prepared} films; report: {out / 'report'}")
    if result.what_is_open is None:
        return 0
    print(f"prepare_cbis_ddsm: {result.what_is_open}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
