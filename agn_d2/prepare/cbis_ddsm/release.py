"""The whole preparation: a download of CBIS-DDSM in, a data set in canonical form out.

In the output folder:

    images/*.png, annotations/*.json    what the loaders read
    report/                             summary, decisions, contact sheets
    work/                               records of the finished steps
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ...utils.image_header import pixel_limit
from ..core_film import FilmOptions
from ..core_output import warn_of_strangers, write_annotations
from ..core_result import Result
from ..priors import count_priors
from ..steps import Steps, digest_of, file_stamps, run_steps
from ..work_folder import at_work, check_out
from .annotate import coco_files, films_with_lost_findings
from .ddsm import DdsmView, missing_views, read_table, with_views
from .film import FilmTask, film_step
from .finished import finished_summary, forget_finished, note_finished
from .layout import DICOM, Layout
from .links import Plan, leaking_patients, plan_films
from .report import decision_rows, summarize, write_report
from .tables import SPLITS, SUBSETS, Film, csv_name, group_films, read_findings
from .tasks import ddsm_task, film_tasks, task_state

logger = logging.getLogger(__name__)

# Raised whenever the same input would give another output.
VERSION = 4
_FOLDERS = ("images", "annotations", "work", "work/records", "work/tiles", "report")


@dataclass(frozen=True)
class ReleaseOptions:
    """What is to be prepared, and how.

    Attributes:
        root: the download.
        csv_folder: the four case-description CSVs.
        out: the data set's folder.
        subset: "mass", "calc" or "all".
        val_share, seed: share and random seed of the validation split.
        film: how films are written.
        ddsm: folder of the original DDSM as PNG, for missing views; None: none.
        ddsm_table: the table cbis_to_ddsm.csv; needed with ``ddsm``.
        keep: examine films of which a finding is lost; else they are context only.
    """

    root: Path
    csv_folder: Path
    out: Path
    subset: str = "mass"
    val_share: float = 0.1
    seed: int = 0
    film: FilmOptions = field(default_factory=FilmOptions)
    ddsm: Path | None = None
    ddsm_table: Path | None = None
    keep: bool = False

    def __post_init__(self) -> None:
        if self.subset not in (*SUBSETS, "all"):
            raise ValueError(f"--subset must be mass, calc or all, got {self.subset!r}")
        if (self.ddsm is None) != (self.ddsm_table is None):
            raise ValueError("--ddsm and --ddsm-table belong together")


def prepare_release(options: ReleaseOptions, workers: int = 1, layout: Layout = DICOM) -> Result:
    """Prepare a download of CBIS-DDSM, or do what is left of it.

    Args:
        options: what and how.
        workers: joblib's ``n_jobs``.
        layout: how the download lies on the disk.

    Raises:
        FileNotFoundError, ValueError: a fault of the input, named; nothing is written then.
        DiskFull: no room; what was finished stays, and the next run goes on from there.
    """
    films, repeated = _read_films(options)
    plan = plan_films(films, options.subset, options.val_share, options.seed)
    paths = layout.list_paths(options.root)
    check_out(options.out)
    with at_work(options.out, _FOLDERS):
        return _prepare(options, workers, films, plan, paths, repeated, layout)


def _read_films(options: ReleaseOptions) -> tuple[list[Film], list[str]]:
    """The films of the CSVs; the CSVs of the subset that only lends views may be missing."""
    needed = SUBSETS if options.subset == "all" else (options.subset,)
    there = [
        subset
        for subset in SUBSETS
        if subset in needed
        or all((options.csv_folder / csv_name(subset, split)).is_file() for split in SPLITS)
    ]
    for subset in set(SUBSETS) - set(there):
        logger.warning("no CSVs of the subset %s: no views are borrowed from it", subset)
    findings, repeated = read_findings(options.csv_folder, there)
    return group_films(findings), repeated


def _prepare(
    options: ReleaseOptions,
    workers: int,
    films: list[Film],
    plan: Plan,
    paths: list[str],
    repeated: list[str],
    layout: Layout,
) -> Result:
    views, missed = _ddsm_views(options, films, plan)
    stamp = _stamp(options, films, paths, layout, views, missed)
    previous = finished_summary(options.out, stamp)
    if previous is not None:
        return Result(previous, 0)
    forget_finished(options.out)
    index, unread, found = layout.find_files(
        options.root, options.out / "work", paths, films, workers
    )
    tasks = film_tasks(films, plan, index, options.root, layout.masks)
    tasks += [ddsm_task(view, options.ddsm) for view in views]
    films, plan = [*films, *(view.film for view in views)], with_views(plan, views)
    steps = _do_films(options, tasks, workers)
    records = {record["name"]: record for record in steps.records}
    plan = plan.without({n: f"cannot be read now: {why}" for n, why in steps.open.items()})
    if not options.keep:
        plan = plan.with_context_only(films_with_lost_findings(plan.examined, records))
    _check_examined(options.root, plan, records, steps.open)
    warn_of_strangers(options.out / "images", (record["entry"] for record in records.values()))
    files = coco_files(films, plan.examined, plan.context, records, options.subset)
    others = [(text.partition(":")[0], "row left out", text) for text in repeated]
    others += [(name, "no DDSM view", text) for name, text in missed]
    others += found
    summary = summarize(plan, index, records, files, _left_out(options, films, plan, repeated))
    if options.ddsm is not None:
        reasons = (text.split(": ")[1] for _, text in missed)
        summary["views not taken from DDSM"] = dict(sorted(Counter(reasons).items()))
    summary["headers that cannot be read now"] = len(unread)
    rows = decision_rows(films, plan, index, records, files, others)
    write_annotations(options.out / "annotations", files, records)
    summary["priors, lesions seen in both views"] = count_priors(
        options.out, f"cbis_ddsm_{options.subset}_train"
    )
    tiles = [item["tile"] for name in sorted(records) for item in records[name]["findings"]]
    folder = options.out / "work" / "tiles"
    write_report(options.out / "report", summary, rows, [folder / tile for tile in tiles if tile])
    still_open = unread | steps.open
    if not still_open:
        note_finished(options.out, stamp, summary)
    return Result(summary, steps.done_now, still_open)


def _check_examined(
    root: Path, plan: Plan, records: dict[str, dict[str, Any]], not_now: dict[str, str]
) -> None:
    """Refuse a download of which no film can be examined: its data set would be empty."""
    if any(records[name]["entry"] is not None for name in plan.examined):
        return
    lost = {name: records[name]["notes"][-1]["detail"] for name in plan.examined}
    name, why = next(iter((lost | plan.set_aside | not_now | plan.left_out).items()))
    raise ValueError(f"{root}: no film in it can be examined; the first: {name} ({why})")


def _ddsm_views(
    options: ReleaseOptions, films: list[Film], plan: Plan
) -> tuple[list[DdsmView], list[tuple[str, str]]]:
    """Pictures of DDSM that are there for missing views, and the views that are not."""
    if options.ddsm is None:
        return [], []
    table = read_table(options.ddsm_table)
    return missing_views(films, plan, table, options.ddsm, leaking_patients(films))


def _do_films(options: ReleaseOptions, tasks: list[FilmTask], workers: int) -> Steps:
    step = partial(film_step, options=options.film, out=options.out)
    start = [VERSION, asdict(options.film), pixel_limit()]
    digests = [digest_of([*start, task_state(task)]) for task in tasks]
    names = [task.name for task in tasks]
    return run_steps(tasks, names, digests, step, options.out, workers, "film")


def _stamp(
    options: ReleaseOptions,
    films: list[Film],
    paths: list[str],
    layout: Layout,
    views: list[DdsmView],
    missed: list[tuple[str, str]],
) -> str:
    """Digest of all that the data set depends on."""
    content = [VERSION, asdict(options.film), options.subset, options.val_share, options.seed]
    content += [options.keep, pixel_limit(), layout.digest]
    content.append([asdict(film) for film in films])
    content.append(file_stamps(options.root, paths))
    content.append([[asdict(view) for view in views], missed])
    content.append(file_stamps(options.ddsm or "", [view.path for view in views]))
    return digest_of(content)


def _left_out(
    options: ReleaseOptions, films: list[Film], plan: Plan, repeated: list[str]
) -> dict[str, int]:
    """What of the subset to be examined is not, before any file is looked at."""
    unused = [
        len(film.findings)
        for film in films
        if film.name in plan.left_out and options.subset in (film.subset, "all")
    ]
    return {
        "rows of the CSVs left out": len(repeated),
        "findings on films of the subset left out": sum(unused),
    }
