#!/usr/bin/env python
"""Turn the RGB stem of a checkpoint into one for a gray image.

tools/convert_stem_to_gray.py R-50.pkl R-50-gray.pth --order RGB [--kind luma]

Detectron2's caffe-style weights (MSRA/R-50.pkl) are BGR; torchvision's and timm's are RGB.
The same happens by itself when a checkpoint of three channels meets a model of one; a file is
needed where another program reads it, or where the order is not that of INPUT.FORMAT.
"""

from __future__ import annotations

from agn_d2.utils.command_line import command_line_tool

# isort: split
import argparse
import sys

from agn_d2.engine.checkpoint_file import read_checkpoint_file, write_checkpoint_file
from agn_d2.engine.stem_file import convert_checkpoint
from agn_d2.modeling.gray_stem import STEMS


@command_line_tool
def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", help=".pkl of Detectron2 or .pth of torch, with an RGB stem")
    parser.add_argument("target", help=".pth to write")
    parser.add_argument("--order", choices=("RGB", "BGR"), required=True)
    parser.add_argument("--kind", choices=STEMS, default="luma")
    args = parser.parse_args()
    converted, name = convert_checkpoint(read_checkpoint_file(args.source), args.kind, args.order)
    write_checkpoint_file(args.target, converted)
    print(f"{name}: one channel, {args.kind} of {args.order}; written to {args.target}")


if __name__ == "__main__":
    sys.exit(main())
