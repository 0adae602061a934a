"""Which split a film is in: all films of a patient in the same one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

from .core import Source
from .core_tables import read_rows, required, split_of


class Film(Protocol):
    """A film as released."""

    @property
    def name(self) -> str:
        """Distinct in its data set."""

    @property
    def patient_id(self) -> str:
        """Whose it is."""

    @property
    def split(self) -> str | None:
        """The one that the data set states, if it does."""


def split_patients(patients: Sequence[str], share: float, seed: int, what: str) -> set[str]:
    """Draw the patients of a split.

    Args:
        patients: those to draw from, in any order.
        share: share of the patients, in [0, 1). Above 0 one patient at least is drawn, as
            long as another one remains.
        seed: of the draw.
        what: name of the split, for the message.

    Returns:
        the drawn patients; the same for the same patients, share and seed.

    Raises:
        ValueError: share out of range.
    """
    if not 0 <= share < 1:
        raise ValueError(f"the {what} share must be in [0, 1), got {share}")
    ordered = sorted(set(patients))
    count = round(share * len(ordered))
    if share:
        count = min(max(count, 1), max(len(ordered) - 1, 0))
    drawn = np.random.default_rng(seed).permutation(len(ordered))[:count]
    return {ordered[i] for i in drawn}


def assign_splits(
    films: Sequence[Film], val_share: float, test_share: float, seed: int
) -> dict[str, str]:
    """Film name -> split.

    A split that the films state holds. If no film states one, the test patients are drawn; if
    none states "val", the validation patients are drawn from those of the training split.

    Args:
        films: of the data set.
        val_share, test_share: of the training patients, and of all patients, in [0, 1).
        seed: of the draws.

    Raises:
        ValueError: some films state a split and others do not, or a patient is in two splits.
    """
    stated = {film.split for film in films}
    if None in stated and len(stated) > 1:
        film = next(film for film in films if film.split is None)
        raise ValueError(
            f"{film.name} (patient {film.patient_id}) has no split, but other films have one; "
            "state it for all films or for none"
        )
    of_patient: dict[str, str] = {}
    drawn: set[str] = set()
    if None in stated:
        drawn = split_patients([film.patient_id for film in films], test_share, seed, "test")
    for film in films:
        split = film.split or ("test" if film.patient_id in drawn else "train")
        if of_patient.setdefault(film.patient_id, split) != split:
            raise ValueError(
                f"patient {film.patient_id} is in {of_patient[film.patient_id]} and in {split} "
                f"({film.name}); all films of a patient must be in one split"
            )
    if "val" not in stated:
        training = [patient for patient, split in of_patient.items() if split == "train"]
        for patient in split_patients(training, val_share, seed, "validation"):
            of_patient[patient] = "val"
    return {film.name: of_patient[film.patient_id] for film in films}


def with_splits(source: Source, table: Path) -> Source:
    """The data set with the splits of a table (patient, split); others are left out.

    Raises:
        FileNotFoundError: no table.
        ValueError: a row without patient or split, or two of one patient; names it.
    """
    splits: dict[str, str] = {}
    for where, row in read_rows(table, ("patient", "split")):
        patient, split = required(where, row, "patient"), split_of(where, row)
        required(where, row, "split")
        if splits.setdefault(patient, str(split)) != split:
            raise ValueError(f"{where}: patient {patient} is in {splits[patient]}, too")
    films = [f for f in source.films if f.patient_id in splits]
    reason = f"its patient is not in {table.name}"
    left_out = [(f.name, reason) for f in source.films if f.patient_id not in splits]
    return replace(
        source,
        films=tuple(replace(film, split=splits[film.patient_id]) for film in films),
        left_out=(*source.left_out, *left_out),
    )
