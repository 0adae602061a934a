"""Whether what is tested on was trained on: the same patients, or the same images."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

CHUNK = 1 << 20
PIECE = 1 << 14


def shared_patients(train: Iterable[str], test: Iterable[str]) -> list[str]:
    """The patients of the test set that are in the training set too, each once, sorted."""
    return sorted(set(train) & set(test))


def shared_images(train: Sequence[Path], test: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Files of the training set whose content is that of a file of the test set.

    Images with the same pixels have the same bytes where one program wrote them. Of files of equal
    length, as uncompressed ones have it, a piece is read; of those with the same piece, all.

    Args:
        train, test: files of the images; those that do not exist are passed over.

    Returns:
        (train, test) pairs, in the order of ``test``; the first training image of each.
    """
    lengths = _by_length(train)
    digest = cache(_digest)
    pairs = []
    for length, paths in _by_length(test).items():
        alike = defaultdict(list)
        for path in lengths.get(length, ()):
            alike[_piece(path, length)].append(path)
        for path in paths if alike else ():
            twins = alike.get(_piece(path, length), ())
            twin = next((p for p in twins if digest(p) == digest(path)), None)
            if twin is not None:
                pairs.append((twin, path))
    order = {path: number for number, path in enumerate(test)}
    return sorted(pairs, key=lambda pair: order[pair[1]])


def _by_length(paths: Iterable[Path]) -> dict[int, list[Path]]:
    lengths = defaultdict(list)
    for path in paths:
        try:
            lengths[os.stat(path).st_size].append(path)
        except FileNotFoundError:
            continue
    return lengths


def _piece(path: Path, length: int) -> bytes:
    """What stands in the middle of a file, where the pixels are."""
    with open(path, "rb") as file:
        file.seek(max(0, (length - PIECE) // 2))
        return hashlib.blake2b(file.read(PIECE), digest_size=16).digest()


def _digest(path: Path) -> bytes:
    state = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            state.update(chunk)
    return state.digest()
