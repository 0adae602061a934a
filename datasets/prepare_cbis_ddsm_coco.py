#!/usr/bin/env python
"""Bring CBIS-DDSM at 800 px (squashed, boxes) into the canonical form.

    datasets/prepare_cbis_ddsm_coco.py --source mass_800px [--output $DETECTRON2_DATASETS/cbis_ddsm]

Undoes the squash, crops to the breast, finds the landmarks, splits off a validation set by
patient, links the views, and counts the priors. Prints what came out. Images that cannot be read
are left out and named; the exit status is 1 then.
"""

from __future__ import annotations

from agn_d2.utils.command_line import command_line_tool

# isort: split
import argparse
import logging
import sys
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

from agn_d2.data.cases import count_links, group_cases
from agn_d2.landmarks import METHODS, resolve_method
from agn_d2.landmarks.correction_files import read_corrections
from agn_d2.landmarks.corrections import Correction, apply_corrections
from agn_d2.landmarks.record import write_landmarks
from agn_d2.prepare.cbis_ddsm.annotate_800 import write_annotations
from agn_d2.prepare.cbis_ddsm.density import Place, read_densities
from agn_d2.prepare.cbis_ddsm.image_800 import prepare_image
from agn_d2.prepare.cbis_ddsm.images_800 import PreparedImage, PreparedImages, prepare_images
from agn_d2.prepare.cbis_ddsm.source_800 import SourceImage, read_source
from agn_d2.prepare.priors import count_priors
from agn_d2.prepare.splits import assign_splits
from agn_d2.utils.files import check_writable
from agn_d2.utils.locks import held
from agn_d2.utils.paths import datasets_root
from agn_d2.utils.view_names import VIEWS


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", required=True, type=Path, help="the folder mass_800px")
    parser.add_argument("--output", type=Path, help="default: $DETECTRON2_DATASETS/cbis_ddsm")
    parser.add_argument(
        "--csv",
        type=Path,
        help="folder of the case-description CSVs of the mass subset: each image then has its "
        "breast_density",
    )
    parser.add_argument("--val-share", type=float, default=0.1, help="share of training patients")
    parser.add_argument("--seed", type=int, default=0, help="random seed of the validation split")
    parser.add_argument("--format", choices=("png", "jpg"), default="png")
    parser.add_argument("--no-crop", action="store_true", help="keep the whole film")
    parser.add_argument(
        "--corrections",
        type=Path,
        help="CSV or JSON file that overrides landmarks, in pixels of the written images; "
        "the crop stays that of the detector",
    )
    parser.add_argument(
        "--method",
        type=resolve_method,
        choices=METHODS,
        default=METHODS[0],
        help="of the landmarks: our own steps or the recipe of [S], see docs/landmarks.md; the "
        "crop is the same for both (default: %(default)s)",
    )
    parser.add_argument("--workers", type=int, default=-1, help="processes, -1: one per core")
    return parser.parse_args()


def correct(images: list[PreparedImage], corrections: dict[str, Correction]) -> list[PreparedImage]:
    """The images with corrected landmarks; says which corrections no image has."""
    detected = {image.name: image.landmarks for image in images}
    landmarks, unknown = apply_corrections(detected, corrections)
    for name in unknown:
        print(f"warning: a correction, but no such image: {name}", file=sys.stderr)
    return [replace(image, landmarks=landmarks[image.name]) for image in images]


def add_densities(images: list[PreparedImage], densities: dict[Place, int]) -> list[PreparedImage]:
    """The images with their ``breast_density``, as last key; None where the CSVs have none."""
    entries = [image.entry for image in images]
    places = [(entry["patient_id"], entry["laterality"], entry["view"]) for entry in entries]
    known = sum(place in densities for place in places)
    print(f"breast density of {known} of {len(images)} images")
    return [
        replace(image, entry=image.entry | {"breast_density": densities.get(place)})
        for image, place in zip(images, places, strict=True)
    ]


def print_summary(splits: dict[str, list[PreparedImage]]) -> None:
    """Images, lesions, links and landmark statuses of each split."""
    for split, images in splits.items():
        lesions = sum(len(image.entry["boxes"]) for image in images)
        links = count_links(group_cases([image.entry for image in images]))
        print(f"{split}: {len(images)} images, {lesions} masses; read other views: {links}")
    every = [image for images in splits.values() for image in images]
    for view in VIEWS:
        statuses = Counter(i.landmarks.status for i in every if i.landmarks.view == view)
        print(f"landmarks {view}: " + "; ".join(f"{n} {s}" for s, n in statuses.most_common()))
    print(f"masses that reach out of the crop: {sum(image.cut_boxes for image in every)}")


@command_line_tool
def main() -> int:
    args = parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s")
    output = args.output or datasets_root() / "cbis_ddsm"
    if (output / "work").exists():
        raise ValueError(
            f"{output} holds a data set made by datasets/prepare.py; choose another --output"
        )
    corrections = read_corrections(args.corrections) if args.corrections else {}
    densities = read_densities(args.csv) if args.csv else None
    sources = read_source(args.source)
    check_writable(output / "annotations" / "landmarks.json")
    with held(output / ".preparation.lock", output):
        return write_data_set(args, sources, corrections, densities, output)


def write_data_set(
    args: argparse.Namespace,
    sources: list[SourceImage],
    corrections: dict[str, Correction],
    densities: dict[Place, int] | None,
    output: Path,
) -> int:
    """Write the data set; returns the exit status."""
    annotations = output / "annotations"
    prepare = partial(
        prepare_image,
        folder=output / "images",
        crop=not args.no_crop,
        suffix=f".{args.format}",
        method=args.method,
    )
    prepared = prepare_images(sources, prepare, args.workers)
    if not prepared.images:
        reasons = prepared.broken | prepared.open
        raise ValueError(f"no image can be read: {next(iter(reasons.values()))}")
    images = correct(prepared.images, corrections)
    if densities is not None:
        images = add_densities(images, densities)
    split_of = assign_splits(images, args.val_share, 0.0, args.seed)
    splits = {s: [i for i in images if split_of[i.name] == s] for s in ("train", "val", "test")}
    landmarks = {image.name: image.landmarks for s in splits.values() for image in s}
    write_landmarks(annotations / "landmarks.json", landmarks)
    write_annotations(annotations, splits)
    print_summary(splits)
    for name, lesions in count_priors(output, "cbis_ddsm_mass_train").items():
        print(f"{annotations / name}: {lesions} masses seen in both views")
    return report_left_out(prepared)


def report_left_out(prepared: PreparedImages) -> int:
    """Name the images that are in no split; returns the exit status."""
    for reason in (*prepared.broken.values(), *prepared.open.values()):
        print(f"left out: {reason}", file=sys.stderr)
    if prepared.open:
        print(
            f"prepare_cbis_ddsm_coco: {len(prepared.open)} images cannot be read now; run it "
            "again when they can",
            file=sys.stderr,
        )
    return 1 if prepared.broken or prepared.open else 0


if __name__ == "__main__":
    sys.exit(main())
