"""The table of a cross-validation: what is finished, pooled over the folds and compared.

Of each row there are up to four models: the row itself, its control with the views of other
patients, and both of the candidate relation on top of it (``cross_validate``).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..coco.reading import read_json
from ..cross_view.results import validate_relation
from ..cross_view.training import NothingToLearnError
from ..data.build import MissingLandmarksError
from ..evaluation.coco_results import read_detections, read_ground_truth
from ..evaluation.comparison import compare
from ..evaluation.froc import check_fppi
from ..evaluation.runs import find_results
from ..utils.files import write_json, write_text
from ..visualization.comparison_files import write_comparison
from .ablation import read_result
from .fold_plan import DETECTOR, FoldRun, Folds

logger = logging.getLogger(__name__)

# Parts beside all images; those per lesion and per breast always come.
BREAKDOWNS = ("available views",)


@dataclass(frozen=True)
class TableOptions:
    """How the pooled results are compared, see ``compare``.

    Attributes:
        fppi: where the curves are read.
        baseline: row that the others are compared with, once it is finished.
        draws: of the bootstrap over patients.
        since: seconds since the epoch; pooled results that are older are made anew, as an
            earlier version may have made them.

    Raises:
        ValueError: an FPPI or the draws are out of range.
    """

    fppi: tuple[float, ...] = (0.125, 0.25, 0.5, 1, 2, 3, 4, 8)
    baseline: str = DETECTOR
    draws: int = 1000
    since: float = 0.0

    def __post_init__(self) -> None:
        check_fppi(self.fppi)
        if self.draws < 0:
            raise ValueError(f"draws must not be negative, got {self.draws}")


@dataclass(frozen=True)
class RowState:
    """One row with one seed: the runs of all folds.

    Attributes:
        runs: one for each fold.
    """

    runs: tuple[FoldRun, ...]

    @property
    def name(self) -> str:
        """Of the model in the tables."""
        return f"{self.runs[0].row.name}{', shuffled' * self.runs[0].shuffled}"

    @property
    def missing(self) -> list[int]:
        """Folds that are not finished."""
        return [run.fold for run in self.runs if not run.finished]

    def describe(self) -> dict[str, Any]:
        """For table.json: model, seed, finished folds, seconds and commits."""
        results = [result for run in self.runs if (result := read_result(run)) is not None]
        return {
            "model": self.name,
            "seed": self.runs[0].seed,
            "finished": [run.fold for run in self.runs if run.finished],
            "missing": self.missing,
            "seconds": sum(result["seconds"] for result in results),
            # Of a resumed run only the last part is timed.
            "resumed": any(result["resumed"] for result in results),
            "commits": sorted({str(result["commit"]) for result in results}),
        }


def row_states(runs: Sequence[FoldRun]) -> list[RowState]:
    """The runs of a plan, those of all folds together."""
    groups: dict[tuple[str, bool, int], list[FoldRun]] = {}
    for run in runs:
        groups.setdefault((run.row.name, run.shuffled, run.seed), []).append(run)
    return [RowState(tuple(group)) for group in groups.values()]


def write_table(
    runs: Sequence[FoldRun], folds: Folds, truth_file: Path, output: Path, options: TableOptions
) -> str:
    """Pool, compare, and write ``table.md``, ``table.json`` and the figure.

    Args:
        runs: the plan.
        folds: the data sets, registered.
        truth_file: annotations of the pooled data set.
        output: folder of the cross-validation; pooled results go to ``pooled`` there.
        options: how to compare.

    Returns:
        the Markdown.

    Raises:
        ValueError: results or annotations cannot be read, or lack what a relation needs.
    """
    states = row_states(runs)
    described = [state.describe() for state in states]
    preface = f"# Cross-validation of {folds.dataset}, {folds.number} folds\n\n"
    preface += _state_markdown(described, folds.number)
    files: dict[str, list[Path]] = {}
    for state in states:
        if not state.missing:
            for name, file in _pooled(state, folds, output / "pooled", options.since).items():
                files.setdefault(name, []).append(file)
    if not files:
        write_json(output / "table.json", {"runs": described}, indent=1)
        write_text(output / "table.md", preface)
        return preface
    truth = read_ground_truth(truth_file)
    comparison = compare(
        {name: [read_detections(file, truth) for file in some] for name, some in files.items()},
        truth,
        fppi=options.fppi,
        baseline=options.baseline if options.baseline in files else None,
        breakdowns=BREAKDOWNS,
        draws=options.draws,
    )
    facts = {"gt": str(truth_file), "runs": described}
    return write_comparison(comparison, output, "table", files, facts, f"{preface}\n")


def _pooled(state: RowState, folds: Folds, folder: Path, since: float) -> dict[str, Path]:
    """Model -> its results on all folds, made where they are missing or outdated."""
    run, name = state.runs[0], state.name
    results = {
        folds.test_set(run.fold): find_results(run.folder, folds.test_set(run.fold)).predictions
        for run in state.runs
    }
    folder = folder / run.row.name / f"seed_{run.seed}"
    if run.shuffled:
        pooled = {name: folder / "shuffled_row.json"}
        if _outdated(pooled, results, since):
            write_json(pooled[name], _concatenate(results))
        return pooled
    pooled = {
        name: folder / "detector.json",
        f"{name} + relation": folder / "rescored.json",
        f"{name} + relation, shuffled": folder / "shuffled.json",
    }
    if _outdated(pooled, results, since):
        try:
            validate_relation(results, folder)
        except (NothingToLearnError, MissingLandmarksError) as error:
            logger.warning("%s, seed %d, has no relation: %s", name, run.seed, error)
            write_json(pooled[name], _concatenate(results))
            return {name: pooled[name]}
    return pooled


def _concatenate(results: dict[str, Path]) -> list[dict[str, Any]]:
    return [detection for file in results.values() for detection in read_json(file)]


def _outdated(made: dict[str, Path], sources: dict[str, Path], since: float) -> bool:
    newest = max(since, *(path.stat().st_mtime for path in sources.values()))
    return any(not path.is_file() or path.stat().st_mtime < newest for path in made.values())


def _state_markdown(described: Sequence[dict[str, Any]], folds: int) -> str:
    lines = ["| row | seed | folds finished | hours | commit |", "|---|--:|---|--:|---|"]
    for state in described:
        finished = f"{len(state['finished'])} of {folds}"
        if state["missing"]:
            finished += f", missing: {', '.join(map(str, state['missing']))}"
        hours = f"{'≥ ' * state['resumed']}{state['seconds'] / 3600:.2f}"
        cells = [state["model"], str(state["seed"]), finished, hours, ", ".join(state["commits"])]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
