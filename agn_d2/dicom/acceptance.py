"""Which images are mammograms that the detectors are made for, and why the others are not."""

from __future__ import annotations

from dataclasses import dataclass

from ..utils.view_names import VIEWS
from .decode import GRAY
from .header import PROCESSING, Header

# Modalities under which 2D mammograms are stored: digital, computed, scanned, captured.
_MODALITIES = ("MG", "CR", "DX", "RG", "SC", "OT", "XC", "")
# A film with one of them shows another picture than the standard view that it is a variant of.
_OTHER_PICTURE = (
    "spot",
    "magnification",
    "cleavage",
    "axillary tail",
    "axillary tissue",
    "tangential",
    "rolled",
)
LATERAL = ("ML", "LM")
_KINDS = {
    "tomosynthesis": "tomosynthesis; give the 2D view, or the synthetic one",
    "stereo": "a stereotactic film of a biopsy",
    "contrast": "a combined or high-energy image of contrast mammography; give that of low energy",
    "specimen": "a specimen",
    "lesion": "a crop or a mask of a lesion, no film",
}


@dataclass(frozen=True)
class Wishes:
    """What is taken though it is left out by default.

    Attributes:
        lateral: ML and LM views are taken for MLO.
        for_processing: images for processing, whose gray values are those of the detector.
    """

    lateral: bool = False
    for_processing: bool = False


class UnknownView(ValueError):
    """An image that tells no side or no view."""


def view_of(header: Header, wishes: Wishes) -> tuple[str, str]:
    """Side and view under which an accepted image is read.

    Raises:
        UnknownView: the file does not tell them; says which.
    """
    side, view = header.stated.side, header.stated.view
    missing = [name for name, value in (("side", side), ("view", view)) if value is None]
    if missing:
        raise UnknownView(f"no tag tells the {' or the '.join(missing)}")
    return side, "MLO" if view in LATERAL and wishes.lateral else view


def reason_to_leave_out(header: Header, wishes: Wishes) -> str | None:
    """Why an image is no standard mammogram; None if it is one.

    Images without a side or a view pass: ``view_of`` speaks of them.
    """
    if header.modality not in _MODALITIES:
        return f"modality {header.modality}, no mammogram"
    if header.kind in _KINDS:
        return _KINDS[header.kind]
    if header.frames > 1:
        return f"{header.frames} frames, not one picture"
    if header.photometric not in (*GRAY, ""):
        return f"photometric interpretation {header.photometric}, no gray picture"
    if header.quality_control:
        return "an image of a test object (QualityControlImage)"
    if header.intent == PROCESSING and not wishes.for_processing:
        return "for processing, not for presentation; taken only when asked"
    if found := [m for m in header.stated.modifiers if m in _OTHER_PICTURE]:
        return f"a {' and '.join(found)} view"
    view = header.stated.view
    if view in LATERAL and not wishes.lateral:
        return f"view {view}; taken for MLO only when asked"
    if view is not None and view not in (*VIEWS, *LATERAL):
        return f"view {view}, neither CC nor MLO"
    return None
