#!/usr/bin/env python
"""List bottom-up networks with their cost, as a table.

tools/list_bottom_ups.py --size 1024 [--repeats 3] [--names "ResNet-18" "timm resnet18"]
"""

from __future__ import annotations

from agn_d2.utils.command_line import command_line_tool

# isort: split
import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from agn_d2.benchmark.bottom_ups import BOTTOM_UPS, bottom_up_cost
from agn_d2.engine.setup import load_cfg

CONFIG = Path(__file__).resolve().parents[1] / "configs/agrcnn_R50_FPN.yaml"


@command_line_tool
def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--names", nargs="+", default=list(BOTTOM_UPS), help="default: all")
    parser.add_argument(
        "--size", type=int, default=1024, help="side of the image in px (%(default)s)"
    )
    parser.add_argument("--repeats", type=int, default=0, help="forward passes to measure")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (%(default)s)")
    args = parser.parse_args(argv)
    unknown = [name for name in args.names if name not in BOTTOM_UPS]
    if unknown or args.size % 32:
        wrong = f"unknown {unknown}" if unknown else f"--size {args.size} is no multiple of 32"
        raise ValueError(f"{wrong}; known: {', '.join(BOTTOM_UPS)}")
    torch.set_num_threads(args.threads)
    print("| network | weights, M | multiply-adds, G | CPU s | config |\n|---|--:|--:|--:|---|")
    for name in args.names:
        line = BOTTOM_UPS[name]
        cost = bottom_up_cost(load_cfg(str(CONFIG), line.split()), args.size, args.repeats)
        seconds = "" if cost.seconds is None else f"{cost.seconds:.2f}"
        counts = f"{cost.parameters / 1e6:.1f} | {cost.multiplications / 1e9:.1f}"
        print(f"| {name} | {counts} | {seconds} | `{line}` |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
