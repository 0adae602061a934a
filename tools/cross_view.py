#!/usr/bin/env python
"""Object-level cross-view reasoning: re-score a detector's candidates by those of the other views.

tools/cross_view.py fit --results cbis_ddsm_fold1of3_test=fold_1.json ... --output relation.json
tools/cross_view.py apply --relation relation.json --results cbis_ddsm_mass_test=results.json \\
    --output rescored.json
tools/cross_view.py validate --results cbis_ddsm_fold1of3_test=fold_1.json ... --output folder

Results are COCO results files of registered data sets, each of a detector that has not been trained
on them. ``validate`` re-scores each data set by a relation fitted on the others and writes pooled
results for tools/compare.py: detector.json, rescored.json, and of the control, where every image
reads the views of another patient, shuffled.json.
"""

from __future__ import annotations

from agn_d2.utils.command_line import command_line_tool

# isort: split
import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import agn_d2  # noqa: F401  registers what data sets need
from agn_d2.cross_view.explanation_file import write_explanations
from agn_d2.cross_view.relation import CandidateRelation
from agn_d2.cross_view.relation_file import read_relation, write_relation
from agn_d2.cross_view.results import (
    DatasetDetections,
    check_poolable,
    explained,
    fit_on,
    validate_relation,
)
from agn_d2.data.build import load_cases
from agn_d2.data.builtin import check_registered, register_builtin_datasets
from agn_d2.evaluation.runs import named_paths
from agn_d2.utils.files import check_writable, check_writable_folder, write_json


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in (
        ("fit", "fit a relation on results of known data sets"),
        ("apply", "re-score the results of one data set"),
        ("validate", "cross-validate over the folds of a data set"),
    ):
        command = commands.add_parser(name, help=what)
        command.add_argument(
            "--results", nargs="+", required=True, metavar="DATASET=FILE", help="COCO results"
        )
        command.add_argument("--output", type=Path, required=True)
        if name != "validate":
            command.add_argument(
                "--shuffle-partners",
                action="store_true",
                help="the control: every image reads the views of another patient",
            )
        if name != "apply":
            command.add_argument(
                "--fit-widths", action="store_true", help="fit the widths of the soft bias too"
            )
        else:
            command.add_argument(
                "--relation", required=True, help="file made by fit, or zoo://NAME/relation.json"
            )
        if name != "fit":
            command.add_argument(
                "--explain",
                type=Path,
                metavar="FILE.json",
                help="what each detection read from the other views, for tools/report.py",
            )
        if name == "fit":
            command.add_argument(
                "--patients-of", nargs="+", metavar="DATASET", help="fit on their patients alone"
            )
    return parser.parse_args(argv)


def read_names(args: argparse.Namespace) -> dict[str, Path]:
    paths = named_paths(args.results, name_needed=True)
    check_registered([*paths, *(getattr(args, "patients_of", None) or ())], "--results")
    return paths


def read_results(args: argparse.Namespace) -> list[DatasetDetections]:
    paths = read_names(args)
    others = getattr(args, "patients_of", None)
    patients = None
    if others:
        patients = {image["patient_id"] for case in load_cases(others) for image in case.images}
    parts = [
        DatasetDetections(name, path, patients=patients, shuffled=args.shuffle_partners)
        for name, path in paths.items()
    ]
    if patients is not None and not any(part.cases for part in parts):
        raise ValueError(
            f"--patients-of: no patient of {', '.join(others)} is in {', '.join(paths)}"
        )
    return parts


def fit(args: argparse.Namespace) -> None:
    check_writable(args.output)
    parts = read_results(args)
    relation = fit_on(parts, CandidateRelation(), fit_widths=args.fit_widths)
    write_relation(
        args.output,
        relation,
        {
            "datasets": [part.dataset for part in parts],
            "patients_of": args.patients_of,
            "views": sum(len(case) for part in parts for case in part.cases),
        },
    )


def apply(args: argparse.Namespace) -> None:
    for path in filter(None, (args.output, args.explain)):
        check_writable(path)
    relation = read_relation(args.relation)
    parts = read_results(args)
    check_poolable(parts)
    write_json(args.output, [d for part in parts for d in part.rescored(relation)])
    if args.explain:
        write_explanations(args.explain, explained(parts, [relation] * len(parts)))


def validate(args: argparse.Namespace) -> None:
    check_writable_folder(args.output)
    if args.explain:
        check_writable(args.explain)
    validate_relation(
        read_names(args), args.output, explanations=args.explain, fit_widths=args.fit_widths
    )


@command_line_tool
def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    register_builtin_datasets()
    {"fit": fit, "apply": apply, "validate": validate}[args.command](args)


if __name__ == "__main__":
    sys.exit(main())
