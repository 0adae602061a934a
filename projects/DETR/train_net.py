#!/usr/bin/env python
"""Train or evaluate DETR by the loop that trains AG-RCNN, on the same data.

projects/DETR/train_net.py --config-file projects/DETR/configs/detr_R50.yaml [KEY VALUE ...]
"""

from __future__ import annotations

from agn_d2.utils.command_line import command_line_tool

# isort: split
import functools
import sys

from detectron2.engine import default_argument_parser

from agn_d2.engine.launch import launch_processes
from agn_d2.engine.train import train_or_evaluate
from detr import add_detr_config


@command_line_tool
def main() -> None:
    run = functools.partial(train_or_evaluate, add_configs=(add_detr_config,))
    launch_processes(run, default_argument_parser().parse_args())


if __name__ == "__main__":
    sys.exit(main())
