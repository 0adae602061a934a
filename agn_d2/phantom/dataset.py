"""The phantom as a canonical data set: images, COCO annotations, landmarks, parameters.

    <out>/images/*.png                          16 bit
    <out>/annotations/{train,val,test}.json     COCO, with lesion ids and a list of distractors
    <out>/annotations/landmarks.json            the true landmarks of all splits
    <out>/phantom.json                          the parameters that made it

The work is done in ``<out>.partial``, case by case, and renamed at the end: a finished data set is
always whole, and a run that was stopped is taken up where it was.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
from tqdm import tqdm

from ..data.builtin import SPLITS
from ..utils.files import check_writable_folder, write_json
from ..utils.workers import map_in_workers
from .case import generate_case
from .params import PhantomParams
from .records import case_record, coco_file

logger = logging.getLogger(__name__)

# Raised whenever the same parameters would give other images.
PHANTOM_VERSION = 2
_PARAMS_FILE = "phantom.json"
_OWN_ENTRIES = ("images", "annotations", "cases", _PARAMS_FILE)


def make_phantom(
    out_dir: str | os.PathLike[str],
    params: PhantomParams,
    workers: int = 1,
    overwrite: bool = False,
) -> Path:
    """Write the phantom data set, or do nothing if it is there with the same parameters.

    Args:
        out_dir: folder of the data set.
        params: what to make.
        workers: number of processes; the result does not depend on it. With more than one, the
            calling script needs the usual ``if __name__ == "__main__"`` guard.
        overwrite: replace a phantom that was made with other parameters.

    Returns:
        The folder.

    Raises:
        ValueError: if the folder holds something else than a phantom, or a phantom with other
            parameters and ``overwrite`` is not set; if ``workers`` is below 1.
        OSError: the folder cannot be made or written.
    """
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    # The data set is renamed into place: a link to it stays one, and "." has a name.
    out = Path(os.path.realpath(out_dir))
    check_writable_folder(out.parent, out)
    header = {"phantom_version": PHANTOM_VERSION, "params": params.to_dict()}
    if _is_made(out, header, overwrite):
        logger.info("%s: already made with these parameters", out)
        return out
    work = out.parent / f"{out.name}.partial"
    if out.exists():
        _clear(_old(out))
    _open_work_folder(work, header)
    _write_cases(work, params, workers)
    _collect(work, params)
    _put_in_place(work, out)
    logger.info("%s: wrote %d cases", out, params.cases)
    return out


def assign_splits(cases: int, shares: Sequence[float]) -> list[str]:
    """Split of each case by its index; the counts keep to the shares for every number of cases.

    Each case goes to the split that lags furthest behind its share, so that the first n cases are
    split in the same way whatever comes after them.
    """
    total = sum(shares)
    counts = [0.0] * len(SPLITS)
    splits = []
    for index in range(cases):
        lag = [(index + 1) * share / total - n for share, n in zip(shares, counts, strict=True)]
        chosen = max(range(len(SPLITS)), key=lag.__getitem__)
        counts[chosen] += 1
        splits.append(SPLITS[chosen])
    return splits


def _is_made(out: Path, header: dict[str, Any], overwrite: bool) -> bool:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    there = out / _PARAMS_FILE
    if not there.is_file():
        raise ValueError(f"{out}: holds something else than a phantom; choose another folder")
    found = _read_json(there)
    if found == header:
        return True
    if overwrite:
        _refuse_foreign(out)
        return False
    raise ValueError(
        f"{out}: holds a phantom made differently ({_difference(found, header)}); "
        "choose another folder or overwrite it"
    )


def _difference(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    if found.get("phantom_version") != wanted["phantom_version"]:
        return f"version {found.get('phantom_version')}, now {wanted['phantom_version']}"
    old, new = found.get("params", {}), wanted["params"]
    keys = [k for k in sorted(set(old) | set(new)) if old.get(k) != new.get(k)]
    return ", ".join(f"{k} was {old.get(k)}, now {new.get(k)}" for k in keys)


def _open_work_folder(work: Path, header: dict[str, Any]) -> None:
    """A work folder for these parameters; what a stopped run with the same ones made stays."""
    if work.exists():
        there = work / _PARAMS_FILE
        if there.is_file() and _read_json(there) == header:
            logger.info("%s: taking up a run that was stopped", work)
            return
        _clear(work)
    for folder in ("images", "annotations", "cases"):
        (work / folder).mkdir(parents=True, exist_ok=True)
    write_json(work / _PARAMS_FILE, header)


def _clear(folder: Path) -> None:
    """Delete a phantom, and the folder itself, if it is there; but nothing that is not ours."""
    if folder.exists():
        _refuse_foreign(folder)
        shutil.rmtree(folder)


def _refuse_foreign(folder: Path) -> None:
    foreign = sorted({p.name for p in folder.iterdir()} - set(_OWN_ENTRIES))
    if foreign:
        raise ValueError(f"{folder}: not a phantom's: {', '.join(foreign)}; remove them first")


def _put_in_place(work: Path, out: Path) -> None:
    """Rename the finished folder; what it replaces goes last, so that one of them always stands."""
    if out.exists():
        os.replace(out, _old(out))
    os.replace(work, out)
    _clear(_old(out))


def _old(out: Path) -> Path:
    """Where a data set that is replaced stands until the new one is in its place."""
    return out.parent / f"{out.name}.old"


def _write_cases(work: Path, params: PhantomParams, workers: int) -> None:
    todo = [i for i in range(params.cases) if not _case_file(work, i).exists()]
    task = partial(_write_case, work=work, params=params, one_of_many=workers > 1)
    with tqdm(total=params.cases, initial=params.cases - len(todo), disable=None) as bar:
        for _ in map_in_workers(task, todo, workers):
            bar.update()


def _case_file(work: Path, index: int) -> Path:
    return work / "cases" / f"{index:06d}.json"


def _write_case(index: int, work: Path, params: PhantomParams, one_of_many: bool) -> None:
    if one_of_many:
        # The processes are the parallelism; threads inside them would only fight for the cores.
        cv2.setNumThreads(1)
    case = generate_case(params.seed, index, params)
    for view in case.views:
        # Light compression: a tenth of the time of the default for files a few percent larger.
        _, data = cv2.imencode(".png", view.image, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        (work / "images" / view.file_name).write_bytes(data.tobytes())
    # The record comes last: where it is, the images are whole.
    write_json(_case_file(work, index), case_record(case))


def _collect(work: Path, params: PhantomParams) -> None:
    """Join the records of the cases to the annotation files."""
    splits = assign_splits(params.cases, params.split_shares)
    records = [_read_json(_case_file(work, i)) for i in range(params.cases)]
    for name in SPLITS:
        chosen = [r for r, split in zip(records, splits, strict=True) if split == name]
        write_json(work / "annotations" / f"{name}.json", coco_file(chosen))
    landmarks = {file: lm for record in records for file, lm in record["landmarks"].items()}
    write_json(work / "annotations" / "landmarks.json", landmarks)
    shutil.rmtree(work / "cases")


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: not valid JSON ({error})") from None
