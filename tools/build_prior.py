#!/usr/bin/env python
"""Count the geometric prior H^g of BGN on a registered training set."""

from __future__ import annotations

from agn_d2.utils.command_line import command_line_tool

# isort: split
import argparse
import sys

from agn_d2.data.build import load_cases
from agn_d2.data.builtin import register_builtin_datasets
from agn_d2.data.lesion_pairs import count_prior
from agn_d2.graph.prior import write_prior
from agn_d2.landmarks.nodes import NodeLayout
from agn_d2.utils.files import check_writable


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", required=True, help="e.g. cbis_ddsm_mass_train")
    parser.add_argument("--layout", default="22,26", help="nodes of CC, MLO (default 22,26)")
    parser.add_argument("--output", required=True, help="JSON file to write")
    return parser.parse_args()


@command_line_tool
def main() -> None:
    args = parse_args()
    register_builtin_datasets()
    layout = NodeLayout.parse(args.layout)
    check_writable(args.output)
    prior = count_prior(load_cases([args.dataset]), layout, args.dataset)
    write_prior(args.output, prior)
    filled = int((prior.counts > 0).sum())
    print(
        f"{args.output}: {prior.counts.sum():.0f} masses seen in both views of {args.dataset}, "
        f"{filled} of {prior.counts.size} node pairs counted at least once"
    )


if __name__ == "__main__":
    sys.exit(main())
