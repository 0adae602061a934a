"""Whether what is tested on was trained on: the same patients, or the same images."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

CHUNK = 1 << 20


def shared_patients(train: Iterable[str], test: Iterable[str]) -> list[str]:
    """The patients of the test set that are in the training set too, each once, sorted."""
    return sorted(set(train) & set(test))


def shared_images(train: Sequence[Path], test: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Files of the training set whose content is that of a file of the test set.

    Images with the same pixels have the same bytes where one program wrote them. Only files of
    equal length are read.

    Args:
        train, test: files of the images; those that do not exist are passed over.

    Returns:
        (train, test) pairs, in the order of ``test``; the first training image of each.
    """
    lengths = _by_length(train)
    pairs = []
    digests: dict[Path, bytes] = {}

    def digest(path: Path) -> bytes:
        if path not in digests:
            digests[path] = _digest(path)
        return digests[path]

    for length, paths in _by_length(test).items():
        for path in paths:
            twin = next((p for p in lengths.get(length, ()) if digest(p) == digest(path)), None)
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


def _digest(path: Path) -> bytes:
    state = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            state.update(chunk)
    return state.digest()
