"""One film from its file to a written image and a record of what was decided.

This is what a worker runs, one film in memory at a time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..dicom.reader import is_dicom, read_dicom
from ..images import color_note, read_gray, seeming_bits, to_full_range
from .core import CoreOptions, SourceFilm, SourceLesion
from .core_film import (
    OUT_OF_CROP,
    AddNote,
    Written,
    box_annotation,
    is_cut_off,
    mask_annotation,
    write_film,
)
from .frames import ASPECT_TOLERANCE
from .open_files import ReadFailure, reason_of
from .region import outlined_region


def film_step(
    film: SourceFilm, root: Path, options: CoreOptions, out: Path
) -> tuple[dict[str, Any], list[str]]:
    """Read a film and write it, as a step of long work (``run_steps``).

    Returns:
        its record, a JSON object: ``name``, ``entry`` (COCO image without id, None if the film
        cannot be used), ``landmarks``, ``lesions`` (one for each, with ``annotation`` or None and
        ``notes``) and ``notes``; and the files that were written, relative to ``out``.

    Raises:
        ReadFailure: the file cannot be read now.
        OSError: the image cannot be written.
    """
    cv2.setNumThreads(1)
    notes: list[list[str]] = [list(note) for note in film.notes]

    def note(kind: str, detail: str) -> None:
        notes.append([kind, detail])

    record: dict[str, Any] = {"name": film.name, "entry": None, "landmarks": None}
    record |= {"lesions": [], "notes": notes}
    try:
        pixels, facts = _read(film, root, options, note)
    except ValueError as error:
        note("film unreadable", " ".join(str(error).split()))
        return record, []
    written = write_film(film.name, pixels, film.view, options.film, out, note)
    scale = _scale(film, pixels.shape, note)
    record["lesions"] = [_lesion(lesion, scale, written) for lesion in film.lesions]
    written.entry.update(facts, patient_id=film.patient_id, laterality=film.laterality)
    written.entry.update(_facts(film, scale), view=film.view)
    if film.case_id is not None:
        written.entry["case_id"] = film.case_id
    record |= {"entry": written.entry, "landmarks": written.landmarks}
    return record, [f"images/{written.entry['file_name']}"]


def _read(
    film: SourceFilm, root: Path, options: CoreOptions, note: AddNote
) -> tuple[np.ndarray, dict[str, Any]]:
    """Gray values over the whole range, and what the file says for the image's entry.

    Raises:
        ValueError: no file, or one that holds no picture.
        ReadFailure: the file cannot be read now.
    """
    if film.path is None:
        raise ValueError("its file is not there")
    path = root / film.path
    try:
        if is_dicom(path):
            image = read_dicom(path, options.tone)
            for text in image.notes:
                note("film converted", text)
            stated = image.header.stated
            for what, told, known in (
                ("side", stated.side, film.laterality),
                ("view", stated.view, film.view),
            ):
                if told is not None and told != known:
                    note(f"another {what} in the header", f"{told}; the table says {known}")
            spacing = image.header.spacing.square
            return image.pixels, {} if spacing is None else {"mm_per_pixel": spacing}
        pixels = read_gray(path)
        if (text := color_note(path)) is not None:
            note("colored pixels", text)
    except FileNotFoundError:
        raise ValueError(f"its file {film.path} is not there") from None
    except (MemoryError, OSError) as error:
        raise ReadFailure(f"{path}: {reason_of(error)}") from error
    return _spread(pixels, film.bits, note), {}


def _spread(pixels: np.ndarray, bits: int | None, note: AddNote) -> np.ndarray:
    """Values that use fewer bits than the file has, spread over all of them."""
    held = 8 * pixels.dtype.itemsize
    if bits is None or bits >= held:
        if (seeming := seeming_bits(pixels)) is not None:
            note("narrow range", f"a 16-bit image that seems to have {seeming} bits: dark")
        return pixels
    if pixels.max() >= 1 << bits:
        note("more bits than stated", f"values up to {pixels.max()}, stated are {bits} bits")
        return pixels
    note("film bit depth", f"{bits} bits spread over 16")
    return to_full_range(pixels, bits)


def _scale(film: SourceFilm, shape: tuple[int, ...], note: AddNote) -> np.ndarray | None:
    """(x, y): pixels of the file per pixel that the lesions refer to; None: they do not fit."""
    if film.size is None or film.size == tuple(shape):
        return np.ones(2)
    sizes = f"{film.size[1]} x {film.size[0]} stated, {shape[1]} x {shape[0]} in the file"
    ratios = [have / stated for have, stated in zip(shape, film.size, strict=True)]
    if abs(ratios[0] / ratios[1] - 1) > ASPECT_TOLERANCE:
        note("another size and aspect", f"{sizes}: lesions cannot be placed")
        return None
    note("another size", f"{sizes}: lesions are scaled")
    return np.array(ratios[::-1])


def _facts(film: SourceFilm, scale: np.ndarray | None) -> dict[str, Any]:
    """The film's facts; a spacing that is stated for another size becomes that of the file."""
    facts = dict(film.facts)
    if "mm_per_pixel" in facts and film.size is not None:
        spacing = facts.pop("mm_per_pixel")
        if scale is not None:
            facts["mm_per_pixel"] = spacing / float(scale.mean())
    return facts


def _lesion(lesion: SourceLesion, scale: np.ndarray | None, written: Written) -> dict[str, Any]:
    notes: list[list[str]] = []
    annotation = None

    def note(kind: str, detail: str) -> None:
        notes.append([kind, detail])

    height, width = written.entry["frame_size"]
    if scale is None:
        note("lesion lost", "its film has another aspect than stated")
    elif lesion.outline:
        region = outlined_region(np.array(lesion.outline) * scale, (height, width))
        if region is None:
            note("lesion lost", "the outline has no area in the film")
        else:
            annotation = mask_annotation(region, written, note)
    elif lesion.box is None:
        note("lesion lost", "no box")
    else:
        box = np.array(lesion.box) * np.tile(scale, 2)
        inside = np.clip(box, 0, [width, height, width, height])
        if not (inside[2:] > inside[:2]).all():
            note("lesion lost", f"the box {_text(box)} has no area in the film")
        else:
            if (inside != box).any():
                note("box clipped", f"{_text(box)} reaches out of the film of {width} x {height}")
            annotation = box_annotation(inside, written, note)
    if annotation is not None and is_cut_off(annotation, written.entry):
        annotation = None
        note("lesion lost", OUT_OF_CROP)
    return {"name": lesion.name, "annotation": annotation, "notes": notes}


def _text(box: np.ndarray) -> str:
    return "(" + ", ".join(f"{value:g}" for value in box.round(1)) + ")"


def lost_lesions(film: SourceFilm, record: dict[str, Any]) -> list[str]:
    """Why lesions of a film have no place in its image; empty if all have one."""
    reasons = list(film.lost)
    for item in record["lesions"]:
        if item["annotation"] is None:
            reasons += [f"{item['name']}: {detail}" for _, detail in item["notes"]]
    return reasons
