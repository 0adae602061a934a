"""Films and their records -> the COCO files of the splits, one id for a lesion in both views."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..data.builtin import SPLITS
from .coco_files import split_content
from .core import SourceFilm
from .lesion_match import ID_DISTANCE, Seen, match_views, seen_distance

OWN, DISTANCE = "the data set's own", "distance"
LesionKey = tuple[str, str]  # film name, lesion name


def coco_files(
    films: Sequence[SourceFilm],
    examined: Mapping[str, str],
    context: Mapping[str, str],
    records: Mapping[str, Mapping[str, Any]],
    category: str,
) -> dict[str, dict[str, Any]]:
    """The COCO JSON of each split, images sorted by name.

    Args:
        films: all films.
        examined: name of an examined film -> split.
        context: name of a film that only serves others -> split.
        records: film name -> record of ``film_step``, with an entry.
        category: name of the class.
    """
    by_name = {film.name: film for film in films}
    ids = lesion_ids([by_name[name] for name in examined], records)
    categories = [{"id": 1, "name": category, "supercategory": "lesion"}]

    def annotations(name: str) -> Iterable[dict[str, Any]]:
        record = records[name]
        for lesion, item in zip(by_name[name].lesions, record["lesions"], strict=True):
            if item["annotation"] is not None:
                lesion_id, rule = ids[name, lesion.name]
                linked = {"lesion_id": lesion_id, "lesion_match": rule, "lesion": lesion.name}
                yield item["annotation"] | linked | dict(lesion.facts)

    return {
        split: split_content(
            (
                (records[name]["entry"], annotations(name))
                for name in sorted(n for n in examined if examined[n] == split)
            ),
            (records[name]["entry"] for name in sorted(n for n in context if context[n] == split)),
            categories,
        )
        for split in SPLITS
    }


def lesion_ids(
    films: Sequence[SourceFilm], records: Mapping[str, Mapping[str, Any]]
) -> dict[LesionKey, tuple[str, str]]:
    """One id for each lesion, shared by its CC and its MLO view where the match is sure.

    The data set's own ids hold. Without them, lesions of the first CC and the first MLO film of a
    breast are matched by the rules of ``lesion_match``.

    Returns:
        (film name, lesion name) -> (lesion id, the rule that decided, or why none did).
    """
    breasts: dict[tuple[str, ...], dict[str, SourceFilm]] = defaultdict(dict)
    ids: dict[LesionKey, tuple[str, str]] = {}
    for film in films:
        breasts[film.breast].setdefault(film.view, film)
        for lesion in film.lesions:
            own = lesion.lesion_id
            of_film = (f"{film.name}_{lesion.name}", "one view")
            ids[film.name, lesion.name] = of_film if own is None else (own, OWN)
    for views in breasts.values():
        if len(views) == 2:
            _match(views["CC"], views["MLO"], records, ids)
    return ids


def _match(
    cc: SourceFilm,
    mlo: SourceFilm,
    records: Mapping[str, Mapping[str, Any]],
    ids: dict[LesionKey, tuple[str, str]],
) -> None:
    if any(lesion.lesion_id is not None for lesion in (*cc.lesions, *mlo.lesions)):
        return
    if not cc.lesions or not mlo.lesions:
        return
    for film in (cc, mlo):
        for lesion in film.lesions:
            key = (film.name, lesion.name)
            ids[key] = (ids[key][0], "unsure")
    for pair in match_views(*(_seen(film, records[film.name]) for film in (cc, mlo))):
        ends = ((cc.name, cc.lesions[pair.cc].name), (mlo.name, mlo.lesions[pair.mlo].name))
        # Without ids of their own, all lesions have the same: what decided is the distance.
        rule = DISTANCE if pair.rule == ID_DISTANCE else pair.rule
        ids |= dict.fromkeys(ends, ("_".join(map("_".join, ends)), rule))


def _seen(film: SourceFilm, record: Mapping[str, Any]) -> list[Seen]:
    """What lesions tell of themselves; where nothing does, no two are alike by it."""
    return [
        Seen(
            0,
            lesion.facts.get("pathology"),
            lesion.compared or (film.name, number),
            seen_distance(item["annotation"], record["landmarks"]),
        )
        for number, (lesion, item) in enumerate(zip(film.lesions, record["lesions"], strict=True))
    ]
