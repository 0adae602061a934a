"""Legends whose labels are names that a user gave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend


def named_legend(
    owner: Axes | Figure, entries: Sequence[tuple[str, Artist]], **options: Any
) -> Legend:
    """A legend with every label as it stands.

    Matplotlib by itself reads what is between two $ as a formula, and leaves out a label that
    begins with an underscore.

    Args:
        owner: whose legend it is.
        entries: label and what it stands for.
        options: of Matplotlib's ``legend``.
    """
    legend = owner.legend([artist for _, artist in entries], ["-"] * len(entries), **options)
    for text, (label, _) in zip(legend.get_texts(), entries, strict=True):
        text.set_parse_math(False)
        text.set_text(label)
    return legend
