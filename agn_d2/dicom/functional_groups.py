"""Enhanced DICOM images of one frame, such as synthetic 2D views stored as tomosynthesis.

They have gray values and spacing in sequences of the frame, where plain images have plain tags.
"""

from __future__ import annotations

from pydicom.dataset import Dataset

# Of the frame alone before those that all frames share.
_GROUPS = ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence")
_MACROS = ("FrameVOILUTSequence", "PixelValueTransformationSequence", "PixelMeasuresSequence")


def flatten_single_frame(data: Dataset) -> None:
    """Put window, rescale and spacing of the only frame where plain images have them.

    Args:
        data: a dataset; one of several frames, and tags that are there already, stay as they are.
    """
    if int(data.get("NumberOfFrames") or 1) > 1:
        return
    for groups in _GROUPS:
        for group in data.get(groups) or ():
            for macro in _MACROS:
                for item in group.get(macro) or ():
                    known = set(data.keys())
                    data.update({e.tag: e for e in item if e.tag not in known})
