"""The shared steps of the converters: what films are for, and lesions in both views."""

import pytest

from agn_d2.prepare.core import SourceFilm, SourceLesion
from agn_d2.prepare.core_coco import lesion_ids
from agn_d2.prepare.core_plan import plan_films

from ..conftest import toy_landmarks


def film(name, patient="A", view="CC", lesions=(), lost=()):
    return SourceFilm(name, name, patient, "L", view, lesions=tuple(lesions), lost=tuple(lost))


def record(name, view="CC", centers=()):
    """Of a written film of 96 x 64 px, whose nipple lies at (44.8, 48)."""
    boxes = [[x - 2.0, y - 2.0, 4.0, 4.0] for x, y in centers]
    return {
        "name": name,
        "entry": {"file_name": f"{name}.png"},
        "landmarks": toy_landmarks(view).to_dict(),
        "lesions": [{"name": "1", "annotation": {"bbox": box}, "notes": []} for box in boxes],
        "notes": [],
    }


def test_what_films_are_for():
    films = [
        film("whole"),
        film("lost", lost=["no box"]),
        film("lonely", "B", lost=["no box"]),
        film("open"),
        film("broken"),
    ]
    records = {name: record(name) for name in ("whole", "lost", "lonely")}
    records["broken"] = record("broken") | {"entry": None, "notes": [["film unreadable", "empty"]]}
    splits = dict.fromkeys(("whole", "lost", "lonely", "open", "broken"), "train")
    plan = plan_films(films, splits, records, {"open": "stale"}, keep=False)
    assert plan.examined == {"whole": "train"}
    assert plan.context == {"lost": "train"}
    assert plan.context_reasons == {"lost": "a lesion is lost: no box"}
    # Context of a patient of whom nothing is examined would belong to no case.
    assert plan.left_out == {
        "lonely": "no examined film of its case: a lesion is lost: no box",
        "open": "cannot be read now: stale",
        "broken": "film unreadable: empty",
    }
    kept = plan_films(films, splits, records, {"open": "stale"}, keep=True)
    assert set(kept.examined) == {"whole", "lost", "lonely"} and kept.context == {}


def lesions_of(*given):
    return [
        SourceLesion(str(n), (0, 0, 1, 1), facts={"pathology": pathology}, lesion_id=own)
        for n, (pathology, own) in enumerate(given)
    ]


@pytest.mark.parametrize(
    ("cc", "mlo", "rules", "pairs"),
    [
        # One in each view; of another pathology it is another one.
        ([("M", None, 10)], [("M", None, 40)], {"only lesion"}, 1),
        ([("M", None, 10)], [("B", None, 10)], {"unsure"}, 0),
        ([("M", "a", 10)], [("M", "a", 40)], {"the data set's own"}, 1),
        # Distances from the nipple tell two and two apart, in whatever order.
        ([("M", None, 8), ("M", None, 36)], [("M", None, 36), ("M", None, 8)], {"distance"}, 2),
        ([("M", None, 20), ("M", None, 21)], [("M", None, 20), ("M", None, 21)], {"unsure"}, 0),
        ([("M", None, 10)], [], {"one view"}, 0),
    ],
)
def test_lesions_in_both_views(cc, mlo, rules, pairs):
    films, records = [], {}
    for name, view, given in (("cc", "CC", cc), ("mlo", "MLO", mlo)):
        lesions = lesions_of(*((pathology, own) for pathology, own, _ in given))
        films.append(film(name, view=view, lesions=lesions))
        records[name] = record(name, view, [(44.8 - away, 48) for _, _, away in given])
    ids = lesion_ids(films, records)
    assert {rule for _, rule in ids.values()} == rules
    assert len(ids) - len({lesion_id for lesion_id, _ in ids.values()}) == pairs
