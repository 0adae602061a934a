#!/usr/bin/env python
"""Draw the loss curves of one or several runs into one figure.

tools/plot_losses.py --output losses.png "Mask R-CNN=output/mask_rcnn" "AG-RCNN=output/agrcnn"

A run is an OUTPUT_DIR, or its metrics.json, with a name of your choice.
"""

from __future__ import annotations

from agn_d2.utils.command_line import command_line_tool

# isort: split
import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from agn_d2.evaluation.runs import named_paths
from agn_d2.visualization.loss_curves import plot_losses, read_losses


@command_line_tool
def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", metavar="NAME=PATH")
    parser.add_argument("--output", type=Path, required=True, help=".png (and .svg), .svg or .pdf")
    args = parser.parse_args(argv)
    runs = {}
    for name, path in named_paths(args.runs, name_needed=True).items():
        runs[name] = read_losses(path / "metrics.json" if path.is_dir() else path)
    written = plot_losses(runs, args.output)
    print(" ".join(map(str, written)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
