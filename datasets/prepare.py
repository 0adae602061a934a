#!/usr/bin/env python
"""Bring a data set into the form that training reads.

    datasets/prepare.py table --table mine.csv --images FOLDER --out $DETECTRON2_DATASETS/mine
    datasets/prepare.py vindr --root /path/to/vindr-mammo
    datasets/prepare.py inbreast --root /path/to/INbreast
    datasets/prepare.py ddsm --root /path/to/ddsm
    datasets/prepare.py cbis-ddsm --root /path/to/CBIS-DDSM --csv /path/to/csvs
    datasets/prepare.py cbis-kaggle --root /path/to/cbis-ddsm-breast-cancer-image-dataset

Writes images, annotations, landmarks and priors, and accounts for every decision in <out>/report.
A run that was stopped goes on where it was. Files that cannot be read now leave the exit status 1:
the next run takes them up. The data sets: datasets/README.md.
"""

from __future__ import annotations

from agn_d2.utils.command_line import command_line_tool

# isort: split
import argparse
import logging
import sys
from pathlib import Path

from agn_d2.dicom.acceptance import Wishes
from agn_d2.dicom.tone import TONES, Tone
from agn_d2.prepare import vindr as vindr_module
from agn_d2.prepare.account import format_summary
from agn_d2.prepare.cbis_ddsm.kaggle import kaggle_layout
from agn_d2.prepare.cbis_ddsm.release import ReleaseOptions, prepare_release
from agn_d2.prepare.core import CoreOptions, Source
from agn_d2.prepare.core_film import ORIENTATIONS, FilmOptions
from agn_d2.prepare.core_result import Result
from agn_d2.prepare.core_run import prepare_source
from agn_d2.prepare.ddsm import read_ddsm
from agn_d2.prepare.inbreast import read_inbreast
from agn_d2.prepare.inbreast_pectoral import muscle_files, pectoral_report
from agn_d2.prepare.splits import with_splits
from agn_d2.prepare.table import read_table
from agn_d2.prepare.table_boxes import BOX_FORMATS
from agn_d2.utils.paths import datasets_root


def build_parser() -> argparse.ArgumentParser:
    """One subcommand for each data set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="dataset", required=True, metavar="DATASET")
    common, dicom, splits = _common_options(), _dicom_options(), _split_options()
    release = _release_options()

    table = commands.add_parser(
        "table", parents=[common, splits, dicom], help="a table of your own"
    )
    table.set_defaults(read=read_own_table, folder=None)
    table.add_argument("--table", required=True, type=Path, help="CSV: file, box, patient, ...")
    table.add_argument("--images", required=True, type=Path, help="folder of the files")
    table.add_argument("--box-format", choices=BOX_FORMATS, default="xyxy", help="of a column box")
    table.add_argument("--lateral", action="store_true", help="take ML and LM views for MLO")
    table.add_argument("--for-processing", action="store_true", help="take such images as well")

    vindr = commands.add_parser("vindr", parents=[common, dicom], help="VinDr-Mammo")
    vindr.set_defaults(read=read_vindr_mammo, folder="vindr_mammo")
    vindr.add_argument("--root", required=True, type=Path, help="the download, with images/")
    vindr.add_argument("--csv", type=Path, help="folder of the two CSVs (default: the root)")
    vindr.add_argument(
        "--findings",
        nargs="+",
        default=[vindr_module.MASS],
        choices=vindr_module.CATEGORIES,
        metavar="CATEGORY",
        help="what is to be detected, as one class (default: %(default)s)",
    )

    inbreast = commands.add_parser("inbreast", parents=[common, splits, dicom], help="INbreast")
    inbreast.set_defaults(read=read_inbreast_films, prepare=prepare_inbreast, folder="inbreast")
    inbreast.add_argument("--root", required=True, type=Path, help="the download")
    inbreast.add_argument("--table", type=Path, help="default: INbreast.csv or .xls of the root")
    inbreast.add_argument(
        "--pectoral-report",
        action="store_true",
        help="hold the pectoral lines found against the outlined muscles",
    )

    ddsm = commands.add_parser("ddsm", parents=[common, splits], help="DDSM, as PNG or TIFF")
    ddsm.set_defaults(read=read_ddsm_films, folder="ddsm")
    ddsm.add_argument("--root", required=True, type=Path, help="folder of the .ics and .OVERLAY")
    ddsm.add_argument("--images", type=Path, help="folder of the pictures (default: the root)")
    ddsm.add_argument("--no-clean", action="store_true", help="keep borders, labels and tape")

    tcia = commands.add_parser(
        "cbis-ddsm", parents=[common, release], help="CBIS-DDSM as DICOM of TCIA"
    )
    tcia.set_defaults(prepare=prepare_tcia, folder="cbis_ddsm")
    tcia.add_argument("--root", required=True, type=Path, help="the download folder")
    tcia.add_argument("--csv", required=True, type=Path, help="folder of the four CSVs")
    tcia.add_argument("--ddsm", type=Path, help="original DDSM as PNG, for missing views")
    tcia.add_argument("--ddsm-table", type=Path, help="cbis_to_ddsm.csv, needed with --ddsm")

    kaggle = commands.add_parser(
        "cbis-kaggle", parents=[common, release], help="CBIS-DDSM as on Kaggle"
    )
    kaggle.set_defaults(prepare=prepare_kaggle, folder="cbis_ddsm_kaggle")
    kaggle.add_argument("--root", required=True, type=Path, help="the archive, with csv/ and jpeg/")
    kaggle.add_argument("--csv", type=Path, help="folder of the CSVs (default: <root>/csv)")
    return parser


def _common_options() -> argparse.ArgumentParser:
    """What every data set has."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--out", type=Path, help="default: a folder below $DETECTRON2_DATASETS")
    parser.add_argument(
        "--workers", type=int, default=-1, help="processes, -1: one per core (the default)"
    )
    parser.add_argument(
        "--val-share", type=float, default=0.1, help="of the training patients (%(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of the splits that are drawn (%(default)s)"
    )
    parser.add_argument("--no-crop", action="store_true", help="keep the whole film")
    parser.add_argument(
        "--chest-wall",
        choices=ORIENTATIONS,
        default=ORIENTATIONS[0],
        help="side that the chest wall is brought to",
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="examine films of which a lesion is lost; else they only serve other views, as the "
        "lost lesion would count as background",
    )
    return parser


