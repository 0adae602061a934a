"""Which split a film is in: all films of a patient in the same one."""

from __future__ import annotations

from collections.abc import Sequence

from ..data.cbis_ddsm import split_patients
from .core import SourceFilm

SPLITS = ("train", "val", "test")


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
