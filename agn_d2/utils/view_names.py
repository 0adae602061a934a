"""The names of the four standard views, which is the other one, and how texts name them."""

from __future__ import annotations

import re

SIDES = ("L", "R")
VIEWS = ("CC", "MLO")
STANDARD_VIEWS = tuple((side, view) for side in SIDES for view in VIEWS)
OTHER_SIDE = {"L": "R", "R": "L"}
OTHER_VIEW = {"CC": "MLO", "MLO": "CC"}
SIDE_OF_WORD = {"LEFT": "L", "RIGHT": "R"}
WORD_OF_SIDE = {side: word for word, side in SIDE_OF_WORD.items()}

# Parts of regular expressions.
ANY_SIDE_WORD = "|".join(SIDE_OF_WORD)
ANY_VIEW = "|".join(VIEWS)
SIDE_AND_VIEW = rf"(?P<side>{ANY_SIDE_WORD}|L|R)[_\- ]?(?P<view>{ANY_VIEW})"


def side_and_view(match: re.Match[str]) -> tuple[str, str]:
    """Laterality ("L" or "R") and view ("CC" or "MLO") that a ``SIDE_AND_VIEW`` has matched."""
    return match["side"][0].upper(), match["view"].upper()
