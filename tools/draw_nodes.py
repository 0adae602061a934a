#!/usr/bin/env python
"""Draw the graph nodes of mammograms, the steps of [S]'s pectoral line, or a prior H^g.

tools/draw_nodes.py --images a_CC.png b_MLO.png --output DIR [--layout 22,26] [--k 3] [--stages]
tools/draw_nodes.py --prior prior_22_26.json --output DIR
"""

from __future__ import annotations

from agn_d2.utils.command_line import command_line_tool

# isort: split
import argparse
import sys
from pathlib import Path

from agn_d2.graph.prior import read_prior
from agn_d2.images import read_gray
from agn_d2.landmarks import (
    METHODS,
    NodeLayout,
    detect_landmarks,
    read_landmarks,
    resolve_method,
    view_from_name,
)
from agn_d2.landmarks.record import Landmarks
from agn_d2.landmarks.thesis import pectoral_stages
from agn_d2.utils.safe_names import distinct_names
from agn_d2.utils.view_names import VIEWS
from agn_d2.visualization.figure_files import FORMATS, write_figure
from agn_d2.visualization.node_regions import CELLS, node_figure
from agn_d2.visualization.pectoral_stages import stages_figure
from agn_d2.visualization.prior_map import prior_figure


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, nargs="+", default=[], help="image files")
    parser.add_argument("--view", choices=VIEWS, help="view of all images; default: by file name")
    parser.add_argument("--landmarks", type=Path, help="JSON file; default: detect them")
    parser.add_argument(
        "--method",
        type=resolve_method,
        choices=METHODS,
        default=METHODS[0],
        help="how landmarks are found (default: %(default)s)",
    )
    parser.add_argument("--layout", default="22,26", help="nodes of CC, MLO (default: %(default)s)")
    parser.add_argument("--k", type=int, default=3, help="nodes of a cell (default: %(default)s)")
    parser.add_argument(
        "--cells",
        type=int,
        default=CELLS,
        help="cells of the feature grid along the longer side (default: %(default)s)",
    )
    parser.add_argument("--stages", action="store_true", help="[S]'s pectoral line too (MLO)")
    parser.add_argument("--prior", type=Path, nargs="+", default=[], help="files of build_prior.py")
    parser.add_argument(
        "--bandwidth",
        type=float,
        default=0.08,
        help="smoothing of a prior, as MODEL.AGN.BGN.PRIOR_BANDWIDTH (default: %(default)s)",
    )
    parser.add_argument("--output", type=Path, required=True, help="folder to write to")
    parser.add_argument("--format", choices=FORMATS, default=FORMATS[0])
    args = parser.parse_args(argv)
    if not args.images and not args.prior:
        parser.error("nothing to draw: give --images or --prior")
    return args


def landmarks_of(path: Path, view: str | None, method: str, known: dict | None) -> Landmarks:
    """From the file of records, which names images by the end of their path, or from the image."""
    if known is None:
        view = view or view_from_name(path)
        if view is None:
            raise ValueError(f"{path}: the name tells no view (CC or MLO); give --view")
        return detect_landmarks(read_gray(path), view, method)
    ends = ["/".join(path.parts[start:]) for start in range(len(path.parts))]
    names = [name for name in ends if name in known]
    if not names:
        raise ValueError(f"{path}: no landmarks in the file")
    return known[names[0]]


def draw_image(args: argparse.Namespace, path: Path, name: str, known: dict | None) -> list[Path]:
    """Files written of one image, whose names begin with the name given."""
    image = read_gray(path)
    landmarks = landmarks_of(path, args.view, args.method, known)
    title = f"{path.name}: {landmarks.status}"
    figure = node_figure(image, landmarks, args.layout, args.k, args.cells, title)
    files = [args.output / f"{name}_nodes.{args.format}"]
    write_figure(figure, files[0])
    if args.stages and landmarks.view == "MLO":
        files.append(args.output / f"{name}_stages.{args.format}")
        write_figure(stages_figure(pectoral_stages(image), path.name), files[1])
    return files


@command_line_tool
def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    NodeLayout.parse(args.layout)
    known = read_landmarks(args.landmarks) if args.landmarks else None
    for path, name in distinct_names(args.images).items():
        for file in draw_image(args, path, name, known):
            print(file)
    for path, name in distinct_names(args.prior).items():
        file = args.output / f"{name}.{args.format}"
        write_figure(prior_figure(read_prior(path), args.bandwidth), file)
        print(file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
