"""Splits, and which films serve the examined ones as auxiliary and contralateral views.

A film of the other subset may serve, unless its patient stands on the other side of the line
between train and test: such patients would leak.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ...utils.view_names import OTHER_SIDE, OTHER_VIEW
from ..splits import assign_splits
from .tables import Film

Place = tuple[str, str, str]  # patient, laterality, view


def partners(place: Place) -> tuple[Place, Place]:
    """The auxiliary and the contralateral view that a film could have."""
    patient, side, view = place
    return (patient, side, OTHER_VIEW[view]), (patient, OTHER_SIDE[side], view)


def leaking_patients(films: Iterable[Film]) -> set[str]:
    """Patients with films in both the released train and the released test split."""
    splits: dict[str, set[str]] = {}
    for film in films:
        splits.setdefault(film.patient_id, set()).add(film.split)
    return {patient for patient, found in splits.items() if len(found) > 1}


@dataclass(frozen=True)
class Plan:
    """What each film is for.

    Attributes:
        examined: film name -> "train", "val" or "test".
        context: film name -> split that it serves in as a picture only.
        left_out: film name -> why it is not used.
        set_aside: film name -> why it is context only although it was to be examined.
    """

    examined: dict[str, str]
    context: dict[str, str]
    left_out: dict[str, str]
    set_aside: dict[str, str] = field(default_factory=dict)

    def without(self, films: Mapping[str, str]) -> Plan:
        """The plan without some films: name -> why."""
        return replace(
            self,
            examined={name: split for name, split in self.examined.items() if name not in films},
            context={name: split for name, split in self.context.items() if name not in films},
            left_out=self.left_out | dict(films),
        )

    def with_context_only(self, films: Mapping[str, str]) -> Plan:
        """The plan with some of its examined films as context only: name -> why."""
        return replace(
            self,
            examined={name: split for name, split in self.examined.items() if name not in films},
            context=self.context | {name: self.examined[name] for name in films},
            set_aside=self.set_aside | dict(films),
        )


def plan_films(films: Sequence[Film], subset: str, val_share: float, seed: int) -> Plan:
    """Decide which films are examined, which serve as context, and which are left out.

    - ``mass`` or ``calc``: the films of that subset are examined. A film of the other subset
      serves as context if an examined film of its patient lacks that view and its patient is not
      on the other side of the line between train and test.
    - ``all``: the films of both subsets are examined; of a patient in both released splits the
      training films are left out.
    - A view that is in both subsets is taken from the examined subset, in ``all`` from the mass
      subset; the findings of the other film are not merged into it, as the two need not be one
      scan.
    - ``val`` is drawn from the training patients of the examined films.

    Args:
        films: films of both subsets, or of one.
        subset: "mass", "calc" or "all".
        val_share, seed: see ``assign_splits``.

    Raises:
        ValueError: a share out of range, no film to examine, or a patient of it in two splits.
    """
    left_out: dict[str, str] = {}
    if subset == "all":
        leaking = leaking_patients(films)
        examined = []
        for film in films:
            if film.patient_id in leaking and film.split == "train":
                left_out[film.name] = "patient is in the test split of the other subset"
            else:
                examined.append(film)
        examined = _one_film_a_view(examined, left_out)
        others: list[Film] = []
    else:
        examined = [film for film in films if film.subset == subset]
        others = [film for film in films if film.subset != subset]
    if not examined:
        raise ValueError(f"no film of the subset {subset!r}")
    splits = assign_splits(examined, val_share, 0.0, seed)
    context = _choose_context(examined, others, splits, left_out)
    return Plan(splits, context, left_out)


def _one_film_a_view(films: list[Film], left_out: dict[str, str]) -> list[Film]:
    taken: dict[Place, Film] = {}
    for film in sorted(films, key=lambda f: f.subset != "mass"):
        first = taken.setdefault(film.place, film)
        if first is not film:
            left_out[film.name] = f"the view is there already: {first.name}"
    return [film for film in films if taken[film.place] is film]


def _choose_context(
    examined: list[Film], others: list[Film], splits: dict[str, str], left_out: dict[str, str]
) -> dict[str, str]:
    released = {film.patient_id: film.split for film in examined}
    of_patient = {film.patient_id: splits[film.name] for film in examined}
    available = {film.place for film in examined}
    wanted = {p for place in available for p in partners(place)} - available
    context: dict[str, str] = {}
    for film in others:
        if film.patient_id not in released:
            left_out[film.name] = "no examined film of this patient"
        elif film.split != released[film.patient_id]:
            left_out[film.name] = "would leak: the patient's examined films are in the other split"
        elif film.place in available:
            left_out[film.name] = "the view is there already"
        elif film.place not in wanted:
            left_out[film.name] = "no examined film reads this view"
        else:
            available.add(film.place)
            context[film.name] = of_patient[film.patient_id]
    return context
