"""Batches of whole cases with a fixed number of examined images."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from detectron2.utils import comm
from torch.utils.data import Sampler


@dataclass(frozen=True)
class CaseItem:
    """A case, the positions of its views to be examined, and the number of its draw.

    ``draw`` counts the items of the whole stream, over all ranks: what augmentations draw
    depends on it alone, not on the process that reads the item.
    """

    case: int
    examined: tuple[int, ...]
    draw: int = 0


class CaseBatchSampler(Sampler[list[CaseItem]]):
    """An endless stream of batches: whole cases, ``images_per_batch`` examined images each.

    Every pass over the cases has a new order. The cases of a pass are dealt out to the ranks
    without repeats. A case with more examined images than a batch holds is cut into parts; the
    views of the other parts still serve as context. Cases are packed first-fit from a short
    queue; where none of it fits, the next one is cut, so that each batch is full.

    Args:
        examinable: for each case the positions of its examinable views, views of one breast
            next to each other.
        images_per_batch: examined images per batch on this rank.
        examined_per_case: images that a case puts into a batch at most, the others follow in
            other batches; 0: as many as the batch holds.
        shuffle: a new random order each pass.
        seed: random seed of the order; the same on all ranks. Default: drawn and shared.

    Attributes:
        start: batches to leave out at the beginning, those that a resumed training has had.

    Raises:
        ValueError: nothing to examine, ``images_per_batch`` below 1, or
            ``examined_per_case`` below 0.
    """

    QUEUE = 32

    def __init__(
        self,
        examinable: Sequence[Sequence[int]],
        images_per_batch: int,
        *,
        examined_per_case: int = 0,
        shuffle: bool = True,
        seed: int | None = None,
    ) -> None:
        if images_per_batch < 1:
            raise ValueError(f"a batch needs at least one image, got {images_per_batch}")
        if examined_per_case < 0:
            raise ValueError(f"examined_per_case is 0 (all) or more, got {examined_per_case}")
        part = min(images_per_batch, examined_per_case or images_per_batch)
        self.items = [
            CaseItem(case, tuple(views[start : start + part]))
            for case, views in enumerate(examinable)
            for start in range(0, len(views), part)
        ]
        if not self.items:
            raise ValueError("no image to examine: the data set is empty after filtering")
        self.images_per_batch = images_per_batch
        self.shuffle = shuffle
        self.seed = comm.shared_random_seed() if seed is None else seed
        self.rank, self.world_size = comm.get_rank(), comm.get_world_size()
        self.start = 0

    @property
    def images_per_pass(self) -> int:
        """Examined images of one pass over the cases (an epoch), over all ranks."""
        return sum(len(item.examined) for item in self.items)

    def __iter__(self) -> Iterator[list[CaseItem]]:
        return itertools.islice(self._batches(), self.start, None)

    def _batches(self) -> Iterator[list[CaseItem]]:
        stream = itertools.islice(self._stream(), self.rank, None, self.world_size)
        queue: list[CaseItem] = []
        while True:
            batch, size = [], 0
            while size < self.images_per_batch:
                if len(queue) < self.QUEUE:
                    queue.extend(itertools.islice(stream, self.QUEUE - len(queue)))
                room = self.images_per_batch - size
                place = next((n for n, i in enumerate(queue) if len(i.examined) <= room), 0)
                item = queue.pop(place)
                if len(item.examined) > room:
                    # A batch that is not full would make epochs longer than their iterations say.
                    queue.insert(0, replace(item, examined=item.examined[room:]))
                    item = replace(item, examined=item.examined[:room])
                batch.append(item)
                size += len(item.examined)
            yield batch

    def _stream(self) -> Iterator[CaseItem]:
        generator = torch.Generator()
        generator.manual_seed(self.seed)
        draws = itertools.count()
        while True:
            if self.shuffle:
                order = torch.randperm(len(self.items), generator=generator).tolist()
            else:
                order = range(len(self.items))
            for position in order:
                yield replace(self.items[position], draw=next(draws))
