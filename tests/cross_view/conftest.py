"""A breast with one mass in both views."""

import pytest

from agn_d2.data.cases import group_cases

from .views import box_at, detections, record


@pytest.fixture
def breast():
    """Cases and detections: a mass at depth 40 in CC and MLO, and a false mark in each."""
    cases = group_cases(
        [
            record("cc", "L", "CC", boxes=[box_at(40)]),
            record("mlo", "L", "MLO", boxes=[box_at(41)]),
        ]
    )
    found = {
        "cc": detections((box_at(40), 0.6), (box_at(70, 30), 0.7)),
        "mlo": detections((box_at(41, 20), 0.5), (box_at(10, -40), 0.4)),
    }
    return cases, found
