"""Writing figures, without a display."""

from __future__ import annotations

import os
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

FORMATS = ("png", "svg")


def write_figure(figure: Figure, path: str | os.PathLike[str], dpi: int = 150) -> None:
    """Write a figure as PNG or SVG; the same figure gives the same file.

    Args:
        figure: made by ``Figure()``, not by pyplot.
        path: its suffix, .png or .svg, says which; its folder is made if need be.
        dpi: of a PNG, and of the images within an SVG.

    Raises:
        ValueError: on another suffix.
    """
    path = Path(path)
    if path.suffix[1:].lower() not in FORMATS:
        raise ValueError(f"{path}: a figure is written as {' or '.join(FORMATS)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    # Text stays text, and ids and dates do not change from run to run.
    metadata = {"Date": None} if path.suffix.lower() == ".svg" else {}
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "agn_d2"}):
        figure.savefig(path, dpi=dpi, metadata=metadata)
