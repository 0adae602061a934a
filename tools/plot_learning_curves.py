#!/usr/bin/env python
"""Draw the learning curves of a training.

tools/plot_learning_curves.py output/agrcnn_R50_FPN_staged --output curves.png [--since 27000]
"""

from __future__ import annotations

from agn_d2.utils.command_line import command_line_tool

# isort: split
import argparse
import sys
from pathlib import Path

import yaml

from agn_d2.visualization.figure_files import write_figure
from agn_d2.visualization.learning_curves import learning_curves, read_metrics


def stage_names(config: Path) -> list[str]:
    """Names of the stages in the config that a training leaves beside its metrics."""
    if not config.is_file():
        return []
    # A run of plain Detectron2 has no such key.
    try:
        solver = yaml.safe_load(config.read_text()).get("SOLVER", {})
    except (AttributeError, yaml.YAMLError) as error:
        raise ValueError(f"{config}: no config of a training ({error})") from error
    return [stage["NAME"] for stage in solver.get("STAGES", [])]


@command_line_tool
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="OUTPUT_DIR of the training")
    parser.add_argument("--output", type=Path, required=True, help=".png, .svg or .pdf")
    parser.add_argument("--since", type=int, help="first iteration to show")
    args = parser.parse_args()
    rows = read_metrics(args.run / "metrics.json")
    stages = stage_names(args.run / "config.yaml")
    write_figure(learning_curves(rows, stages=stages, since=args.since), args.output, dpi=120)


if __name__ == "__main__":
    sys.exit(main())
