#!/usr/bin/env python
"""Make the phantom data set: python datasets/make_phantom.py --cases 90 --seed 0 --out DIR."""

from __future__ import annotations

from agn_d2.utils.command_line import command_line_tool

# isort: split
import argparse
import logging
import sys
from dataclasses import fields, replace

from agn_d2.phantom import CBIS_DDSM_VIEW_SHARES, DEMO_PARAMS, PhantomParams, make_phantom

HELP = {
    "cases": "number of women (up to four images each)",
    "seed": "decides everything",
    "size": "image height in pixels",
    "aspect": "image width / height",
    "split_shares": "shares of the cases in train, val, test",
    "density_shares": "shares of ACR density 1 to 4",
    "mass_count_shares": "shares of cases with 0, 1, 2, ... masses",
    "mass_diameter_mm": "smallest and largest mass, mm",
    "mass_contrast": "least and most brightness added by a mass (full scale 1)",
    "spiculated_share": "share of masses with spicules",
    "hidden_share": "share of masses hidden by dense tissue in one view",
    "superimposition_share": "share of breasts with a mass-like blob in one view only",
    "symmetric_share": "share of cases with a mass-like density in both breasts",
    "tissue_symmetry": "part of the tissue pattern that both breasts share",
    "nipple_in_profile_share": "share of images with the nipple in profile",
    "pectoral_absent_share": "share of MLO images without pectoral muscle",
    "cc_pectoral_share": "share of CC images with a rim of muscle",
    "unexpected_side_share": "share of images with the chest wall at the unexpected side",
    "view_shares": "shares of cases with: four views, three, CC + MLO of one breast, one view of "
    "both breasts, a single view",
    "border_share": "share of images with white film borders",
    "label_share": "share of images with a burned-in label",
    "tape_share": "share of images with tape",
    "noise": "strength of the film noise",
}


def build_parser() -> argparse.ArgumentParser:
    """One option per field of PhantomParams, plus the folder and how to work."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True, help="folder of the data set")
    parser.add_argument("--workers", type=int, default=1, help="processes; no effect on the data")
    parser.add_argument("--overwrite", action="store_true", help="replace a different phantom")
    parser.add_argument(
        "--demo",
        action="store_true",
        help="start from the demo's small and easy parameters; options still change them",
    )
    parser.add_argument(
        "--cbis-views",
        action="store_true",
        help="views missing as often as in CBIS-DDSM (takes the place of --view-shares)",
    )
    for field in fields(PhantomParams):
        many = isinstance(field.default, tuple)
        parser.add_argument(
            "--" + field.name.replace("_", "-"),
            type=float if many else type(field.default),
            nargs="+" if many else None,
            # Absent unless given, so that it is known what changes the chosen defaults.
            default=argparse.SUPPRESS,
            help=f"{HELP[field.name]} (default: {field.default})",
        )
    return parser


@command_line_tool
def main(argv: list[str] | None = None) -> int:
    """Run the tool; returns the exit status."""
    args = vars(build_parser().parse_args(argv))
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    changes = {f.name: args[f.name] for f in fields(PhantomParams) if f.name in args}
    if args["cbis_views"]:
        changes["view_shares"] = CBIS_DDSM_VIEW_SHARES
    params = replace(DEMO_PARAMS if args["demo"] else PhantomParams(), **changes)
    make_phantom(args["out"], params, args["workers"], args["overwrite"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
