"""What each film is for: splits, context, leaks."""

import pytest

from agn_d2.prepare.cbis_ddsm.links import leaking_patients, partners, plan_films
from agn_d2.prepare.cbis_ddsm.tables import Film, SeriesRef


def film(subset, split, patient, side, view):
    name = f"{subset}-{split}_{patient}_{side}_{view}"
    return Film(name, subset, split, patient, side, view, SeriesRef(name, "1", name, "x"), ())


FILMS = [
    film("mass", "train", "A", "L", "CC"),
    film("calc", "train", "A", "L", "CC"),  # there already
    film("calc", "train", "A", "L", "MLO"),  # auxiliary
    film("calc", "train", "A", "R", "CC"),  # contralateral
    film("calc", "train", "A", "R", "MLO"),  # nobody reads it
    film("mass", "test", "B", "R", "MLO"),
    film("calc", "train", "B", "R", "CC"),  # would leak
    film("calc", "test", "C", "R", "CC"),  # another patient
]


def test_partners():
    assert partners(("A", "L", "CC")) == (("A", "L", "MLO"), ("A", "R", "CC"))


def test_calcification_films_serve_mass_films_of_their_patient_and_split():
    plan = plan_films(FILMS, "mass", 0.0, 0)
    assert plan.examined == {FILMS[0].name: "train", FILMS[5].name: "test"}
    assert plan.context == {FILMS[2].name: "train", FILMS[3].name: "train"}
    assert {name: reason.split(":")[0] for name, reason in plan.left_out.items()} == {
        FILMS[1].name: "the view is there already",
        FILMS[4].name: "no examined film reads this view",
        FILMS[6].name: "would leak",
        FILMS[7].name: "no examined film of this patient",
    }


def test_context_goes_to_the_validation_split_with_its_patient():
    films = [*FILMS, film("mass", "train", "D", "L", "CC")]
    splits = set()
    for seed in range(10):  # one of two patients is drawn
        plan = plan_films(films, "mass", 0.5, seed)
        assert set(plan.context.values()) == {plan.examined[FILMS[0].name]}
        splits |= set(plan.context.values())
    assert splits == {"train", "val"}


def test_all_keeps_a_patient_of_both_splits_for_the_test():
    assert leaking_patients(FILMS) == {"B"}
    plan = plan_films(FILMS, "all", 0.0, 0)
    assert FILMS[6].name in plan.left_out
    assert plan.left_out[FILMS[1].name] == f"the view is there already: {FILMS[0].name}"
    assert plan.context == {}
    assert len(plan.examined) == 6


def test_every_film_is_accounted_for():
    for subset in ("mass", "calc", "all"):
        plan = plan_films(FILMS, subset, 0.3, 1)
        named = [*plan.examined, *plan.context, *plan.left_out]
        assert sorted(named) == sorted(f.name for f in FILMS)


def test_nothing_to_examine():
    with pytest.raises(ValueError, match="no film of the subset 'mass'"):
        plan_films([FILMS[1]], "mass", 0.1, 0)
