"""What a run of a preparation did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Result:
    """What a run did.

    Attributes:
        summary: counts of everything.
        prepared: films that it prepared now; 0: all was there.
        open: film, or DICOM file whose header was to be read -> why it cannot be read now. The
            next run takes them up.
    """

    summary: dict[str, Any]
    prepared: int
    open: dict[str, str] = field(default_factory=dict)
