"""What all plots of curves share: line styles that differ without colour, and their files."""

from __future__ import annotations

from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

# Line style and marker tell the curves apart without colour; the colours differ in lightness too.
STYLES = (
    ("#000000", "-", "o"),
    ("#b2182b", "--", "s"),
    ("#0072b2", "-.", "^"),
    ("#8c8c8c", (0, (5, 1, 1, 1, 1, 1)), "D"),
    ("#e69f00", (0, (1, 1)), "v"),
    ("#56b4e9", (0, (8, 2)), "P"),
)
FORMATS = {".png": (".png", ".svg"), ".svg": (".svg",), ".pdf": (".pdf",)}


def check_format(path: str | Path) -> Path:
    """The path of a figure.

    Raises:
        ValueError: it ends in none of ``FORMATS``.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"{path}: a figure must end in {', '.join(FORMATS)}")
    return path


def save_figure_files(figure: Figure, path: str | Path) -> list[Path]:
    """Write a figure; an SVG beside a PNG. The same figure gives the same files.

    Returns:
        The files written.

    Raises:
        ValueError: for another file ending.
    """
    path = check_format(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    written = [path.with_suffix(suffix) for suffix in FORMATS[path.suffix.lower()]]
    # A fixed salt and no date: the same curves give the same file.
    with matplotlib.rc_context({"svg.hashsalt": "agn_d2"}):
        for file in written:
            no_date = {"CreationDate": None} if file.suffix == ".pdf" else {"Date": None}
            figure.savefig(file, dpi=200, metadata=None if file.suffix == ".png" else no_date)
    return written
