"""The original DDSM: an .ics file for each case, an .OVERLAY for each film with a finding.

Its own LJPEG files are decoded elsewhere; films are given as PNG, TIFF or JPEG whose names begin
with ``<case>.<LEFT|RIGHT>_<CC|MLO>``. They may be scaled: outlines follow.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..images import IMAGE_SUFFIXES
from ..utils.view_names import STANDARD_VIEWS, WORD_OF_SIDE
from ..utils.walk import files_below
from .core import Source, SourceFilm, SourceLesion
from .ddsm_overlay import MASS, Abnormality, read_overlay
from .work_folder import is_written

_PLACES = {f"{WORD_OF_SIDE[side]}_{view}": (side, view) for side, view in STANDARD_VIEWS}
_NAME = re.compile(rf"(?P<case>[A-Z][-_]\d+[-_]\d+)[._](?P<place>{'|'.join(_PLACES)})\b", re.I)
_WANTED = ("LINES", "PIXELS_PER_LINE", "BITS_PER_PIXEL", "RESOLUTION")
_COMPARED = ("shape", "margins", "assessment")
# Facts under the names that CBIS-DDSM gives them.
_FACTS = {"shape": "mass_shape", "margins": "mass_margins", "pathology": "pathology"}
_GRADES = ("assessment", "subtlety")


@dataclass(frozen=True)
class FilmHeader:
    """What an .ics file says of a film.

    Attributes:
        place: such as "LEFT_CC".
        size: (height, width) in pixels.
        bits: of the gray values.
        mm_per_pixel: None where the resolution is 0.
        overlay: whether there is an .OVERLAY file.
    """

    place: str
    size: tuple[int, int]
    bits: int
    mm_per_pixel: float | None
    overlay: bool


def read_ddsm(root: Path, images: Path | None = None) -> Source:
    """The films and masses of DDSM.

    Args:
        root: folder of the .ics and .OVERLAY files, in whatever folders below it.
        images: folder of the films; None: the root.

    Raises:
        ValueError: no .ics file, or one that cannot be read; names file and line.
        OSError: a folder cannot be listed now.
    """
    folder = images or root
    files = sorted(files_below(root))
    headers = [path for path in files if path.suffix.lower() == ".ics"]
    if not headers:
        raise ValueError(f"{root}: no .ics file in it; --root must be the folder of DDSM's cases")
    overlays = {
        (path.parent, path.stem.upper()): path
        for path in reversed(files)
        if path.suffix.upper() == ".OVERLAY"
    }
    pictures = _pictures(folder, files if images is None else sorted(files_below(images)))
    films: list[SourceFilm] = []
    left_out: list[tuple[str, str]] = []
    for path in headers:
        case, facts, of_case = read_ics(path)
        for header in of_case:
            found = pictures.pop((case, header.place), [])
            film = _film(case, facts, header, found, folder)
            overlay = overlays.get((path.parent, film.name))
            films.append(_with_masses(film, header, overlay))
    for (case, place), found in sorted(pictures.items()):
        left_out += [(str(path), f"no .ics file states {case} {place}") for path in found]
    return Source("ddsm", folder, tuple(films), left_out=tuple(left_out))


def read_ics(path: Path) -> tuple[str, dict[str, int | str], list[FilmHeader]]:
    """Name of a case, its facts, and the headers of its films.

    Raises:
        ValueError: the file cannot be read, or a film's line lacks something; names file and line.
    """
    case, facts = _case(path.stem), {}
    films = []
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: no text of an .ics file ({error.reason})") from None
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words:
            continue
        if words[0].lower() == "filename" and len(words) > 1:
            case = _case(words[1])
        elif words[0] == "DENSITY" and len(words) > 1 and words[1] in ("1", "2", "3", "4"):
            facts["breast_density"] = int(words[1])
        elif words[0] == "DIGITIZER":
            facts["digitizer"] = " ".join(words[1:])
        elif words[0] in _PLACES:
            films.append(_header(f"{path}, line {number}", words))
    if not films:
        raise ValueError(f"{path}: no film, such as LEFT_CC LINES 4664 PIXELS_PER_LINE 3024 ...")
    return case, facts, films


def _case(text: str) -> str:
    """A-1141-1 and A_1141_1 are one case."""
    return text.strip().replace("-", "_").upper()


def _header(where: str, words: Sequence[str]) -> FilmHeader:
    values = dict(zip(words[1::2], words[2::2], strict=False))
    try:
        lines, columns, bits = (int(values[key]) for key in _WANTED[:3])
        microns = float(values["RESOLUTION"])
    except (KeyError, ValueError):
        raise ValueError(f"{where}: expected numbers for {', '.join(_WANTED)}") from None
    mm = microns / 1000 if microns > 0 else None
    return FilmHeader(words[0], (lines, columns), bits, mm, words[-1] == "OVERLAY")


def _pictures(folder: Path, files: Sequence[Path]) -> dict[tuple[str, str], list[Path]]:
    """(case, place) -> its pictures, relative to the folder, those without loss first.

    What an earlier run has written below the folder are no films.
    """
    found: dict[tuple[str, str], list[Path]] = {}
    for path in files:
        match = _NAME.match(path.name)
        if match is None or is_written(path):
            continue
        if path.suffix.lower() in IMAGE_SUFFIXES:
            key = (_case(match["case"]), match["place"].upper())
            found.setdefault(key, []).append(path.relative_to(folder))
    for paths in found.values():
        paths.sort(key=lambda path: path.suffix.lower() in (".jpg", ".jpeg"))
    return found


def _film(
    case: str,
    facts: dict[str, int | str],
    header: FilmHeader,
    found: Sequence[Path],
    folder: Path,
) -> SourceFilm:
    side, view = _PLACES[header.place]
    spacing = {} if header.mm_per_pixel is None else {"mm_per_pixel": header.mm_per_pixel}
    return SourceFilm(
        f"{case}.{header.place}",
        found[0].as_posix() if found else None,
        case,
        side,
        view,
        size=header.size,
        bits=header.bits,
        facts=facts | spacing,
        notes=tuple(("second film file", f"{path} left aside") for path in found[1:]),
    )


def _with_masses(film: SourceFilm, header: FilmHeader, overlay: Path | None) -> SourceFilm:
    if overlay is None:
        lost = ("no .OVERLAY file, but the .ics file states one",) if header.overlay else ()
        return replace(film, lost=lost)
    notes, lost, lesions = list(film.notes), [], []
    if not header.overlay:
        notes.append(("overlay not stated", f"{overlay.name} is used all the same"))
    try:
        found = read_overlay(overlay)
    except ValueError as error:
        return replace(film, lost=(f"overlay unreadable: {error}",), notes=tuple(notes))
    for abnormality in found:
        if MASS not in abnormality.types:
            notes.append(("other finding", ", ".join(abnormality.types) or "of no type"))
            continue
        fault = abnormality.fault(header.size)
        if fault is not None:
            lost.append(f"abnormality {abnormality.number}: {fault}")
        else:
            lesions.append(_lesion(abnormality))
    return replace(film, lesions=tuple(lesions), notes=tuple(notes), lost=tuple(lost))


def _lesion(abnormality: Abnormality) -> SourceLesion:
    facts: dict[str, int | str | None] = {
        name: abnormality.facts.get(key) for key, name in _FACTS.items()
    }
    facts |= {key: _grade(abnormality.facts.get(key)) for key in _GRADES}
    return SourceLesion(
        str(abnormality.number),
        outline=abnormality.outline,
        facts=facts,
        compared=tuple(abnormality.facts.get(key) for key in _COMPARED),
    )


def _grade(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None
