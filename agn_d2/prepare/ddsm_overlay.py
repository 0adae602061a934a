"""DDSM's .OVERLAY files: abnormalities of a film, and their outlines as chain codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .core import Points

# Steps of the chain code, (x, y): 0 is up, then clockwise.
STEPS = ((0, -1), (1, -1), (1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1))
MASS = "MASS"
_GAP = 1  # pixels that end and start of a closed outline may be apart


@dataclass
class Abnormality:
    """One abnormality of a film.

    Attributes:
        number: of the file, from 1.
        types: of its lesions, "MASS", "CALCIFICATION", ...; more than one for a mass with
            calcifications in it.
        facts: keyword in lower case -> value, such as shape, margins, assessment, pathology.
        boundary: pixels (column, row) along its outline; the cores within are not kept.
    """

    number: int
    types: list[str] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    boundary: list[tuple[int, int]] = field(default_factory=list)

    @property
    def outline(self) -> Points:
        """Corners (x, y), the center of the first pixel at (0.5, 0.5)."""
        return tuple((column + 0.5, row + 0.5) for column, row in self.boundary)

    def fault(self, size: tuple[int, int]) -> str | None:
        """Why the outline cannot be used in a film of (height, width); None if it can."""
        if len(self.boundary) < 3:
            return "no outline"
        (x0, y0), (x1, y1) = self.boundary[0], self.boundary[-1]
        if max(abs(x0 - x1), abs(y0 - y1)) > _GAP:
            return f"the outline is not closed: from ({x0}, {y0}) to ({x1}, {y1})"
        columns, rows = zip(*self.boundary, strict=True)
        if min(columns) < 0 or min(rows) < 0 or max(columns) >= size[1] or max(rows) >= size[0]:
            return f"the outline leaves the film of {size[1]} x {size[0]}"
        return None


def read_overlay(path: Path) -> list[Abnormality]:
    """The abnormalities of a film.

    Raises:
        ValueError: the file is cut off, or no overlay; names file and line.
    """
    found: list[Abnormality] = []
    total = None
    role = ""  # of the chain code that is read now: "BOUNDARY", "CORE" or none
    code: list[int] = []
    for line, words in _lines(path):
        where = f"{path}, line {line}"
        if role:
            ended = "#" in words
            code += _numbers(where, words[: words.index("#")] if ended else words)
            if ended:
                if role == "BOUNDARY":
                    found[-1].boundary = _walk(where, code)
                role, code = "", []
        elif words[0] == "TOTAL_ABNORMALITIES":
            total = _numbers(where, words[1:2])[0]
        elif words[0] == "ABNORMALITY":
            found.append(Abnormality(_numbers(where, words[1:2])[0]))
        elif not found:
            raise ValueError(f"{where}: {words[0]!r} before the first ABNORMALITY")
        elif words[0] in ("BOUNDARY", "CORE"):
            role = words[0]
        else:
            _note_facts(found[-1], words)
    if role:
        raise ValueError(f"{path}: the file ends within a {role}")
    if total is None or total != len(found):
        raise ValueError(f"{path}: {total} abnormalities stated, {len(found)} there")
    return found


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    try:
        text = path.read_text(encoding="ascii")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: no text of an overlay ({error.reason})") from None
    lines = ((number, line.split()) for number, line in enumerate(text.splitlines(), start=1))
    return [(number, words) for number, words in lines if words]


def _numbers(where: str, words: list[str]) -> list[int]:
    if not words or not all(word.isdecimal() for word in words):
        raise ValueError(f"{where}: {' '.join(words)[:40]!r}, expected whole numbers")
    return [int(word) for word in words]


def _note_facts(abnormality: Abnormality, words: list[str]) -> None:
    """A line of keywords and values: LESION_TYPE MASS SHAPE OVAL MARGINS ILL_DEFINED."""
    pairs: Mapping[str, str] = dict(zip(words[::2], words[1::2], strict=False))
    for key, value in pairs.items():
        if key == "LESION_TYPE":
            abnormality.types.append(value)
        elif key != "TOTAL_OUTLINES":
            abnormality.facts.setdefault(key.lower(), value)


def _walk(where: str, code: list[int]) -> list[tuple[int, int]]:
    """The pixels along a chain code: first the start (column, row), then steps of 0 to 7."""
    if len(code) < 3 or max(code[2:]) >= len(STEPS):
        raise ValueError(f"{where}: no chain code of a start (column, row) and steps from 0 to 7")
    x, y = code[:2]
    pixels = [(x, y)]
    for step in code[2:]:
        x, y = x + STEPS[step][0], y + STEPS[step][1]
        pixels.append((x, y))
    return pixels
