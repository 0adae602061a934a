"""A page that shows what detectors found: tables, FROC curves and a browser of the cases.

The page is a folder of static files that opens from the disk: ``index.html`` with all figures and
boxes, one JPEG per image below ``images``, and the attention of models that have it below
``attention``.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

import cv2
import numpy as np

from ..evaluation.coco_results import GroundTruth
from ..evaluation.comparison import Comparison, FrocRule
from ..evaluation.comparison_text import TITLES, difference_cells, recall_cells, remarks
from ..evaluation.matching import match_detections
from ..evaluation.operating_point import OperatingPoint, operating_curve
from ..evaluation.records import Detections
from ..images import read_gray
from ..utils.files import check_writable, write_atomically
from ..utils.safe_names import safe_name, safe_names
from .detection_cases import SLOTS, case_entries
from .froc import froc_figure
from .landmark_distributions import figure_svg
from .pages import write_page
from .score_changes import Explained, explained_models, page_explanation
from .screen_pictures import write_pictures

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Report:
    """What came out.

    Attributes:
        page: the file to open.
        cases, images: numbers of them.
        problems: file name -> why its picture is missing.
    """

    page: Path
    cases: int
    images: int
    problems: dict[str, str]


@dataclass(frozen=True)
class ReportOptions:
    """How the page is made.

    Attributes:
        title: title of the page.
        most: detections of an image and model on the page, the surest ones. The numbers beside
            the slider count these.
        attention: model -> folder with the attention over each image, gray, as a PNG file named
            for its image id (``safe_name``).
        chest_walls: file name -> "left" or "right", to hang the chest walls in the middle.
        explained: image id -> how the scores of its detections came about (``explain``); None for
            nothing known.
        workers: threads that write pictures, -1 for one per core.
    """

    title: str = "Detections"
    most: int = 50
    attention: Mapping[str, Path] = field(default_factory=dict)
    chest_walls: Mapping[str, str] = field(default_factory=dict)
    explained: Explained | None = None
    workers: int = 1


def build_report(
    models: Mapping[str, Detections],
    truth: GroundTruth,
    comparison: Comparison,
    images: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    rule: FrocRule,
    options: ReportOptions,
) -> Report:
    """Write the page. Pictures that are up to date are not written again.

    Args:
        models: name -> detections.
        truth: the data set; its images must have ``file_name``, ``height`` and ``width``.
        comparison: what ``compare`` returns for these models and this rule.
        images: folder of the mammograms.
        output: folder of the page; made if need be.
        rule: how detections are matched.
        options: options of the page.

    Raises:
        ValueError: an image without name or size, a name that leads out of the folder, two ids
            that would share a file, pictures that would lie among the images, or explanations of
            other detections.
        OSError: the page cannot be written.
    """
    images, output = Path(images), Path(output)
    check_writable(output / "index.html")
    safe_names(truth.image_ids)
    explained = explained_models(models, truth.image_ids, options.explained)
    cases = case_entries(
        models,
        truth,
        rule,
        most=options.most,
        chest_walls=options.chest_walls,
        explained={name: one.numbers for name, one in explained.items()},
    )
    sizes = {e["name"]: (e["h"], e["w"]) for case in cases for e in case["images"]}
    for name in sizes:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise ValueError(f"{name!r}: file names must lie below the folder of the images")
    problems = write_pictures(sizes, images, output, options.workers)
    examined = set(truth.image_ids)
    for case in cases:
        for entry in case["images"]:
            entry["problem"] = problems.get(entry["name"])
            known = (options.explained or {}).get(entry["id"], ())
            entry["explained"] = [page_explanation(one, examined) for one in known]
            entry["attention"] = [
                _write_attention(options.attention.get(name), k, entry, output)
                for k, name in enumerate(models)
            ]
    points = {name: _best_point(detections, truth, rule) for name, detections in models.items()}
    report = Report(output / "index.html", len(cases), len(truth.images), problems)
    sides = {name: one.side for name, one in explained.items()}
    _write(report, comparison, points, cases, sides, options)
    return report


def _best_point(
    detections: Detections, truth: GroundTruth, rule: FrocRule
) -> OperatingPoint | None:
    events = match_detections(
        detections, truth.lesions, iou=rule.iou, hit=rule.hit, duplicates=rule.duplicates
    )
    return operating_curve(events).best_f1()


def _write_attention(
    folder: Path | None, number: int, entry: dict[str, Any], output: Path
) -> str | None:
    """A colored copy of an attention map; its address, or None if there is no map.

    One scale for all: F^_I lies in (0, 1). The factor of the fusion is 1 at 0.4, or at 0.5 with
    MODEL.AGN.FUSION "paper" (``GraphFusion.neutral``).
    """
    name = f"{safe_name(entry['id'])}.png"
    source = folder / name if folder else None
    if source is None or not source.is_file():
        return None
    gray = read_gray(source)
    share = gray.astype(np.float32) / np.iinfo(gray.dtype).max
    target = Path("attention") / str(number) / name
    colored = cv2.applyColorMap((255 * share).round().astype(np.uint8), cv2.COLORMAP_INFERNO)
    _, data = cv2.imencode(".png", colored)
    write_atomically(output / target, data.tobytes())
    return quote(target.as_posix())


def _write(
    report: Report,
    comparison: Comparison,
    points: Mapping[str, OperatingPoint | None],
    cases: list[dict[str, Any]],
    sides: Mapping[str, str],
    options: ReportOptions,
) -> None:
    content = comparison.report
    figure = froc_figure(
        comparison.mean_curves, fppi=content["fppi"], intervals=comparison.intervals
    )
    scores = [box[4] for case in cases for e in case["images"] for m in e["boxes"] for box in m]
    write_page(
        report.page,
        "detection_report.html",
        title=options.title,
        report=report,
        comparison=content,
        tables=_tables(content),
        remarks=remarks(content),
        points=points,
        figure=figure_svg(figure),
        slots=SLOTS,
        explained=bool(sides),
        data={
            "models": list(points),
            "thresholds": [0.5 if p is None else round(p.threshold, 4) for p in points.values()],
            "span": [min([0.0, *scores]), max([1.0, *scores])],
            "slots": SLOTS,
            "explained": [sides.get(name) for name in points],
            "cases": cases,
        },
    )


def _tables(content: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts of a comparison as rows of text, one table for each breakdown."""
    tables = []
    for breakdown, parts in groupby(content["parts"], key=lambda part: part["breakdown"]):
        rows = []
        for part in parts:
            for model, row in part["models"].items():
                change = row.get("difference")
                differences = change and difference_cells(change)
                cells = recall_cells(row, content["fppi"])
                rows.append({"part": part, "model": model, "cells": cells, "change": differences})
        tables.append({"title": TITLES[breakdown], "rows": rows, "open": breakdown == "all"})
    return tables
