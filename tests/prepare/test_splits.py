"""Who is validated on."""

import pytest

from agn_d2.prepare.splits import split_patients


def test_validation_patients_are_drawn_once_and_for_all():
    patients = [f"P_{n}" for n in range(50)] * 2
    drawn = split_patients(patients, 0.1, 0, "val")
    assert len(drawn) == 5
    assert drawn == split_patients(patients[::-1], 0.1, 0, "val")
    assert drawn != split_patients(patients, 0.1, 1, "val")
    assert split_patients(patients, 0.0, 0, "val") == set()
    with pytest.raises(ValueError, match="the val share must be in"):
        split_patients(patients, 1.0, 0, "val")
