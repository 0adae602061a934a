#!/usr/bin/env python
"""Train or evaluate a detector that reads several views.

tools/train_net.py --config-file configs/agrcnn_R50_FPN.yaml [--eval-only] [KEY VALUE ...]
torchrun --nproc-per-node 4 tools/train_net.py --config-file ...
"""

from __future__ import annotations

from agn_d2.utils.command_line import command_line_tool

# isort: split
import sys

from detectron2.engine import default_argument_parser

import agn_d2  # noqa: F401  registers backbones and meta-architectures
from agn_d2.engine.launch import launch_processes
from agn_d2.engine.train import train_or_evaluate


@command_line_tool
def main() -> None:
    launch_processes(train_or_evaluate, default_argument_parser().parse_args())


if __name__ == "__main__":
    sys.exit(main())
