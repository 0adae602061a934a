"""Errors of a data loader's processes, as they would read without the processes."""

from __future__ import annotations

# How torch begins the message of an error that it hands over from another process.
_BEGIN = "Caught "
_TRACE = "Traceback (most recent call last):"


def without_worker_traceback(error: BaseException) -> BaseException:
    """The error that a worker met, with its own message only.

    ``DataLoader`` raises a worker's error anew with the worker's traceback as its message, in
    whose last lines the message proper stands.

    Args:
        error: any error.

    Returns:
        An error of the same type, or the given one if it does not come from a worker.
    """
    text = str(error)
    kind = type(error).__name__
    _, found, message = text.rpartition(f"\n{kind}: ")
    if not (text.startswith(f"{_BEGIN}{kind} in DataLoader worker") and _TRACE in text and found):
        return error
    return type(error)(message.strip())
