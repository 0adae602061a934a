"""Grouping of views into cases, on examples worked out by hand."""

import pytest

from agn_d2.data.cases import count_links, group_cases


def view(patient: str, laterality: str, projection: str, **extra):
    name = f"{patient}_{laterality}{projection}"
    return {
        "file_name": name,
        "patient_id": patient,
        "laterality": laterality,
        "view": projection,
    } | extra


def test_four_views_serve_each_other():
    (case,) = group_cases(
        [view("A", "L", "CC"), view("A", "R", "MLO"), view("A", "L", "MLO"), view("A", "R", "CC")]
    )
    assert case.auxiliary == (2, 3, 0, 1)
    assert case.contralateral == (3, 2, 1, 0)


def test_missing_views_are_none():
    cases = group_cases([view("A", "L", "CC"), view("A", "R", "MLO"), view("B", "L", "MLO")])
    assert [case.auxiliary for case in cases] == [(None, None), (None,)]
    assert [case.contralateral for case in cases] == [(None, None), (None,)]


def test_patients_never_mix_and_examinations_stay_apart():
    cases = group_cases(
        [
            view("A", "L", "CC", case_id="A1"),
            view("B", "L", "MLO"),
            view("A", "L", "MLO", case_id="A2"),
            view("B", "L", "CC", case_id="A1"),
        ]
    )
    assert [case.case_id for case in cases] == ["A/A1", "B", "A/A2", "B/A1"]
    assert all(link is None for case in cases for link in case.auxiliary)


def test_a_repeated_view_is_examined_but_the_first_serves():
    (case,) = group_cases([view("A", "L", "CC"), view("A", "L", "CC"), view("A", "L", "MLO")])
    assert case.auxiliary == (2, 2, 0)


def test_count_links():
    cases = group_cases(
        [
            *(view("A", side, v) for side in "LR" for v in ("CC", "MLO")),
            view("B", "L", "CC"),
            view("B", "L", "MLO"),
            view("C", "L", "CC"),
            view("C", "R", "CC"),
            view("D", "L", "CC"),
        ]
    )
    assert count_links(cases) == {
        "both": 4,
        "auxiliary only": 2,
        "contralateral only": 2,
        "neither": 1,
        "total": 9,
    }


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"laterality": "LEFT"}, r"A_LCC: 'laterality' is 'LEFT', expected one of \['L', 'R'\]"),
        ({"view": "XCCL"}, r"A_LCC: 'view' is 'XCCL', expected one of \['CC', 'MLO'\]$"),
        ({"view": None}, "A_LCC: 'view' is None, .*register_multi_view_coco reads it from a COCO"),
    ],
)
def test_bad_values_name_the_file(bad, message):
    with pytest.raises(ValueError, match=message):
        group_cases([view("A", "L", "CC") | bad])


def test_a_missing_patient_names_the_file():
    image = view("A", "L", "CC")
    del image["patient_id"]
    with pytest.raises(ValueError, match="A_LCC: 'patient_id' is None"):
        group_cases([image])


def test_context_views_serve_and_are_neither_examined_nor_counted():
    extra = [view("A", "L", "MLO"), view("A", "L", "CC")]
    cases = group_cases(
        [
            view("A", "L", "CC", context_views=extra),
            view("A", "R", "CC"),
            view("B", "L", "CC"),
        ]
    )
    case = cases[0]
    assert case.auxiliary == (2, None, 0, 2)
    assert case.contralateral == (1, 0, None, 1)
    assert case.examined == (0, 1)
    assert count_links(cases) == {
        "both": 1,
        "auxiliary only": 0,
        "contralateral only": 1,
        "neither": 1,
        "total": 3,
    }
    assert "examined" not in extra[0]


def test_a_context_view_of_another_patient_is_refused():
    with pytest.raises(ValueError, match="B_LMLO: a context view of case B in an image of case A"):
        group_cases([view("A", "L", "CC", context_views=[view("B", "L", "MLO")])])


@pytest.mark.parametrize("patient", [None, "", " ", float("nan"), "nan"])
def test_images_without_a_patient_are_not_one_patient(patient):
    with pytest.raises(ValueError, match="'patient_id' is .*, expected a patient's name"):
        group_cases([view(patient, "L", "CC")])


def test_an_empty_examination_is_none():
    images = [view("A", "L", "CC"), view("A", "L", "MLO", case_id=None)]
    (case,) = group_cases([*images, view("A", "R", "CC", case_id=float("nan"))])
    assert case.case_id == "A"
