#!/usr/bin/env python
"""Measure a landmark detector against known landmarks, such as a phantom's.

tools/evaluate_landmarks.py --dataset DIR [--method robust thesis] [--json OUT.json] [--csv OUT.csv]
"""

from __future__ import annotations

from agn_d2.utils.command_line import command_line_tool

# isort: split
import argparse
import csv
import io
import logging
import sys
from collections import Counter
from pathlib import Path

from agn_d2.landmarks.batch import extract
from agn_d2.landmarks.detect import METHODS, resolve_method
from agn_d2.landmarks.errors import (
    LandmarkErrors,
    compare_landmarks,
    errors_as_row,
    summarize_errors,
)
from agn_d2.landmarks.record import Landmarks, read_landmarks
from agn_d2.utils.files import check_writable, write_json, write_text

ROWS = {  # figure -> (what it is called in the table, factor, digits)
    "nipple_median": ("nipple, median, % of breast height", 100, 2),
    "nipple_p90": ("nipple, 90th percentile, %", 100, 2),
    "pectoral_angle_median": ("pectoral angle, median, degrees", 1, 2),
    "pectoral_angle_within_8": ("pectoral angle within 8 degrees, %", 100, 1),
    "pectoral_distance_median": ("pectoral line, median distance, %", 100, 2),
    "pectoral_distance_p90": ("pectoral line, 90th percentile, %", 100, 2),
    "contour_dice_mean": ("contour, mean Dice", 1, 4),
    "contour_dice_p10": ("contour, Dice, 10th percentile", 1, 4),
    "node_agreement": ("nodes nearest to the true node of their index, %", 100, 1),
    "node_distance_median": ("nodes, median distance, %", 100, 2),
    "chest_wall_right": ("chest wall at the right side, %", 100, 1),
    "images": ("images", 1, 0),
}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--dataset", type=Path, required=True, help="folder with images/ and annotations/"
    )
    parser.add_argument("--truth", type=Path, help="default: annotations/landmarks.json")
    parser.add_argument(
        "--method", nargs="+", type=resolve_method, choices=METHODS, default=list(METHODS)
    )
    parser.add_argument("--layout", default="22,26", help="nodes of CC, MLO (default: %(default)s)")
    parser.add_argument("--limit", type=int, help="only the first so many images")
    parser.add_argument("--workers", type=int, default=1, help="threads, -1: one per core")
    parser.add_argument("--json", type=Path, help="the figures")
    parser.add_argument("--csv", type=Path, help="the errors of every image")
    return parser.parse_args(argv)


def print_table(summaries: dict[tuple[str, str], dict[str, float | None]]) -> None:
    """A Markdown table, one column per method and view."""
    print("| | " + " | ".join(f"{method} {view}" for method, view in summaries) + " |")
    print("|---|" + "---|" * len(summaries))
    for figure, (label, factor, digits) in ROWS.items():
        values = [summary[figure] for summary in summaries.values()]
        cells = ["–" if v is None else f"{v * factor:.{digits}f}" for v in values]
        print(f"| {label} | " + " | ".join(cells) + " |")


def measure(
    args: argparse.Namespace, truth: dict[str, Landmarks], method: str
) -> tuple[dict[str, LandmarkErrors], dict[str, Landmarks]]:
    """Errors and found landmarks of every image."""
    paths = {str(args.dataset / "images" / name): name for name in truth}
    views = [truth[name].view for name in paths.values()]
    result = extract(list(paths), views, args.workers, method)
    if result.failures:
        raise ValueError(f"unreadable: {next(iter(result.failures.values()))}")
    found = {paths[path]: item for path, item in result.landmarks.items()}
    return compare_landmarks(found, truth, args.layout), found


@command_line_tool
def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s")
    summaries, rows = {}, []
    truth = read_landmarks(args.truth or args.dataset / "annotations" / "landmarks.json")
    truth = dict(list(truth.items())[: args.limit])
    if not truth:
        raise ValueError("no landmarks to compare with")
    for file in filter(None, (args.json, args.csv)):
        check_writable(file)
    for method in dict.fromkeys(args.method):
        errors, found = measure(args, truth, method)
        for view in sorted({item.view for item in truth.values()}):
            of_view = [errors[n] for n in truth if truth[n].view == view]
            summaries[method, view] = summarize_errors(of_view)
            counts = Counter(f.status for f in found.values() if f.view == view)
            print(f"{method} {view}: " + "; ".join(f"{n} {s}" for s, n in counts.items()))
        for name, item in errors.items():
            more = {"method": method, "view": truth[name].view, "status": found[name].status}
            judged = found[name].confidence or {}
            more |= {f"confidence_{part}": value for part, value in judged.items()}
            rows.append(more | errors_as_row(name, item))
    print_table(summaries)
    if args.json:
        out = {f"{method} {view}": summary for (method, view), summary in summaries.items()}
        write_json(args.json, out, indent=1)
    if args.csv:
        write_rows(args.csv, rows)
    return 0


def write_rows(path: Path, rows: list[dict]) -> None:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, columns)
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, table.getvalue())


if __name__ == "__main__":
    sys.exit(main())
