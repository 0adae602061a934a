"""What became of a finding, and every decision on the way."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..region import Region

# Where a finding's mask comes from.
AS_RELEASED = "mask as released"
RESIZED = "mask resized to the film"
PLACED = "mask placed by matching the crop"
FROM_CROP = "ellipse in the place of the crop"
LOST = "lost"
METHODS = (AS_RELEASED, RESIZED, PLACED, FROM_CROP, LOST)


@dataclass(frozen=True)
class Note:
    """One decision about a film or a finding.

    Attributes:
        kind: short name, counted in the summary.
        detail: what was seen and done.
    """

    kind: str
    detail: str


@dataclass
class Outcome:
    """What became of a finding.

    Attributes:
        region: its mask in the film; None if the finding is lost.
        method: one of METHODS.
        confidence: correlation of film and crop at the place found; None where no crop was
            needed or could be compared.
        released: the region as the released mask has it, in its own frame, for pictures of
            before and after.
        notes: every decision on the way.
    """

    region: Region | None = None
    method: str = LOST
    confidence: float | None = None
    released: Region | None = None
    notes: list[Note] = field(default_factory=list)

    def note(self, kind: str, detail: str) -> None:
        self.notes.append(Note(kind, detail))
