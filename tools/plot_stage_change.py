#!/usr/bin/env python
"""Draw the losses about the beginning of a stage, beside runs that went another way from there.

tools/plot_stage_change.py "AGN=output/staged" "without AGN=output/control" --stage 4 \\
    --output change.png

The first run is looked at, the others are its controls; train with SOLVER.METRICS_PERIOD 1.
"""

from __future__ import annotations

from agn_d2.utils.command_line import command_line_tool

# isort: split
import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from agn_d2.evaluation.runs import named_paths
from agn_d2.visualization.figure_files import write_curves
from agn_d2.visualization.stage_change import change_table, stage_change_figure
from agn_d2.visualization.training_metrics import read_metrics


@command_line_tool
def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", metavar="NAME=OUTPUT_DIR")
    parser.add_argument("--stage", type=int, required=True, help="counted from 1")
    parser.add_argument("--before", type=int, default=100, help="steps to show (%(default)s)")
    parser.add_argument("--after", type=int, default=200, help="steps to show (%(default)s)")
    parser.add_argument("--output", type=Path, required=True, help=".png (and .svg), .svg or .pdf")
    args = parser.parse_args(argv)
    folders = named_paths(args.runs, name_needed=True)
    runs = {name: read_metrics(folder / "metrics.json") for name, folder in folders.items()}
    table = change_table(runs, args.stage)
    figure = stage_change_figure(runs, args.stage, args.before, args.after)
    written = write_curves(figure, args.output)
    (_, (before,)), *rows = table
    print(f"Mean loss of the 50 steps before: {before:.4f}")
    print("In the stage: first step, first 10, 50, 200 steps")
    for label, means in rows:
        print(f"  {label}: " + ", ".join(f"{mean:.4f}" for mean in means))
    print(" ".join(map(str, written)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
