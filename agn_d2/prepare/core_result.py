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

    @property
    def what_is_open(self) -> str | None:
        """One sentence on what cannot be read now; None if all is done."""
        if not self.open:
            return None
        name, why = next(iter(self.open.items()))
        return (
            f"{len(self.open)} films or files cannot be read now and are left open, the first: "
            f"{name} ({why}). Run it again when they can"
        )
