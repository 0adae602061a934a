"""Loaders that hand over whole cases."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog
from detectron2.data.build import worker_init_reset_seed
from detectron2.data.samplers import InferenceSampler
from detectron2.utils import comm
from torch.utils.data import DataLoader, Dataset

from .builtin import check_registered
from .cases import Case, count_links, group_cases
from .gray_range import warn_of_narrow_range
from .mapper import CaseMapper
from .partners import shuffle_partners
from .sampler import CaseBatchSampler, CaseItem
from .seeding import numpy_seed

logger = logging.getLogger(__name__)


class CaseDataset(Dataset):
    """Cases, read through a mapper; an item is a ``CaseItem`` or the number of a case.

    Args:
        cases: the cases.
        mapper: what reads them.
        seed: of the augmentations, with the number of the draw: the same item of the same stream
            is augmented alike in whatever process, and after a resume. None: drawn freely.
    """

    def __init__(
        self, cases: Sequence[Case], mapper: CaseMapper, *, seed: int | None = None
    ) -> None:
        self.cases = list(cases)
        self.mapper = mapper
        self.seed = seed

    def __len__(self) -> int:
        return len(self.cases)

    def __getitem__(self, item: CaseItem | int) -> list[dict[str, Any]]:
        if isinstance(item, CaseItem):
            with numpy_seed(self.seed, item.draw):
                return self.mapper(self.cases[item.case], item.examined)
        return self.mapper(self.cases[item], self.cases[item].examined)


def load_cases(dataset_names: Sequence[str]) -> list[Case]:
    """The cases of registered data sets; cases never reach across data sets.

    Raises:
        ValueError: a name is not registered, or no images at all.
    """
    check_registered(dataset_names)
    cases = []
    for name in dataset_names:
        images = DatasetCatalog.get(name)
        warn_of_narrow_range(images, name)
        of_dataset = group_cases(images)
        links = ", ".join(f"{n} {what}" for what, n in count_links(of_dataset).items())
        logger.info("%s: %d cases; images that read other views: %s", name, len(of_dataset), links)
        cases += of_dataset
    if not cases:
        raise ValueError(f"No images in {list(dataset_names)}")
    return cases


class MissingLandmarksError(ValueError):
    """Images have no landmarks where they are needed."""


def check_landmarks(
    cases: Sequence[Case],
    needed_by: str = "AGN",
    otherwise: str = "set MODEL.AGN.ENABLED False",
) -> None:
    """Find images without landmarks before a loader's process does.

    Args:
        cases: to look at.
        needed_by: what needs the landmarks.
        otherwise: how to do without.

    Raises:
        MissingLandmarksError: there are any; counts them.
    """
    missing = [
        image["file_name"]
        for case in cases
        for image in case.images
        if image.get("landmarks") is None
    ]
    if missing:
        raise MissingLandmarksError(
            f"{len(missing)} images have no landmarks, but {needed_by} needs them (the first: "
            f"{missing[0]}). Run tools/extract_landmarks.py on the images (its --output is "
            f"annotations/landmarks.json of the data set), or {otherwise}."
        )


def examinable_views(case: Case, filter_empty: bool) -> list[int]:
    """Positions of the views to train on, views of one breast next to each other.

    Args:
        filter_empty: leave out views without a lesion; they still serve as context.
    """
    positions = sorted(case.examined, key=lambda p: case.images[p]["laterality"])
    if not filter_empty:
        return positions
    return [p for p in positions if _has_lesion(case.images[p])]


def build_train_loader(cfg: CfgNode, mapper: CaseMapper | None = None) -> DataLoader:
    """The endless training loader of ``DATASETS.TRAIN``.

    ``SOLVER.IMS_PER_BATCH`` counts examined images over all GPUs, as in Detectron2.
    """
    cases = _cases(cfg, cfg.DATASETS.TRAIN)
    filter_empty = cfg.DATALOADER.FILTER_EMPTY_ANNOTATIONS
    examinable = [examinable_views(case, filter_empty) for case in cases]
    kept, total = sum(map(len, examinable)), sum(map(len, cases))
    logger.info("Training examines %d of %d images", kept, total)
    if kept == 0:
        raise ValueError(
            f"{', '.join(cfg.DATASETS.TRAIN)}: none of {total} images has a lesion to train on; "
            "are the annotations there? DATALOADER.FILTER_EMPTY_ANNOTATIONS False takes images "
            "without one too"
        )
    world_size = comm.get_world_size()
    if cfg.SOLVER.IMS_PER_BATCH % world_size:
        raise ValueError(
            f"SOLVER.IMS_PER_BATCH {cfg.SOLVER.IMS_PER_BATCH} is not divisible by the "
            f"{world_size} processes"
        )
    seed = None if cfg.SEED < 0 else cfg.SEED
    sampler = CaseBatchSampler(
        examinable,
        cfg.SOLVER.IMS_PER_BATCH // world_size,
        examined_per_case=cfg.DATALOADER.EXAMINED_PER_CASE,
        seed=seed,
    )
    return DataLoader(
        CaseDataset(cases, mapper or CaseMapper(cfg, is_train=True), seed=sampler.seed),
        batch_sampler=sampler,
        # Not torch's global generator: starting the loader, as a resume does, would shift the
        # draws of the model.
        generator=torch.Generator().manual_seed(sampler.seed),
        num_workers=cfg.DATALOADER.NUM_WORKERS,
        collate_fn=_concatenate,
        worker_init_fn=worker_init_reset_seed,
        persistent_workers=cfg.DATALOADER.NUM_WORKERS > 0,
    )


def build_test_loader(
    cfg: CfgNode, dataset_name: str, mapper: CaseMapper | None = None
) -> DataLoader:
    """The loader of one test data set: each batch is one case with all its views."""
    cases = _cases(cfg, [dataset_name])
    return DataLoader(
        CaseDataset(cases, mapper or CaseMapper(cfg, is_train=False)),
        batch_size=1,
        sampler=InferenceSampler(len(cases)),
        num_workers=cfg.DATALOADER.NUM_WORKERS,
        collate_fn=_concatenate,
    )


def build_context_loader(cfg: CfgNode, dataset_name: str) -> DataLoader | None:
    """A loader that examines the views of a test data set that otherwise only serve others.

    Returns:
        the loader, each batch the context views of one case; None if there are no such views.
    """
    cases = _cases(cfg, [dataset_name])
    items = [
        CaseItem(n, tuple(sorted(set(range(len(case))) - set(case.examined))))
        for n, case in enumerate(cases)
    ]
    items = [item for item in items if item.examined]
    if not items:
        return None
    return DataLoader(
        CaseDataset(cases, CaseMapper(cfg, is_train=False)),
        batch_size=1,
        sampler=[items[n] for n in InferenceSampler(len(items))],
        num_workers=cfg.DATALOADER.NUM_WORKERS,
        collate_fn=_concatenate,
    )


def _cases(cfg: CfgNode, dataset_names: Sequence[str]) -> list[Case]:
    cases = load_cases(dataset_names)
    if not cfg.MODEL.AGN.ENABLED:
        return cases
    check_landmarks(cases)
    if cfg.DATALOADER.SHUFFLE_PARTNERS:
        cases = shuffle_partners(cases, seed=max(cfg.SEED, 0))
    return cases


def _has_lesion(image: dict[str, Any]) -> bool:
    return any(not a.get("iscrowd", 0) for a in image.get("annotations", []))


def build_validation_loader(cfg: CfgNode, dataset_name: str) -> DataLoader:
    """As at test time, whole cases and no augmentation, but with ``instances`` for the losses."""
    options = CaseMapper.from_config(cfg, is_train=False)
    options |= {"is_train": True, "node_jitter_by_name": True}
    return build_test_loader(cfg, dataset_name, CaseMapper(**options))


def _concatenate(lists: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return list(itertools.chain.from_iterable(lists))
