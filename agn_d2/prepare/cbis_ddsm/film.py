"""One film from its DICOM files to a written image and a record of all that was decided.

This is what a worker runs, one film in memory at a time.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2

from ...images import read_gray, to_full_range
from ...utils.files import write_atomically
from ..core_film import (
    OUT_OF_CROP,
    FilmOptions,
    Written,
    is_cut_off,
    mask_annotation,
    write_film,
)
from ..open_files import ReadFailure, reason_of
from .content import CROP, kind_of, without_ringing
from .dicom import Picture, read_picture
from .outcome import AS_RELEASED, LOST, Note, Outcome
from .repair import repair_finding
from .tables import Film
from .tiles import draw_tile

# Findings with these notes are drawn on the contact sheets even if their mask is as released.
_TO_LOOK_AT = {"crop elsewhere", "second mask", "mask cleaned", "erased in mask", "out of the crop"}


@dataclass(frozen=True)
class FilmTask:
    """What a worker needs to know of a film.

    Attributes:
        film: the film; of a context film, the findings are not looked at.
        root: folder that the paths are relative to.
        image_files: files of the film's series.
        finding_files: for each finding, files of its crop's and mask's series.
        mask_files: for each finding, those that the tables call the mask; None: they do not say.
        examined: False for a context film.
    """

    film: Film
    root: str
    image_files: tuple[str, ...]
    finding_files: tuple[tuple[str, ...], ...] = ()
    mask_files: tuple[tuple[str, ...] | None, ...] = ()
    examined: bool = True

    @property
    def name(self) -> str:
        return self.film.name

    @property
    def files(self) -> list[str]:
        """All files, each once."""
        return list(dict.fromkeys([*self.image_files, *(p for f in self.finding_files for p in f)]))


def prepare_film(task: FilmTask, options: FilmOptions, out: Path) -> dict[str, Any]:
    """Read, repair, clean, crop and write one film.

    Args:
        task: the film and its files.
        options: how to write it.
        out: folder with ``images`` and ``work/tiles``.

    Returns:
        a JSON object: ``entry`` (COCO image without id, None if the film is lost), ``landmarks``,
        ``findings`` (one for each, with ``annotation`` or None, ``method``, ``confidence`` and
        ``notes``) and ``notes``.

    Raises:
        ReadFailure: a file cannot be read now.
        OSError: the image cannot be written.
    """
    cv2.setNumThreads(1)
    picture, notes = _read_film(task)
    outcomes = _outcomes(task, picture)
    record: dict[str, Any] = {"name": task.name, "entry": None, "landmarks": None}
    if picture is not None:
        written = _write(task, picture, options, out, notes)
        record |= {"entry": written.entry, "landmarks": written.landmarks}
    record["notes"] = [asdict(note) for note in notes]
    record["findings"] = []
    for finding, outcome in zip(task.film.findings, outcomes, strict=False):
        annotation = None
        if picture is not None and outcome.region is not None:
            annotation = mask_annotation(outcome.region, written, outcome.note)
            if is_cut_off(annotation, written.entry):
                annotation, outcome.method = None, LOST
                outcome.note("lost", OUT_OF_CROP)
        item = {
            "abnormality_id": finding.abnormality_id,
            "method": outcome.method,
            "confidence": None if outcome.confidence is None else round(outcome.confidence, 4),
            "annotation": annotation,
            "notes": [asdict(note) for note in outcome.notes],
            "tile": None,
        }
        if picture is not None and _worth_a_look(outcome):
            item["tile"] = f"{task.name}_{finding.abnormality_id}.jpg"
            title = f"{task.name} {finding.abnormality_id}"
            tile = draw_tile(picture.values, outcome, title)
            write_atomically(out / "work" / "tiles" / item["tile"], tile)
        record["findings"].append(item)
    return record


def film_step(task: FilmTask, options: FilmOptions, out: Path) -> tuple[dict[str, Any], list[str]]:
    """``prepare_film`` as a step of long work: the record, and the files that were written."""
    record = prepare_film(task, options, out)
    outputs = [f"work/tiles/{item['tile']}" for item in record["findings"] if item["tile"]]
    if record["entry"] is not None:
        outputs.append(f"images/{record['entry']['file_name']}")
    return record, outputs


def _read_film(task: FilmTask) -> tuple[Picture | None, list[Note]]:
    notes: list[Note] = []
    if not task.image_files:
        notes.append(Note("film missing", f"no file of series {task.film.image.series_uid}"))
    chosen: Picture | None = None
    for path in task.image_files:
        if chosen is not None:
            notes.append(Note("second film file", f"{path} left aside"))
            continue
        try:
            picture = _read(task, path)
        except ValueError as error:
            notes.append(Note("film unreadable", f"{path}: {error}"))
            continue
        if kind_of(picture.values) != CROP:
            notes.append(Note("film unreadable", f"{path} is no mammogram: one or two gray values"))
            continue
        chosen = picture
        notes += [Note("film converted", f"{path}: {text}") for text in picture.notes]
        if picture.bits != 16:
            notes.append(Note("film bit depth", f"{path}: {picture.bits} bits spread over 16"))
    return chosen, notes


def _read(task: FilmTask, path: str) -> Picture:
    """The picture in a file.

    Raises:
        ValueError: what the file holds is no picture.
        ReadFailure: the file cannot be read now.
    """
    full = Path(task.root) / path
    try:
        if full.suffix.lower() == ".dcm":
            return read_picture(full)
        values = without_ringing(read_gray(full))
    except (MemoryError, OSError) as error:
        raise ReadFailure(f"{path}: {reason_of(error)}") from error
    return Picture(values, 8 * values.dtype.itemsize, (1.0, 0.0), ())


def _outcomes(task: FilmTask, picture: Picture | None) -> list[Outcome]:
    """One outcome for each finding of an examined film."""
    if not task.examined:
        return []
    if picture is None:
        lost = [Note("lost", "the film is missing or unreadable")]
        return [Outcome(method=LOST, notes=list(lost)) for _ in task.film.findings]
    return [
        repair_finding(picture.values, files, lambda path: _read(task, path).values, masks)
        for files, masks in zip(task.finding_files, task.mask_files, strict=True)
    ]


def _write(
    task: FilmTask, picture: Picture, options: FilmOptions, out: Path, notes: list[Note]
) -> Written:
    film = task.film
    written = write_film(
        task.name,
        to_full_range(picture.values, picture.bits),
        film.view,
        options,
        out,
        lambda kind, detail: notes.append(Note(kind, detail)),
    )
    entry = written.entry | {
        "patient_id": film.patient_id,
        "laterality": film.laterality,
        "view": film.view,
        "source": film.subset,
        "bits_stored": picture.bits,
        "rescale": list(picture.rescale),
    }
    if picture.mm_per_pixel is not None:
        # Written at full resolution: the spacing of the film is that of the image.
        entry["mm_per_pixel"] = picture.mm_per_pixel
    return replace(written, entry=entry)


def _worth_a_look(outcome: Outcome) -> bool:
    kinds = {note.kind for note in outcome.notes}
    return outcome.method != AS_RELEASED or bool(kinds & _TO_LOOK_AT)
