"""What each film of a data set is for: examined, context of others, or left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .core import SourceFilm
from .core_step import lost_lesions

# Begins why a film is left out that has no file or no picture in it.
UNREADABLE = "film unreadable: "
# Begins why a film is context only.
LESION_LOST = "a lesion is lost: "


@dataclass(frozen=True)
class FilmPlan:
    """What films are for.

    Attributes:
        examined: film name -> split.
        context_reasons: name of a film that only serves others -> why.
        context: its name -> split that it serves in.
        left_out: name of a film that is not used -> why.
    """

    examined: dict[str, str]
    context: dict[str, str]
    context_reasons: dict[str, str]
    left_out: dict[str, str]

    @property
    def used(self) -> set[str]:
        """Names of all films that are used."""
        return {*self.examined, *self.context}

    def use(self, name: str) -> str:
        """What a film is for, as a text."""
        if name in self.examined:
            return self.examined[name]
        return f"context {self.context[name]}" if name in self.context else "none"


def plan_films(
    films: Sequence[SourceFilm],
    splits: Mapping[str, str],
    records: Mapping[str, Mapping[str, Any]],
    open_steps: Mapping[str, str],
    keep: bool,
) -> FilmPlan:
    """Decide what films are for.

    Args:
        films: of the data set.
        splits: film name -> split.
        records: film name -> record of ``film_step``.
        open_steps: name of a film that cannot be read now -> why.
        keep: examine films of which a lesion is lost. Else they are context only, as the lost
            lesion would be taught, and counted, as background.
    """
    plan = FilmPlan({}, {}, {}, {})
    for film in films:
        name = film.name
        if name in open_steps:
            plan.left_out[name] = f"cannot be read now: {open_steps[name]}"
        elif records[name]["entry"] is None:
            plan.left_out[name] = UNREADABLE + records[name]["notes"][-1][1]
        elif not film.examined:
            plan.context[name] = splits[name]
            plan.context_reasons[name] = "not to be examined"
        elif not keep and (lost := lost_lesions(film, records[name])):
            plan.context[name] = splits[name]
            plan.context_reasons[name] = f"{LESION_LOST}{'; '.join(lost)}"
        else:
            plan.examined[name] = splits[name]
    _leave_out_lonely(films, plan)
    return plan


def _leave_out_lonely(films: Sequence[SourceFilm], plan: FilmPlan) -> None:
    """Context of a case of which nothing is examined serves nobody."""
    cases = {(f.patient_id, f.case_id) for f in films if f.name in plan.examined}
    for film in films:
        if film.name in plan.context and (film.patient_id, film.case_id) not in cases:
            plan.left_out[film.name] = (
                f"no examined film of its case: {plan.context_reasons.pop(film.name)}"
            )
            del plan.context[film.name]
