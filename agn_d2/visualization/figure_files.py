"""Writing figures, without a display."""

from __future__ import annotations

import io
import os
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from ..utils.files import check_writable, write_atomically

FORMATS = ("png", "svg", "pdf")


def check_format(path: str | os.PathLike[str]) -> Path:
    """The path of a figure.

    Raises:
        ValueError: its suffix is none of ``FORMATS``.
    """
    path = Path(path)
    if path.suffix[1:].lower() not in FORMATS:
        raise ValueError(f"{path}: a figure must end in {', '.join('.' + f for f in FORMATS)}")
    return path


def check_figure_place(path: str | os.PathLike[str]) -> None:
    """Raise, before long work, what writing a figure would raise at its end.

    Raises:
        ValueError: another suffix than those of ``FORMATS``.
        OSError: it cannot be written there.
    """
    check_writable(check_format(path))


def write_figure(figure: Figure, path: str | os.PathLike[str], dpi: int = 150) -> None:
    """Write a figure as PNG, SVG or PDF, in one step; the same figure gives the same file.

    Args:
        figure: made by ``Figure()``, not by pyplot.
        path: its suffix says which; its folder is made if need be.
        dpi: of a PNG, and of the images within an SVG or PDF.

    Raises:
        ValueError: on another suffix.
    """
    path = check_format(path)
    kind = path.suffix[1:].lower()
    # Text stays text, and ids and dates do not change from run to run.
    date = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
    picture = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "agn_d2"}):
        figure.savefig(picture, format=kind, dpi=dpi, metadata=date)
    write_atomically(path, picture.getvalue())


def write_curves(figure: Figure, path: str | os.PathLike[str]) -> list[Path]:
    """Write a figure of curves, with an SVG beside a PNG.

    Returns:
        The files written.

    Raises:
        ValueError: for another file ending.
    """
    path = check_format(path)
    written = [path, path.with_suffix(".svg")] if path.suffix.lower() == ".png" else [path]
    for file in written:
        write_figure(figure, file, dpi=200)
    return written
