"""Gray images of 8 or 16 bits, from PNG, JPEG, TIFF and DICOM files."""

from .color import color_note
from .gray_values import narrow_range_warning, seeming_bits, to_float, to_full_range
from .read import IMAGE_SUFFIXES, is_image, read_gray

__all__ = [
    "IMAGE_SUFFIXES",
    "color_note",
    "is_image",
    "narrow_range_warning",
    "read_gray",
    "seeming_bits",
    "to_float",
    "to_full_range",
]
