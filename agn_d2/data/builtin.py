"""The data sets that agn_d2 knows by name."""

from __future__ import annotations

from pathlib import Path

from ..paths import datasets_root
from .multi_view_coco import register_multi_view_coco

# name -> folder below the root; each has the splits train, val and test.
BUILTIN = {"cbis_ddsm_mass": "cbis_ddsm", "phantom": "phantom"}
SPLITS = ("train", "val", "test")


def register_builtin_datasets(root: str | Path | None = None) -> list[str]:
    """Register ``cbis_ddsm_mass_*``, ``phantom_*`` and the data sets found below the root.

    A folder below the root with ``annotations/train.json`` is registered as
    ``<folder>_{train,val,test}``. Explicit and repeatable: no data set is read before it is asked
    for, and a call with another root replaces the earlier one.

    Args:
        root: folder of the data sets; default ``DETECTRON2_DATASETS``.

    Returns:
        the registered names.
    """
    root = Path(root) if root is not None else datasets_root()
    found = {path.parents[1].name for path in root.glob("*/annotations/train.json")}
    own = {folder: folder for folder in sorted(found - set(BUILTIN.values()))}
    names = []
    for dataset, folder in (BUILTIN | own).items():
        for split in SPLITS:
            names.append(f"{dataset}_{split}")
            register_multi_view_coco(
                names[-1],
                root / folder / "annotations" / f"{split}.json",
                root / folder / "images",
                root / folder / "annotations" / "landmarks.json",
            )
    return names