def _release_options() -> argparse.ArgumentParser:
    """What CBIS-DDSM has in all of its forms."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--subset", choices=("mass", "calc", "all"), default="mass")
    parser.add_argument("--no-clean", action="store_true", help="keep borders, labels and tape")
    return parser


def _dicom_options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(
        "--dicom-tone",
        choices=TONES,
        default=Tone().kind,
        help="how gray values are made (%(default)s)",
    )
    parser.add_argument("--dicom-voi", type=int, default=Tone().voi, help="which window, from 0")
    return parser


def _split_options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(
        "--test-share",
        type=float,
        default=0.2,
        help="of all patients, where no split is given (%(default)s)",
    )
    parser.add_argument("--splits", type=Path, help="CSV: patient, split (train, val or test)")
    return parser


def read_own_table(args: argparse.Namespace) -> Source:
    """The films of a table of one's own."""
    if args.out is None:
        raise ValueError("--out is missing: the folder of the data set, whose name becomes its own")
    wishes = Wishes(args.lateral, args.for_processing)
    return read_table(
        args.table, args.images, name=args.out.name, box_format=args.box_format, wishes=wishes
    )


def read_vindr_mammo(args: argparse.Namespace) -> Source:
    """The films of VinDr-Mammo."""
    return vindr_module.read_vindr(args.root, csv_folder=args.csv, findings=args.findings)


def read_inbreast_films(args: argparse.Namespace) -> Source:
    """The films of INbreast."""
    return read_inbreast(args.root, args.table)


def read_ddsm_films(args: argparse.Namespace) -> Source:
    """The films of DDSM."""
    return read_ddsm(args.root, args.images)


def prepare(args: argparse.Namespace, out: Path) -> Result:
    """Read the data set's own tables, then prepare the films that they list."""
    source = args.read(args)
    if getattr(args, "splits", None) is not None:
        source = with_splits(source, args.splits)
    options = CoreOptions(
        FilmOptions(not args.no_crop, not getattr(args, "no_clean", True), args.chest_wall),
        Tone(args.dicom_tone, args.dicom_voi) if "dicom_tone" in args else Tone(),
        args.keep,
        args.val_share,
        getattr(args, "test_share", 0.0),
        args.seed,
    )
    return prepare_source(source, out, options, args.workers)


def prepare_inbreast(args: argparse.Namespace, out: Path) -> Result:
    """The films of INbreast, and, when asked, the report on the pectoral lines."""
    # Before the preparation, which takes long: a download may lack them.
    muscles = muscle_files(args.root) if args.pectoral_report else None
    result = prepare(args, out)
    if muscles is not None:
        report = pectoral_report(muscles, out)
        result.summary["pectoral lines against the outlined muscles"] = report
    return result


def prepare_tcia(args: argparse.Namespace, out: Path) -> Result:
    """The preparation of the release, from TCIA's DICOM files."""
    return prepare_release(release_options(args, out, args.csv), args.workers)


def prepare_kaggle(args: argparse.Namespace, out: Path) -> Result:
    """The preparation of the release, from Kaggle's files."""
    csv_folder = args.csv or args.root / "csv"
    options = release_options(args, out, csv_folder)
    return prepare_release(options, args.workers, kaggle_layout(csv_folder))


def release_options(args: argparse.Namespace, out: Path, csv_folder: Path) -> ReleaseOptions:
    """How the release is prepared, in whichever form it comes."""
    return ReleaseOptions(
        args.root,
        csv_folder,
        out,
        args.subset,
        args.val_share,
        args.seed,
        FilmOptions(not args.no_crop, not args.no_clean, args.chest_wall),
        getattr(args, "ddsm", None),
        getattr(args, "ddsm_table", None),
        args.keep,
    )


@command_line_tool
def main(argv: list[str] | None = None) -> int:
    args = build_parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s")
    out = args.out or datasets_root() / args.folder if args.folder else args.out
    result = getattr(args, "prepare", prepare)(args, out)
    print(format_summary(result.summary), end="")
    print(f"prepared now: {result.prepared} films; report: {out / 'report'}")
    if result.what_is_open is None:
        return 0
    print(f"prepare: {result.what_is_open}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
