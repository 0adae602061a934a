#!/usr/bin/env python
"""Train and evaluate the rows of an ablation with several seeds, and write one table.

tools/run_ablation.py --rows configs/ablation/*.yaml --seeds 1 2 3 --output output/ablation
tools/run_ablation.py --rows configs/ablation/*.yaml --base configs/agrcnn_EffLite0_FPN_cpu.yaml \\
    --output output/ablation_cpu [KEY VALUE ...]

Each run is a process of tools/train_net.py in <output>/<row>/seed_<seed>. Started again after an
interruption, it leaves out what is finished and resumes what is not. The table is written anew
after every run, as <output>/table.md and <output>/table.json. Exit status 1: a run failed.
"""

from __future__ import annotations

from agn_d2.utils.command_line import command_line_tool

# isort: split
import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from agn_d2.experiments.ablation import (
    execute,
    plan_runs,
    read_result,
    read_row,
    source_version,
)
from agn_d2.experiments.ablation_table import format_markdown, summarize
from agn_d2.utils.files import check_writable_folder, write_text

TRAINER = Path(__file__).resolve().with_name("train_net.py")


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", nargs="+", required=True, help="a YAML per row")
    parser.add_argument("--base", help="put the rows on top of this config")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--output", type=Path, required=True, help="folder of all runs")
    parser.add_argument("--num-gpus", type=int, default=1, help="GPUs of each run (0 on a CPU)")
    parser.add_argument(
        "--trainer", type=Path, default=TRAINER, help="script to run (default: train_net.py)"
    )
    parser.add_argument(
        "opts", nargs=argparse.REMAINDER, help="KEY VALUE ..., for all runs, after --output FOLDER"
    )
    return parser.parse_args(argv)


def write_table(output: Path, results: Sequence[dict[str, Any]], rows: Sequence[str]) -> str:
    """Write table.json and table.md; returns the Markdown."""
    summary = summarize(results, rows)
    content = {"runs": list(results), "summary": summary}
    write_text(output / "table.json", json.dumps(content, indent=1) + "\n")
    markdown = format_markdown(summary)
    write_text(output / "table.md", markdown)
    return markdown


@command_line_tool
def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool; returns the exit status."""
    args = parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    rows = [read_row(path, args.base) for path in args.rows]
    names = [row.name for row in rows]
    runs = plan_runs(rows, args.seeds, args.output, args.opts)
    check_writable_folder(args.output)
    for run in runs:
        # Refuse before any training what would be refused later.
        run.describe()
        read_result(run)
    command = [sys.executable, str(args.trainer), "--num-gpus", str(args.num_gpus)]
    commit = source_version(Path(__file__).parent)
    results = []
    with logging_redirect_tqdm():
        for run in tqdm(runs, disable=None):
            result = execute(run, command, commit)
            if result is not None:
                results.append(result)
                markdown = write_table(args.output, results, names)
    if results:
        print(markdown)
    return int(len(results) < len(runs))


if __name__ == "__main__":
    sys.exit(main())
