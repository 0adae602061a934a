"""The data sets that agn_d2 knows by name."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from detectron2.data import DatasetCatalog, Metadata, MetadataCatalog

from ..utils.paths import datasets_root
from .multi_view_coco import register_multi_view_coco

# name -> folder below the root; each has the splits train, val and test.
BUILTIN = {"cbis_ddsm_mass": "cbis_ddsm", "phantom": "phantom"}
SPLITS = ("train", "val", "test")


def register_builtin_datasets(root: str | Path | None = None) -> list[str]:
    """Register ``cbis_ddsm_mass_*``, ``phantom_*`` and the data sets found below the root.

    A folder below the root with an annotation file of any split, such as
    ``annotations/test.json`` (or ``test.json.gz``), is registered as
    ``<folder>_{train,val,test}``, with the landmarks of ``annotations/landmarks.json`` if that is
    there: only the graph and the relation of candidates need them. Explicit and repeatable: no data
    set is read before it is asked for, and a call with another root replaces the earlier one.

    Args:
        root: folder of the data sets; default ``DETECTRON2_DATASETS``.

    Returns:
        the registered names.
    """
    root = Path(root) if root is not None else datasets_root()
    own = {folder: folder for folder in _folders(root) if folder not in BUILTIN.values()}
    names = []
    for dataset, folder in (BUILTIN | own).items():
        landmarks = root / folder / "annotations" / "landmarks.json"
        for split in SPLITS:
            names.append(f"{dataset}_{split}")
            register_multi_view_coco(
                names[-1],
                annotation_file(root / folder, split),
                root / folder / "images",
                landmarks if landmarks.is_file() else None,
            )
    return names


def check_registered(names: Iterable[str], key: str = "") -> None:
    """Raise a ValueError if a data set is not registered; says where it was looked for.

    Args:
        names: names of data sets.
        key: config key that names them, if any; begins the message.
    """
    for name in names:
        if name in DatasetCatalog:
            continue
        root, begin = datasets_root(), f"{key}: " if key else ""
        if name in _names_below(root):
            raise ValueError(
                f"{begin}data set {name!r} of {root.absolute()} is not registered yet; call "
                "agn_d2.data.register_builtin_datasets() first"
            )
        raise ValueError(f"{begin}unknown data set {name!r}. {describe_root(root)}")


def builtin_metadata(name: str, instead: str) -> Metadata:
    """What is known of a data set below DETECTRON2_DATASETS, which is registered with the others.

    Args:
        name: its registered name.
        instead: what a user can give in its place; ends the message.

    Raises:
        ValueError: there is none of this name.
    """
    if name not in register_builtin_datasets():
        raise ValueError(f"{name!r} is no data set below DETECTRON2_DATASETS; give {instead}")
    return MetadataCatalog.get(name)


def describe_root(root: Path) -> str:
    """One sentence on which folder the data sets are looked for in, and what is there."""
    value = os.environ.get("DETECTRON2_DATASETS")
    origin = "DETECTRON2_DATASETS"
    if value is None or not value.strip():
        origin += f" is {'not set' if value is None else 'empty'}, so the default"
    where = f"Looked in {root.absolute()} ({origin})"
    if not root.is_dir():
        return f"{where}, which is no folder."
    if names := _names_below(root):
        return f"{where}, which has {', '.join(names)}."
    return f"{where}, where no folder has annotations/train.json, val.json or test.json."


def _names_below(root: Path) -> list[str]:
    """Names of the data sets whose annotations lie below the root."""
    return [
        f"{name}_{split}"
        for name, folder in (BUILTIN | {folder: folder for folder in _folders(root)}).items()
        for split in SPLITS
        if annotation_file(root / folder, split).is_file()
        and (name in BUILTIN or folder not in BUILTIN.values())
    ]


def _folders(root: Path) -> list[str]:
    """Names of the folders below the root with annotations of a split."""
    files = (path for split in SPLITS for path in root.glob(f"*/annotations/{split}.json*"))
    wanted = {f"{split}.json{end}" for split in SPLITS for end in ("", ".gz")}
    return sorted({path.parents[1].name for path in files if path.name in wanted})


def annotation_file(folder: Path, split: str) -> Path:
    """The file of a split of the data set in a folder, gzipped only where there is no plain one."""
    plain = folder / "annotations" / f"{split}.json"
    gzipped = plain.with_name(f"{split}.json.gz")
    return gzipped if gzipped.is_file() and not plain.is_file() else plain
