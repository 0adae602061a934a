"""Telling data sets whose images are dark for want of ``bits``: 12 or 14 bits in 16-bit files."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from ..dicom.reader import is_dicom
from ..images import narrow_range_warning, seeming_bits
from .pixels import record_pixels

logger = logging.getLogger(__name__)

LOOKED_AT = 8  # images of a data set: a few full-size films take a second
_looked_through: set[str] = set()  # data sets; evaluations during training load them again


def warn_of_narrow_range(records: Sequence[Mapping[str, Any]], name: str) -> None:
    """Warn, once for a data set, if its 16-bit images use less than a quarter of their range.

    A few images, evenly spread, are looked at. Images whose ``bits`` are stated are not, nor DICOM
    files, whose headers state the scale, nor those that cannot be read: the loader says so in its
    place.

    Args:
        records: dataset dicts.
        name: name of the data set.
    """
    if name in _looked_through:
        return
    _looked_through.add(name)
    open_records = [record for record in records if record.get("bits") is None]
    step = max(1, len(open_records) // LOOKED_AT)
    found: dict[str, int] = {}
    looked_at = 0
    for record in open_records[::step][:LOOKED_AT]:
        if record.get("pixels") is None and is_dicom(record["file_name"]):
            continue
        try:
            bits = seeming_bits(record_pixels(record))
        except (OSError, ValueError):
            continue
        looked_at += 1
        if bits is not None:
            found[record["file_name"]] = bits
    if found:
        logger.warning(narrow_range_warning(name, found, looked_at))
