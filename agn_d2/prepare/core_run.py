"""The whole preparation of a data set whose films and lesions a converter has listed.

In the output folder:

    images/*.png, annotations/*.json    what the loaders read
    report/                             summary and decisions
    work/                               records of the finished films: a second run does the rest
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from ..utils.image_header import pixel_limit
from .account import write_account
from .core import CoreOptions, Source, SourceFilm
from .core_account import COLUMNS, decision_rows, summarize
from .core_coco import coco_files
from .core_output import warn_of_strangers, write_annotations
from .core_plan import UNREADABLE, FilmPlan, plan_films
from .core_result import Result
from .core_step import film_step
from .priors import count_priors
from .splits import assign_splits
from .steps import Steps, digest_of, file_stamps, run_steps
from .work_folder import at_work, check_out

logger = logging.getLogger(__name__)

# Raised whenever the same input would give another output.
VERSION = 2
_FOLDERS = ("images", "annotations", "work", "work/records", "report")


def prepare_source(source: Source, out: Path, options: CoreOptions, workers: int = 1) -> Result:
    """Prepare a data set, or do what is left of it.

    Args:
        source: the data set.
        out: folder to be written.
        options: how.
        workers: joblib's ``n_jobs``.

    Raises:
        ValueError: no film, films of one name, films in the folder to be written, or a fault of
            the splits; nothing is written.
        DiskFull: no room; what was finished stays, and the next run goes on from there.
    """
    _check(source, out)
    splits = assign_splits(source.films, options.val_share, options.test_share, options.seed)
    with at_work(out, _FOLDERS):
        return _prepare(source, out, options, workers, splits)


def _prepare(
    source: Source, out: Path, options: CoreOptions, workers: int, splits: dict[str, str]
) -> Result:
    steps = _do_films(source, out, options, workers)
    records = {record["name"]: record for record in steps.records}
    plan = plan_films(source.films, splits, records, steps.open, options.keep)
    if not plan.examined:
        name, why = next(iter(plan.left_out.items()))
        raise ValueError(
            f"{source.root}: none of {len(source.films)} films can be examined; the first: "
            f"{name} ({why})"
        )
    _name_unreadable(plan, len(source.films))
    files = coco_files(source.films, plan.examined, plan.context, records, source.category)
    for split, share in (("val", options.val_share), ("test", options.test_share)):
        if share and not files[split]["images"]:
            logger.warning(
                "No film of the patients of the %s split can be examined: it is empty. Another "
                "--seed draws others, and --splits or a column split states them",
                split,
            )
    warn_of_strangers(out / "images", (record["entry"] for record in steps.records))
    summary: dict[str, Any] = summarize(source, plan, records, files)
    write_annotations(out / "annotations", files, records)
    summary["priors, lesions seen in both views"] = count_priors(out, f"{source.name}_train")
    write_account(out / "report", summary, decision_rows(source, plan, records, files), COLUMNS)
    return Result(summary, steps.done_now, steps.open)


def _name_unreadable(plan: FilmPlan, films: int) -> None:
    """A misspelt name in a table is a film that is not there."""
    unreadable = {n: why for n, why in plan.left_out.items() if why.startswith(UNREADABLE)}
    if unreadable:
        name, why = next(iter(unreadable.items()))
        logger.warning(
            "%d of %d films have no file, or none that holds a picture, and are left out; the "
            "first: %s (%s). All are in report/decisions.csv",
            *(len(unreadable), films, name, why.removeprefix(UNREADABLE)),
        )


def _do_films(source: Source, out: Path, options: CoreOptions, workers: int) -> Steps:
    step = partial(film_step, root=source.root, options=options, out=out)
    start = [VERSION, asdict(options.film), asdict(options.tone), pixel_limit()]
    digests = [
        digest_of([*start, _content(film), file_stamps(source.root, [film.path or ""])])
        for film in source.films
    ]
    names = [film.name for film in source.films]
    return run_steps(source.films, names, digests, step, out, workers, "film")


def _content(film: SourceFilm) -> dict[str, Any]:
    """What of a film its record depends on: not the split, which may be drawn anew."""
    return asdict(film) | {"split": None}


def _check(source: Source, out: Path) -> None:
    films = source.films
    if not films:
        first = ": ".join(source.left_out[0]) if source.left_out else "they list none"
        raise ValueError(f"{source.root}: no film of the tables can be used ({first})")
    for name, count in Counter(film.name for film in films).items():
        if count > 1:
            raise ValueError(f"{count} films would be written as {name}.png; names must differ")
    check_out(out)
    folders = {(source.root / film.path).parent for film in films if film.path is not None}
    if (out / "images").resolve() in {folder.resolve() for folder in folders}:
        raise ValueError(
            f"{out / 'images'} holds the films themselves, and would take the images that are "
            "made of them; choose another --out"
        )
