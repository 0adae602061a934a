"""Which split a film is in: all films of a patient in the same one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from .core import Source, SourceFilm
from .core_tables import read_rows, required, split_of
from .splits import split_patients


def assign_splits(
    films: Sequence[SourceFilm], val_share: float, test_share: float, seed: int
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
    drawn = _drawn(films, test_share, seed, "test") if None in stated else set()
    for film in films:
        split = film.split or ("test" if film.patient_id in drawn else "train")
        if of_patient.setdefault(film.patient_id, split) != split:
            raise ValueError(
                f"patient {film.patient_id} is in {of_patient[film.patient_id]} and in {split} "
                f"({film.name}); all films of a patient must be in one split"
            )
    if "val" not in stated:
        training = [film for film in films if of_patient[film.patient_id] == "train"]
        for patient in _drawn(training, val_share, seed, "validation"):
            of_patient[patient] = "val"
    return {film.name: of_patient[film.patient_id] for film in films}


def _drawn(films: Sequence[SourceFilm], share: float, seed: int, what: str) -> set[str]:
    if not 0 <= share < 1:
        raise ValueError(f"the {what} share must be in [0, 1), got {share}")
    return split_patients([film.patient_id for film in films], share, seed)


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
