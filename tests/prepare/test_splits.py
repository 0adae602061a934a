"""Who is validated on."""

from dataclasses import dataclass

import pytest

from agn_d2.prepare.splits import assign_splits, split_patients


def test_validation_patients_are_drawn_once_and_for_all():
    patients = [f"P_{n}" for n in range(50)] * 2
    drawn = split_patients(patients, 0.1, 0, "val")
    assert len(drawn) == 5
    assert drawn == split_patients(patients[::-1], 0.1, 0, "val")
    assert drawn != split_patients(patients, 0.1, 1, "val")
    assert split_patients(patients, 0.0, 0, "val") == set()
    with pytest.raises(ValueError, match="the val share must be in"):
        split_patients(patients, 1.0, 0, "val")


@pytest.mark.parametrize(
    ("count", "share", "drawn"),
    [(3, 0.1, 1), (2, 0.1, 1), (1, 0.1, 0), (0, 0.1, 0), (10, 0.24, 2), (10, 0.99, 9)],
)
def test_no_split_of_a_small_table_is_empty(count, share, drawn):
    assert len(split_patients([f"P_{n}" for n in range(count)], share, 0, "val")) == drawn


@dataclass(frozen=True)
class Film:
    name: str
    patient_id: str
    split: str | None


def test_what_is_stated_holds_and_the_rest_is_drawn_by_patient():
    stated = [Film("a", "A", "train"), Film("b", "B", "test"), Film("a2", "A", "train")]
    assert assign_splits(stated, 0.0, 0.5, 0) == {"a": "train", "b": "test", "a2": "train"}
    # The only training patient stays one; of two, one is drawn. Those of the test split never are.
    assert assign_splits(stated, 0.9, 0.5, 0) == {"a": "train", "b": "test", "a2": "train"}
    two = assign_splits([*stated, Film("d", "D", "train")], 0.9, 0.5, 0)
    assert two["b"] == "test" and {two["a"], two["d"]} == {"train", "val"} and two["a"] == two["a2"]
    assert set(assign_splits([*stated, Film("c", "C", "val")], 0.9, 0.5, 0).values()) == {
        "train",
        "val",
        "test",
    }
    unstated = [Film(f"{patient}{k}", patient, None) for patient in "ABCD" for k in range(2)]
    drawn = assign_splits(unstated, 0.5, 0.5, 0)
    assert all(drawn[f"{patient}0"] == drawn[f"{patient}1"] for patient in "ABCD")
    # Of four patients two are tested on; of the other two one is validated on.
    assert sorted(drawn[f"{patient}0"] for patient in "ABCD") == ["test", "test", "train", "val"]


def test_a_patient_in_two_splits_and_a_split_for_some_are_refused():
    films = [Film("a", "A", "train"), Film("b", "A", "test")]
    with pytest.raises(ValueError, match=r"patient A is in train and in test \(b\)"):
        assign_splits(films, 0.1, 0.2, 0)
    with pytest.raises(ValueError, match=r"c \(patient C\) has no split"):
        assign_splits([films[0], Film("c", "C", None)], 0.1, 0.2, 0)
