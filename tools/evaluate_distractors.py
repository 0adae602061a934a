#!/usr/bin/env python
"""How well a detector tells the phantom's masses from each kind of distractor.

tools/evaluate_distractors.py --gt phantom/annotations/test.json \\
    --predictions output/inference/phantom_test/coco_instances_results.json
"""

from __future__ import annotations

from agn_d2.utils.command_line import command_line_tool

# isort: split
import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from agn_d2.coco.reading import read_json
from agn_d2.evaluation.coco_results import read_detections, read_ground_truth
from agn_d2.evaluation.distractors import MASS, scores_by_kind
from agn_d2.evaluation.separation import separation


@command_line_tool
def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gt", type=Path, required=True, help="annotation file of the phantom")
    parser.add_argument("--predictions", type=Path, required=True, help="COCO results file")
    parser.add_argument("--iou", type=float, default=0.2, help="least IoU of a detection on a body")
    args = parser.parse_args(argv)
    # Refuses what the other evaluations refuse, such as the results of another data set.
    read_detections(args.predictions, read_ground_truth(args.gt))
    scores = scores_by_kind(read_json(args.gt), read_json(args.predictions), args.iou)
    print(f"{'kind':<18}{'objects':>7}{'found':>8}{'AUC of masses against them':>30}")
    for kind, values in scores.items():
        auc = None if kind == MASS else separation(scores[MASS], values)
        found = f"{100 * (values > 0).mean():.1f} %" if len(values) else "–"
        print(f"{kind:<18}{len(values):>7}{found:>8}{'' if auc is None else f'{auc:.3f}':>30}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
