"""File names made of ids and of the names of other files."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path

LONGEST_NAME = 150  # bytes of a file name made from data; most file systems take 255


def safe_name(value: Hashable) -> str:
    """A file name for an id: the id itself where it can be one, else with ``%``-codes.

    It names a file of the folder it is joined to, whatever the id: no separator, no ``..``, no
    name that is hidden or too long. Ids of different text have different names.

    Args:
        value: an id; what counts is its text.
    """
    name = "".join(_code(c) if _is_odd(c) else c for c in str(value)) or "%"
    if name[0] in ". ":
        name = _code(name[0]) + name[1:]
    if name[-1] in ". ":
        name = name[:-1] + _code(name[-1])
    data = name.encode("utf-8")
    if len(data) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(data).hexdigest()[:32]
    # No code begins with "%-".
    return f"{data[: LONGEST_NAME - 34].decode('utf-8', 'ignore')}%-{digest}"


def _is_odd(character: str) -> bool:
    """What a file name cannot hold, here or on Windows, and the mark of a code itself."""
    return character in '/\\:*?"<>|%\x7f' or character < " " or "\ud800" <= character <= "\udfff"


def _code(character: str) -> str:
    return f"%{ord(character):02X}" if character < "\x80" else f"%u{ord(character):04X}"


def safe_names(values: Iterable[Hashable]) -> dict[Hashable, str]:
    """Ids -> file names, as ``safe_name``.

    Raises:
        ValueError: two ids have the same text, as 1 and "1": their files would be one.
    """
    names: dict[Hashable, str] = {}
    owners: dict[str, Hashable] = {}
    for value in values:
        name = safe_name(value)
        if owners.setdefault(name, value) != value:
            raise ValueError(f"the ids {owners[name]!r} and {value!r} would share a file {name!r}")
        names[value] = name
    return names


def distinct_names(files: Sequence[str | os.PathLike[str]]) -> dict[Path, str]:
    """Names for what is written of several files: as short as tells them apart.

    Args:
        files: input files; the same one may stand there twice.

    Returns:
        Each of the files -> its name without the ending, if no other has it; else the path below
        the folder that the files of this name share, with its ending if need be. Where that does
        not tell all apart, the paths with their endings below the folder that all files share.
        Joined to a folder it lies in or below it.
    """
    # A link keeps its name: in a store of files, as git-annex has it, its target has none.
    paths = {Path(file): Path(os.path.abspath(file)) for file in files}
    by_stem: dict[str, set[Path]] = {}
    for path in paths.values():
        by_stem.setdefault(path.stem, set()).add(path)
    names: dict[Path, str] = {}
    for same_stem in by_stem.values():
        names |= _names_apart(same_stem)
    if len(set(names.values())) < len(names):  # a.png and a.dcm keep their endings: a.png.jpg
        shared = os.path.commonpath({path.parent for path in names})
        names = {path: path.relative_to(shared).as_posix() for path in names}
    return {file: names[path] for file, path in paths.items()}


def _names_apart(same_stem: set[Path]) -> dict[Path, str]:
    """Names of files that have one stem; in one go, as all files of a download may have it."""
    if len(same_stem) == 1:
        return {path: path.stem for path in same_stem}
    shared = os.path.commonpath({path.parent for path in same_stem})
    below = {path: path.relative_to(shared) for path in same_stem}
    bare = {path: name.with_suffix("") for path, name in below.items()}
    count = Counter(bare.values())
    return {p: (below if count[bare[p]] > 1 else bare)[p].as_posix() for p in same_stem}
