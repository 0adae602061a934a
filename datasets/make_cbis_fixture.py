#!/usr/bin/env python
"""Make a small CBIS-DDSM download with planted faults, to try prepare.py on.

datasets/make_cbis_fixture.py --csv CSVDIR --out DIR --patients P_00001 P_00038 ...
"""

from __future__ import annotations

from agn_d2.utils.command_line import command_line_tool

# isort: split
import argparse
import sys
from pathlib import Path

from agn_d2.phantom.cbis_fixture.build import build_fixture


@command_line_tool
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--csv", required=True, type=Path, help="folder of the four CSVs")
    parser.add_argument("--out", required=True, type=Path, help="folder to be made")
    parser.add_argument("--patients", required=True, nargs="+", help="whose rows are taken")
    parser.add_argument("--height", type=int, default=640, help="height of the films in pixels")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-faults", action="store_true")
    args = parser.parse_args()
    manifest = build_fixture(
        args.csv,
        args.out,
        args.patients,
        height=args.height,
        seed=args.seed,
        faults=not args.no_faults,
    )
    findings = [item for film in manifest["films"] for item in film["findings"]]
    print(f"{args.out}: {len(manifest['films'])} films, {len(findings)} findings")


if __name__ == "__main__":
    sys.exit(main())
