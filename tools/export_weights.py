#!/usr/bin/env python
"""Write the weights of a checkpoint as float16 safetensors, and print the file's SHA-256.

    tools/export_weights.py output/mine/model_final.pth agn_d2/model_zoo/NAME/model.safetensors

The line that is printed is the model's in agn_d2/model_zoo/SHA256SUMS (docs/model_zoo.md). Only the
weights and buffers go along: neither optimizer nor config.
"""

from __future__ import annotations

from agn_d2.utils.command_line import command_line_tool

# isort: split
import argparse
import hashlib
import sys
from pathlib import Path

import agn_d2  # noqa: F401  registers zoo://
from agn_d2.engine.checkpoint import read_state
from agn_d2.utils.checkpoint_file import SAFETENSORS, write_half


@command_line_tool
def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", help="a checkpoint, as MODEL.WEIGHTS takes it")
    parser.add_argument("target", type=Path, help=f"the {SAFETENSORS} file to write")
    args = parser.parse_args(argv)
    if args.target.suffix != SAFETENSORS:
        raise ValueError(f"{args.target}: expected a name that ends in {SAFETENSORS}")
    write_half(args.target, read_state(args.source))
    checksum = hashlib.sha256(args.target.read_bytes()).hexdigest()
    print(f"{checksum}  {args.target.resolve().parent.name}/{args.target.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
