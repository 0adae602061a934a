"""Views that CBIS-DDSM lacks, from the original DDSM: pictures only, without findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...utils.view_names import WORD_OF_SIDE
from ..core_tables import number, read_rows, required
from .links import Plan, partners
from .shared_films import SHARED_FILMS
from .tables import Film, SeriesRef

SOURCE = "ddsm"
# The table's measure of how far a CBIS-DDSM image is from its DDSM image: 315 in the median, 1733
# at 99 %, 59663 for pairs that are none.
DOUBTFUL = 2000.0


@dataclass(frozen=True)
class DdsmView:
    """A DDSM picture that stands in for a missing view.

    Attributes:
        film: what it shows; its findings are none.
        path: below the DDSM folder.
        split: that it serves in.
    """

    film: Film
    path: str
    split: str


def read_table(path: str | Path) -> dict[str, tuple[str, float]]:
    """CBIS-DDSM film name -> (path of its DDSM image, difference); of several rows the best.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a column is missing, or a cell is empty or no number; names file and line.
    """
    table: dict[str, tuple[str, float]] = {}
    for where, row in read_rows(Path(path), ("cbis_image", "ddsm_case_path", "difference")):
        name, image = (required(where, row, key) for key in ("cbis_image", "ddsm_case_path"))
        difference = number(where, row, "difference")
        if difference is None:
            raise ValueError(f"{where}: difference is empty")
        if name not in table or difference < table[name][1]:
            table[name] = (image, difference)
    return table


def missing_views(
    films: Sequence[Film],
    plan: Plan,
    table: Mapping[str, tuple[str, float]],
    folder: str | Path,
    leaking: set[str],
) -> tuple[list[DdsmView], list[tuple[str, str]]]:
    """DDSM pictures of the views that examined films lack.

    Args:
        films: all films.
        plan: what the films are for.
        table: what ``read_table`` returns.
        folder: folder of DDSM, as PNG, in the paths of the table.
        leaking: patients in both released splits; for them nothing is taken.

    Returns:
        the pictures, and (film name, reason) for each view that was looked for in vain.
    """
    by_name = {film.name: film for film in films}
    available = {by_name[name].place for name in (*plan.examined, *plan.context)}
    found: list[DdsmView] = []
    missed: list[tuple[str, str]] = []
    for name, split in plan.examined.items():
        film = by_name[name]
        for place in partners(film.place):
            if place in available:
                continue
            path, reason = _path_of(film, place, table, folder, leaking)
            if path is None:
                missed.append((name, f"{WORD_OF_SIDE[place[1]]}_{place[2]}: {reason}"))
                continue
            available.add(place)
            found.append(DdsmView(_as_film(film, place, path), path, split))
    return found, missed


def with_views(plan: Plan, views: Sequence[DdsmView]) -> Plan:
    """A plan with DDSM pictures as further context."""
    return replace(plan, context=plan.context | {view.film.name: view.split for view in views})


def _path_of(
    film: Film,
    place: tuple[str, str, str],
    table: Mapping[str, tuple[str, float]],
    folder: str | Path,
    leaking: set[str],
) -> tuple[str | None, str]:
    if film.patient_id in leaking:
        return None, "patient is in both released splits"
    if film.split == "train" and place in SHARED_FILMS:
        patient, side, view = SHARED_FILMS[place]
        return None, f"the same film is in the test split: {patient}_{WORD_OF_SIDE[side]}_{view}"
    if film.name not in table:
        return None, "not in the table"
    image, difference = table[film.name]
    if difference > DOUBTFUL:
        return None, f"doubtful match: difference {difference:.0f}"
    own = f".{WORD_OF_SIDE[film.laterality]}_{film.view}."
    if own not in image:
        return None, f"the table names another view: {image}"
    path = image.replace(own, f".{WORD_OF_SIDE[place[1]]}_{place[2]}.")
    if not (Path(folder) / path).is_file():
        return None, f"no file: {path}"
    return path, ""


def _as_film(film: Film, place: tuple[str, str, str], path: str) -> Film:
    name = "DDSM_" + Path(path).stem.replace(".", "_")
    return Film(name, SOURCE, film.split, *place, SeriesRef(name, "", "", Path(path).name), ())
