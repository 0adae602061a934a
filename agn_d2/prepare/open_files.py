"""Files that cannot be read now, as happens on network drives: tried again, told from broken ones.

An error of the system says nothing of what a file holds. So it must not make the file a broken one:
the work on it stays open, and is taken up by a later run.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TypeVar

Item = TypeVar("Item")

PAUSES = (1.0, 5.0)  # seconds before what could not be read is tried again


class ReadFailure(Exception):
    """A file that the system cannot read now; the message names it and says why."""


def tries(todo: list[Item]) -> Iterator[list[Item]]:
    """What is to be tried: at first all, then, after a pause, what the caller has put back.

    Args:
        todo: the items; each turn empties it, and the caller appends those that are to be tried
            again. In the end it holds those that stay open.
    """
    for pause in (0.0, *PAUSES):
        if not todo:
            return
        time.sleep(pause)
        turn = list(todo)
        todo.clear()
        yield turn


def reason_of(error: Exception) -> str:
    """Why the system could not read a file, without the file's name."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
