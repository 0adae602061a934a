"""Work on the next items while the present one is in use, and no further ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def read_ahead(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Iterator[tuple[Item, Future[Result]]]:
    """Run a function on items in threads, and hand the outcomes out in order.

    Args:
        function: what takes the time; whatever it raises, ``result()`` of its outcome raises.
        items: what is read, in order.
        workers: threads, and items that are worked on ahead at most: memory stays bounded.

    Returns:
        pairs of an item and its outcome.
    """
    if workers < 1:
        raise ValueError(f"workers must be 1 or more, got {workers}")
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                waiting.append((item, pool.submit(function, item)))
                if len(waiting) > workers:
                    yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:
            for _, outcome in waiting:
                outcome.cancel()
