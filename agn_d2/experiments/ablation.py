"""Ablations: rows of a table, each trained and evaluated with several seeds by tools/train_net.py.

A run is finished when its ``result.json`` stands in its folder. What was stopped half way is taken
up from its last checkpoint; ``run.json`` says what run that was.
"""

from __future__ import annotations

import itertools
import json
import logging
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from detectron2.utils.file_io import PathManager
from fvcore.common.config import BASE_KEY

from ..coco.reading import read_json
from ..engine.output_folder import is_training
from ..evaluation.runs import RESCORED
from ..utils.command_line import run_program
from ..utils.files import write_json
from .ablation_table import AFTER_RELATION
from .run_inputs import DIGESTS, digest_inputs, flatten_keys

logger = logging.getLogger(__name__)

RESULT_FILE, RUN_FILE, LOG_FILE = "result.json", "run.json", "run.log"


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        name: the row's name and folder.
        config_file: a YAML of Detectron2.
        options: KEY, VALUE, KEY, VALUE, ... on top of it.
    """

    name: str
    config_file: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Run:
    """One row with one seed.

    Attributes:
        row: what is trained.
        seed: ``SEED``.
        folder: ``OUTPUT_DIR``.
        options: KEY, VALUE, ... on top of the row's own options.
        eval_only: only evaluate.
        places: KEY, VALUE, ... that tell where things lie, such as the weights of another run of
            the same output folder; they may change when the folder moves.
    """

    row: Row
    seed: int
    folder: Path
    options: tuple[str, ...] = ()
    eval_only: bool = False
    places: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.row.name}, seed {self.seed}"

    @property
    def can_resume(self) -> bool:
        """Whether a training lies in the folder that can be taken up."""
        return not self.eval_only and (self.folder / "last_checkpoint").is_file()

    def arguments(self, resume: bool = False) -> list[str]:
        """Arguments for tools/train_net.py."""
        own = [*self.places, "SEED", str(self.seed), "OUTPUT_DIR", str(self.folder)]
        # Options end the command line of train_net: a flag must stand before them.
        flags = [*["--resume"] * resume, *["--eval-only"] * self.eval_only]
        options = [*self.row.options, *self.options, *own]
        return ["--config-file", self.row.config_file, *flags, *options]

    def describe(self) -> dict[str, Any]:
        """What makes this run another one than the next.

        Raises:
            FileNotFoundError, ValueError: a fault of the config.
        """
        options = [*self.row.options, *self.options]
        return {
            "row": self.row.name,
            "config_file": Path(self.row.config_file).name,
            **digest_inputs(self.row.config_file, [*options, *self.places]),
            "options": options,
            "seed": self.seed,
        } | ({"eval_only": True} if self.eval_only else {})


def read_row(path: str | Path, base: str | Path | None = None) -> Row:
    """A row from its YAML.

    Args:
        path: a config; its name is the row's, of ``zoo://NAME/config.yaml`` NAME.
        base: put what the YAML itself says (without its ``_BASE_``) on top of this config, so
            that one set of rows serves every base.

    Raises:
        FileNotFoundError: no such file.
        ValueError: with a base: no YAML, or it is empty or no mapping.
    """
    config_file = str(path)
    for file in filter(None, (config_file, str(base or ""))):
        if not PathManager.isfile(file):
            raise FileNotFoundError(f"No config file {file}")
    name = Path(config_file).stem
    if "://" in config_file and name == "config":
        name = Path(config_file).parent.name
    if base is None:
        return Row(name, config_file)
    try:
        with PathManager.open(config_file, encoding="utf-8") as opened:
            content = yaml.safe_load(opened)
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: no plain YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: not a config: {content!r}")
    own = {key: value for key, value in content.items() if key not in (BASE_KEY, "OUTPUT_DIR")}
    return Row(name, str(base), tuple(itertools.chain.from_iterable(flatten_keys(own))))


def plan_runs(
    rows: Sequence[Row], seeds: Sequence[int], output: str | Path, options: Sequence[str] = ()
) -> list[Run]:
    """All runs, seed by seed, so that a stopped ablation has whole tables of the first seeds.

    Raises:
        ValueError: no rows or seeds, or the same twice.
    """
    names = [row.name for row in rows]
    for what, values in (("rows", names), ("seeds", list(seeds))):
        if not values or len(set(values)) < len(values):
            raise ValueError(f"{what} must be some, each once, got {values}")
    folder = Path(output)
    return [
        Run(row, seed, folder / row.name / f"seed_{seed}", tuple(options))
        for seed in seeds
        for row in rows
    ]


def execute(run: Run, command: Sequence[str], commit: str | None = None) -> dict[str, Any] | None:
    """Train and evaluate a run, unless its result is there.

    Args:
        run: what to do.
        command: that starts the trainer, e.g. (python, "tools/train_net.py").
        commit: version of the code, for the record.

    Returns:
        The result, or None if the trainer failed (its output is in the run's log file), or another
        process trains in the folder.

    Raises:
        ValueError: the folder holds the result or a part of another run.
    """
    done = read_result(run)
    if done is not None:
        logger.info("%s: finished before", run)
        return done
    if is_training(run.folder):
        logger.error(
            "%s: another process trains in %s; start again when it has ended", run, run.folder
        )
        return None
    run.folder.mkdir(parents=True, exist_ok=True)
    resume = run.can_resume
    described = run.describe()
    write_json(run.folder / RUN_FILE, described, indent=1)
    logger.info("%s: %s", run, "resumed" if resume else "started")
    start = time.monotonic()
    with (run.folder / LOG_FILE).open("a") as log:
        status = run_program([*command, *run.arguments(resume)], stdout=log, stderr=log)
    if status != 0:
        logger.error("%s: exit status %d, see %s", run, status, run.folder / LOG_FILE)
        return None
    result = described | {
        "commit": commit,
        "resumed": resume,
        "seconds": round(time.monotonic() - start, 1),
        "datasets": _reports(run),
    }
    write_json(run.folder / RESULT_FILE, result, indent=1)
    return result


def read_result(run: Run) -> dict[str, Any] | None:
    """The result of a finished run, or None.

    Raises:
        ValueError: it belongs to a run with another config, other options or another seed, or so
            does the training in the folder that would be taken up.
    """
    result = _read_own(run, RESULT_FILE)
    if result is None and run.can_resume:
        _read_own(run, RUN_FILE)
    return result


def _read_own(run: Run, name: str) -> dict[str, Any] | None:
    """A file of the run's folder that says whose it is; None: there is none."""
    file = run.folder / name
    if not file.is_file():
        return None
    content = read_json(file)
    if not isinstance(content, dict):
        raise ValueError(f"{file}: is no description of a run; remove it, or take another --output")
    wanted = run.describe()
    for key in DIGESTS:
        if key not in content:  # of a former version
            wanted.pop(key, None)
    other = [key for key, value in wanted.items() if content.get(key) != value]
    if other:
        differences = ", ".join(f"{k} was {content.get(k)}, now {wanted[k]}" for k in other)
        raise ValueError(f"{file} belongs to another run ({differences}); take another --output")
    return content


def _reports(run: Run) -> dict[str, dict[str, Any]]:
    """Data set -> its FROC report, without the curve; "DATA SET + relation": after re-scoring."""
    reports = {}
    for place, added in (("", ""), (f"{RESCORED}/", AFTER_RELATION)):
        for file in sorted(run.folder.glob(f"inference/*/{place}froc_*.json")):
            report = json.loads(file.read_text())
            reports[report.pop("dataset") + added] = {
                k: v for k, v in report.items() if k != "curve"
            }
    if not reports:
        raise ValueError(f"{run.folder}: the trainer ended well but left no FROC result")
    return reports


def source_version(folder: str | Path) -> str | None:
    """The commit of a checkout, with "+" where files were changed; None outside of git."""
    try:
        git = ["git", "-C", str(folder)]
        commit = subprocess.run(
            [*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
        changes = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + ("+" if changes else "")
