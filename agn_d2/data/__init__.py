"""From registered data sets, or examinations in files, to what the model reads."""

from .build import (
    build_test_loader,
    build_train_loader,
    build_validation_loader,
    check_landmarks,
    load_cases,
)
from .builtin import check_registered, register_builtin_datasets
from .cases import Case, group_cases
from .examination import Examination
from .examination_files import find_examinations, read_examination
from .given_case import read_given_case
from .mapper import CaseMapper
from .multi_view_coco import load_multi_view_coco, register_multi_view_coco
from .sampler import CaseBatchSampler
from .transforms import build_augmentations

__all__ = [
    "Case",
    "CaseBatchSampler",
    "CaseMapper",
    "Examination",
    "build_augmentations",
    "build_test_loader",
    "build_train_loader",
    "build_validation_loader",
    "check_landmarks",
    "check_registered",
    "find_examinations",
    "group_cases",
    "load_cases",
    "load_multi_view_coco",
    "read_examination",
    "read_given_case",
    "register_builtin_datasets",
    "register_multi_view_coco",
]
