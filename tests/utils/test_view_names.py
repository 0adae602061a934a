"""Names of views in texts."""

import re

import pytest

from agn_d2.utils.view_names import SIDE_AND_VIEW, STANDARD_VIEWS, side_and_view


def test_the_four_views():
    assert STANDARD_VIEWS == (("L", "CC"), ("L", "MLO"), ("R", "CC"), ("R", "MLO"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("L_MLO", ("L", "MLO")),
        ("left-cc", ("L", "CC")),
        ("RCC", ("R", "CC")),
        ("Right MLO", ("R", "MLO")),
        ("MLO", None),
        ("L__CC", None),
        ("LML", None),
    ],
)
def test_side_and_view_of_a_text(text, expected):
    match = re.fullmatch(SIDE_AND_VIEW, text, re.IGNORECASE)
    assert (match and side_and_view(match)) == expected
