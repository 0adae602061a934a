"""Where the trainer leaves the results of a run: OUTPUT_DIR/inference/<data set>/..."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

logger = logging.getLogger(__name__)

RESULTS = "coco_instances_results.json"
# Folder beside the results of a detector: the same, re-scored by a relation of candidates.
RESCORED = "relation"
ATTENTION = "attention"


@dataclass(frozen=True)
class RunResults:
    """Results of one model on one data set.

    Attributes:
        predictions: a COCO results file.
        dataset: its registered name; None if the file was given by itself.
        attention: folder of attention maps (tools/save_attention.py); None without one.
        rescored: the results after ``MODEL.CROSS_VIEW.RELATION``, of an OUTPUT_DIR; None: none.
    """

    predictions: Path
    dataset: str | None
    attention: Path | None
    rescored: Path | None = None


def find_results(path: str | Path, dataset: str | None = None) -> RunResults:
    """The results of a run.

    Args:
        path: an OUTPUT_DIR, or a COCO results file.
        dataset: which one, where an OUTPUT_DIR has several.

    Raises:
        ValueError: there are none, or several and no ``dataset``; names the folder.
    """
    path = Path(path)
    if path.is_file():
        return RunResults(path, dataset, _attention(path.parent))
    found = {file.parent.name: file for file in sorted(path.glob(f"inference/*/{RESULTS}"))}
    if not found:
        raise ValueError(
            f"{path}: no results file and no folder with inference/<data set>/{RESULTS}; "
            "evaluate the run first (tools/train_net.py --eval-only)"
        )
    if dataset is None and len(found) > 1:
        raise ValueError(f"{path}: results of {', '.join(found)}; say which with --dataset")
    name = next(iter(found)) if dataset is None else dataset
    if name not in found:
        raise ValueError(f"{path}: no results of {name}, only of {', '.join(found)}")
    folder = found[name].parent
    rescored = folder / RESCORED / RESULTS
    return RunResults(
        found[name], name, _attention(folder), rescored if rescored.is_file() else None
    )


def with_rescored(models: Mapping[str, Sequence[RunResults]]) -> dict[str, list[RunResults]]:
    """Models, each followed by "NAME + relation" if all its runs have re-scored results beside.

    Args:
        models: name -> its runs. Of a name that is among them already none is added.
    """
    found: dict[str, list[RunResults]] = {}
    for name, runs in models.items():
        found[name] = list(runs)
        files = [run.rescored for run in runs if run.rescored is not None]
        also = f"{name} + relation"
        if 0 < len(files) < len(runs):
            without = next(run for run in runs if run.rescored is None)
            logger.warning(
                "%s: no %r, as some of its runs have no results of a relation; the first: %s",
                *(name, also, without.predictions),
            )
        if len(files) == len(runs) and also not in models:
            pairs = zip(runs, files, strict=True)
            found[also] = [replace(run, predictions=file, rescored=None) for run, file in pairs]
    return found


def common_dataset(runs: Iterable[RunResults]) -> str | None:
    """The data set of some runs, None where none of them tells it.

    Raises:
        ValueError: they are of several.
    """
    names = {run.dataset for run in runs if run.dataset}
    if len(names) > 1:
        raise ValueError(f"the runs are of different data sets: {', '.join(sorted(names))}")
    return next(iter(names), None)


def named_paths(texts: list[str], *, name_needed: bool = False) -> dict[str, Path]:
    """Command-line arguments "NAME=PATH" or, unless a name is needed, "PATH".

    Raises:
        ValueError: no path, or two of one name.
    """
    paths: dict[str, Path] = {}
    for name, path in (_name_and_path(text, name_needed) for text in texts):
        if name in paths:
            raise ValueError(f"the name {name!r} stands for two models")
        paths[name] = path
    return paths


def named_runs(texts: list[str]) -> dict[str, list[Path]]:
    """Command-line arguments "NAME=PATH", where paths of one name are runs of one model.

    Raises:
        ValueError: no path, or one path twice under a name.
    """
    runs: dict[str, list[Path]] = {}
    for name, path in (_name_and_path(text, name_needed=True) for text in texts):
        paths = runs.setdefault(name, [])
        if path.resolve() in (other.resolve() for other in paths):
            raise ValueError(f"{path} stands for two runs of {name!r}")
        paths.append(path)
    return runs


def _name_and_path(text: str, name_needed: bool) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    if not equals and not name_needed:
        name, path = Path(text).resolve().name, text
    if not (name and path):
        raise ValueError(f"{text!r}: expected NAME=PATH")
    return name, Path(path)


def _attention(folder: Path) -> Path | None:
    return folder / ATTENTION if (folder / ATTENTION).is_dir() else None
