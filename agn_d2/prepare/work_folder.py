"""The folder of a data set while a run writes it: its own, whole, and not full."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..data.builtin import SPLITS
from ..utils.files import clear_parts
from ..utils.locks import held

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class DiskFull(OSError):
    """No room for an output file."""


def is_full(error: OSError) -> bool:
    """Whether an error says that the disk, the quota or the largest file size is used up."""
    return error.errno in _FULL


def check_out(out: Path) -> None:
    """Refuse a folder whose annotations did not come from a run of steps.

    Raises:
        ValueError: it holds such ones.
    """
    if (out / "annotations").exists() and not (out / "work").is_dir():
        raise ValueError(f"{out} holds a data set made in another way; choose another --out")


def withdraw_annotations(out: Path) -> None:
    """Remove the annotations of an earlier run, before the images that they speak of are replaced.

    A run that ends half-way would leave new images, such as mirrored ones, under old boxes, and
    training would not see it.
    """
    for split in SPLITS:
        (out / "annotations" / f"{split}.json").unlink(missing_ok=True)


def is_written(image: Path) -> bool:
    """Whether an image lies where a run of steps has written its images."""
    return image.parent.name == "images" and (image.parent.parent / "work" / "records").is_dir()


@contextmanager
def at_work(out: Path, folders: Sequence[str]) -> Iterator[None]:
    """Make and hold the folders of a data set, rid of what a killed run left half written.

    Args:
        out: of the data set.
        folders: below it; ``work`` is among them.

    Raises:
        ValueError: another run holds ``out``.
        DiskFull: no room for what is written in the meantime.
    """
    for name in folders:
        (out / name).mkdir(parents=True, exist_ok=True)
    with held(out / "work" / ".lock", out / "work"):
        for name in folders:
            clear_parts(out / name)
        try:
            yield
        except OSError as error:
            if is_full(error) and not isinstance(error, DiskFull):
                raise DiskFull(f"no room left in {out} ({error.strerror})") from error
            raise
