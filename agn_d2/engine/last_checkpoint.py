"""Which checkpoint a training goes on from, where the last one may be damaged."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from ..utils.checkpoint_file import read_checkpoint_file

logger = logging.getLogger(__name__)

# Detectron2's name for the file that holds the name of the last checkpoint.
POINTER = "last_checkpoint"
# Weights alone, and of another step than the last.
BEST = "model_best.pth"


def find_last_checkpoint(folder: str | Path, *, of_training: bool) -> Path:
    """The checkpoint that ``last_checkpoint`` names, or else the newest whole one.

    Args:
        folder: ``OUTPUT_DIR``, with a ``last_checkpoint``.
        of_training: it must hold the state of a training, not weights alone.

    Raises:
        ValueError: no whole checkpoint; names each damaged one.
    """
    folder = Path(folder)
    problems = []
    named = _named(folder)
    if isinstance(named, Path):
        problem = _problem(named, of_training)
        if problem is None:
            return named
        problems.append(problem)
    else:
        problems.append(named)
    for path in _by_age(folder):
        if path != named:
            problem = _problem(path, of_training)
            if problem is None:
                logger.warning("%s. Taken instead: %s, the newest whole one", problems[0], path)
                return path
            problems.append(problem)
    raise ValueError(
        f"--resume: no whole checkpoint in {folder}: {'; '.join(problems)}. Put one there, or "
        "start anew without --resume"
    )


def _named(folder: Path) -> Path | str:
    """The file that ``last_checkpoint`` names, or what is wrong with it."""
    pointer = folder / POINTER
    try:
        name = pointer.read_bytes().decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        return f"{pointer} cannot be read ({error})"
    if not name or name != Path(name).name or not name.isprintable():
        return f"{pointer} names no file of this folder: {name[:60]!r}"
    return folder / name


def _problem(path: Path, of_training: bool) -> str | None:
    """What is wrong with a checkpoint; None if it is whole."""
    try:
        content = read_checkpoint_file(path)
    except (OSError, ValueError) as error:
        return str(error)
    if of_training and not _is_training(content):
        return f"{path} holds no training to go on with"
    return None


def _is_training(content: dict[str, Any]) -> bool:
    trainer = content.get("trainer")
    return isinstance(trainer, dict) and isinstance(trainer.get("iteration"), int)


def _by_age(folder: Path) -> list[Path]:
    """Checkpoints of a training, the newest first."""
    paths = [path for path in folder.glob("*.pth") if path.is_file() and path.name != BEST]
    return sorted(paths, key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True)
