"""The control experiment: context views that belong to another patient."""

from __future__ import annotations

import logging
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from .cases import Case

logger = logging.getLogger(__name__)


def shuffle_partners(cases: Sequence[Case], seed: int = 0) -> list[Case]:
    """Cases whose images read the auxiliary and contralateral views of another case.

    A detector that gains from the right views must lose the gain with these: what it reads is as
    likely a mammogram as before, of the same view and side, but of somebody else. Cases exchange
    their views in a ring, drawn among those that have the same views, so that no image has more
    or fewer views to read than before.

    Args:
        cases: as ``group_cases`` makes them.
        seed: random seed of the ring.

    Returns:
        The cases in the same order; their own images are examined, the ``borrowed`` ones read. A
        case that no other one can serve reads no views at all, which is logged with the number.
    """
    rings: dict[tuple, list[int]] = defaultdict(list)
    for number, case in enumerate(cases):
        rings[_views(case)].append(number)
    generator = random.Random(seed)
    shuffled = list(cases)
    alone = 0
    for ring in rings.values():
        generator.shuffle(ring)
        for place, number in enumerate(ring):
            donor = _next_patient([cases[n] for n in ring[place:] + ring[:place]])
            if donor is not None:
                shuffled[number] = _borrow(cases[number], donor)
            elif _has_partners(cases[number]):
                shuffled[number] = _without_partners(cases[number])
                alone += 1
    if alone:
        logger.warning(
            "Shuffled partners: %d of %d cases have views that no other case has; they read none.",
            alone,
            len(cases),
        )
    return shuffled


def _views(case: Case) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((image["laterality"], image["view"]) for image in case.images))


def _next_patient(ring: Sequence[Case]) -> Case | None:
    """The first case after ``ring[0]`` of another patient."""
    own = ring[0].images[0]["patient_id"]
    return next((case for case in ring[1:] if case.images[0]["patient_id"] != own), None)


def _has_partners(case: Case) -> bool:
    return any(link is not None for link in case.auxiliary + case.contralateral)


def _without_partners(case: Case) -> Case:
    nothing = (None,) * len(case)
    return replace(case, auxiliary=nothing, contralateral=nothing)


def _borrow(case: Case, donor: Case) -> Case:
    """The case, its links pointing to the donor's image of the same view and side."""
    place: dict[tuple[str, str], int] = {}
    for position, image in enumerate(donor.images):
        place.setdefault((image["laterality"], image["view"]), len(case) + position)

    def elsewhere(link: int | None) -> int | None:
        if link is None:
            return None
        return place[case.images[link]["laterality"], case.images[link]["view"]]

    return replace(
        case,
        auxiliary=tuple(map(elsewhere, case.auxiliary)),
        contralateral=tuple(map(elsewhere, case.contralateral)),
        borrowed=donor.images,
    )
