"""Plan of a cross-validation: a detector and rows on top of it, trained and tested on every fold.

The plan is data: runs of tools/train_net.py, of which some need the weights of others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from detectron2.config import CfgNode

from ..engine.setup import load_cfg
from ..modeling.backbone.agn_fpn import find_prior_file
from ..utils.fold_names import fold_name
from .ablation import Row, Run, read_result
from .given_detectors import check_given_detector

DETECTOR = "detector"
WEIGHTS = "model_final.pth"


@dataclass(frozen=True)
class Folds:
    """A data set and its folds, as ``write_folds`` names them."""

    dataset: str
    number: int

    def __iter__(self) -> Iterator[int]:
        return iter(range(1, self.number + 1))

    def name(self, fold: int) -> str:
        """Folder of a fold below the root of the data sets."""
        return fold_name(self.dataset, fold, self.number)

    def test_set(self, fold: int) -> str:
        """Registered name of what a fold is tested on."""
        return f"{self.name(fold)}_test"


@dataclass(frozen=True)
class FoldRun(Run):
    """A run on one fold.

    Attributes:
        fold: counted from 1.
        dataset: that of the fold, a folder below the root of the data sets.
        shuffled: a trained row that is tested with the views of other patients.
        needs: the run whose weights it takes; None: none, or given ones.
    """

    fold: int = field(kw_only=True)
    dataset: str = field(kw_only=True)
    shuffled: bool = field(default=False, kw_only=True)
    needs: FoldRun | None = field(default=None, kw_only=True)

    def __str__(self) -> str:
        control = ", shuffled partners" if self.shuffled else ""
        return f"{super().__str__()}, fold {self.fold}{control}"

    @property
    def finished(self) -> bool:
        """Whether its result is there."""
        return read_result(self) is not None


def plan_folds(
    detector: Row,
    rows: Sequence[Row],
    folds: Folds,
    seeds: Sequence[int],
    output: Path,
    detector_weights: Sequence[Path] = (),
) -> list[FoldRun]:
    """All runs, seed by seed, each after those that it needs.

    The detector is trained on each fold. Each row starts from the detector of its fold and seed;
    a row with a graph counts its prior on the fold's training images, and is tested a second time
    with the views of other patients.

    Args:
        detector: config and options of the detector.
        rows: what is trained on top of it.
        folds: the data sets.
        seeds: of the trainings.
        output: runs lie in ``<row>/seed_<seed>/fold_<fold>``, controls in ``<row>_shuffled/...``.
        detector_weights: trained detectors, one for each fold, for all seeds; they are tested only.

    Raises:
        ValueError: no seed or one twice, two rows of one name, another number of weights than of
            folds, or a fault of a config.
        FileNotFoundError: a config or one of the weights is missing.
    """
    _check(rows, seeds, folds, detector_weights)
    detector = replace(detector, name=DETECTOR)
    controlled = {row.name for row in rows if _reads_views(_load(row))}
    runs: list[FoldRun] = []
    for seed in seeds:
        detectors = [
            _detector_run(detector, seed, folds, fold, output, detector_weights) for fold in folds
        ]
        # Given detectors are the same for all seeds.
        runs += [] if detector_weights and seed != seeds[0] else detectors
        for row in rows:
            trained = [_row_run(row, one, folds, output) for one in detectors]
            runs += trained
            if row.name in controlled:
                runs += [_control_run(one, output) for one in trained]
    return runs


def check_plan(runs: Sequence[FoldRun]) -> None:
    """Find before any training what would stop one later.

    Raises:
        ValueError: a folder holds the result of another run, or of other folds; or a given detector
            is no checkpoint, or was trained on another fold.
        FileNotFoundError: a fold has no prior of a row's layout.
    """
    names = list(dict.fromkeys(run.dataset for run in runs))
    for run in runs:
        if run.eval_only and run.needs is None:
            check_given_detector(Path(run.options[-1]), run.dataset, names)
        read_result(run)
        cfg = load_cfg(run.row.config_file, [*run.row.options, *run.options])
        if _counts_prior(cfg):
            find_prior_file(cfg)


def _check(
    rows: Sequence[Row], seeds: Sequence[int], folds: Folds, detector_weights: Sequence[Path]
) -> None:
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds must be some, each once, got {list(seeds)}")
    names = [row.name for row in rows]
    folders = [DETECTOR, *names, *(f"{name}_shuffled" for name in names)]
    twice = sorted({name for name in folders if folders.count(name) > 1})
    if twice:
        raise ValueError(f"two rows would write into the folder {twice[0]!r}; rename one's YAML")
    if detector_weights and len(detector_weights) != folds.number:
        raise ValueError(
            f"there must be one detector for each of the {folds.number} folds, got "
            f"{len(detector_weights)}"
        )
    for path in detector_weights:
        if not path.is_file():
            raise FileNotFoundError(f"No weights of a detector: {path}")


def _load(row: Row) -> CfgNode:
    return load_cfg(row.config_file, row.options)


def _reads_views(cfg: CfgNode) -> bool:
    """Whether a row has partner views that can be exchanged for those of other patients."""
    return cfg.MODEL.AGN.ENABLED and not cfg.DATALOADER.SHUFFLE_PARTNERS


def _counts_prior(cfg: CfgNode) -> bool:
    agn = cfg.MODEL.AGN
    return bool(agn.ENABLED and agn.BGN.ENABLED and agn.BGN.PRIOR)


def _data_options(row: Row, folds: Folds, fold: int) -> tuple[str, ...]:
    train, test = (str((name,)) for name in (f"{folds.name(fold)}_train", folds.test_set(fold)))
    # A fold has no validation set: that of the whole data set has images of every fold.
    options = ("DATASETS.TRAIN", train, "DATASETS.TEST", test)
    options = (*options, "TEST.VALIDATION.EPOCHS", "0.0")
    if not _counts_prior(_load(row)):
        return options
    prior = f"{folds.name(fold)}/annotations/prior_{{layout}}.json"
    return (*options, "MODEL.AGN.BGN.PRIOR", prior)


def _folder(output: Path, name: str, seed: int, fold: int) -> Path:
    return output / name / f"seed_{seed}" / f"fold_{fold}"


def _detector_run(
    row: Row, seed: int, folds: Folds, fold: int, output: Path, weights: Sequence[Path]
) -> FoldRun:
    options = _data_options(row, folds, fold)
    if weights:
        options = (*options, "MODEL.WEIGHTS", str(weights[fold - 1].resolve()))
    folder = _folder(output, DETECTOR, seed, fold)
    return FoldRun(
        *(row, seed, folder, options),
        eval_only=bool(weights),
        fold=fold,
        dataset=folds.name(fold),
    )


def _row_run(row: Row, detector: FoldRun, folds: Folds, output: Path) -> FoldRun:
    seed, fold = detector.seed, detector.fold
    options = _data_options(row, folds, fold)
    given = detector.eval_only
    if given:
        options = (*options, *detector.options[-2:])
    return FoldRun(
        *(row, seed, _folder(output, row.name, seed, fold), options),
        places=() if given else ("MODEL.WEIGHTS", str(detector.folder / WEIGHTS)),
        fold=fold,
        dataset=detector.dataset,
        needs=None if given else detector,
    )


def _control_run(trained: FoldRun, output: Path) -> FoldRun:
    row, seed, fold = trained.row, trained.seed, trained.fold
    return FoldRun(
        *(row, seed, _folder(output, f"{row.name}_shuffled", seed, fold)),
        (*trained.options, "DATALOADER.SHUFFLE_PARTNERS", "True"),
        eval_only=True,
        places=("MODEL.WEIGHTS", str(trained.folder / WEIGHTS)),
        fold=fold,
        dataset=trained.dataset,
        shuffled=True,
        needs=trained,
    )
