"""How large a pixel is in the breast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset

# The first of them that is believable counts. Of digital mammograms: the detector's, a calibrated
# one, that of a scanned film. Of scanned films the other way round.
DETECTOR_KEYWORDS = ("ImagerPixelSpacing", "PixelSpacing", "NominalScannedPixelSpacing")
FILM_KEYWORDS = tuple(reversed(DETECTOR_KEYWORDS))
# A pixel of 1 mm or more is a placeholder: a mammogram would be meters wide.
_TOO_LARGE = 1.0  # mm
_MAGNIFICATIONS = (1.0, 3.0)  # of mammography; a factor outside of them is a false entry


@dataclass(frozen=True)
class Spacing:
    """Distances between the centers of neighboring pixels.

    Attributes:
        mm: (down, across) in the plane of the breast, None where the file does not tell.
        source: the tag, "" where there is none.
        magnification: by which the detector's spacing was divided, 1 where unknown.
        notes: entries that were not believed.
    """

    mm: tuple[float, float] | None = None
    source: str = ""
    magnification: float = 1.0
    notes: tuple[str, ...] = ()

    @property
    def square(self) -> float | None:
        """The one spacing in mm; None where it is unknown, or not the same down and across."""
        if self.mm is None:
            return None
        down, across = self.mm
        return down if abs(down - across) <= 1e-6 * down else None


def read_spacing(data: Dataset, keywords: Sequence[str] = DETECTOR_KEYWORDS) -> Spacing:
    """The spacing that a header tells.

    ImagerPixelSpacing is that of the detector; divided by the radiographic magnification it is
    that in the breast. A spacing of 0, or of 1 mm and more, is taken for a placeholder.
    """
    notes: list[str] = []
    magnification = _magnification(data, notes)
    for keyword in keywords:
        if not data.get(keyword):
            continue
        try:
            down, across = (float(value) for value in data[keyword].value)
        except (TypeError, ValueError):
            notes.append(f"{keyword} {data[keyword].value!r} is no pair of numbers")
            continue
        if not (0 < down < _TOO_LARGE and 0 < across < _TOO_LARGE):
            notes.append(f"{keyword} of {down:g} x {across:g} mm not believed")
            continue
        factor = magnification if keyword == "ImagerPixelSpacing" else 1.0
        return Spacing((down / factor, across / factor), keyword, magnification, tuple(notes))
    return Spacing(None, "", magnification, tuple(notes))


def _magnification(data: Dataset, notes: list[str]) -> float:
    value = data.get("EstimatedRadiographicMagnificationFactor")
    if value in (None, ""):
        return 1.0
    low, high = _MAGNIFICATIONS
    try:
        factor = float(value)
    except (TypeError, ValueError):
        factor = 0.0
    if low <= factor <= high:
        return factor
    notes.append(f"a magnification of {value} not believed")
    return 1.0
