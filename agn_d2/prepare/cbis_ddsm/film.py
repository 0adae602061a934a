"""One film from its DICOM files to a written image and a record of all that was decided.

This is what a worker runs, one film in memory at a time.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from ...images import read_gray
from ...landmarks.contour import breast_box
from ...landmarks.detect import detect_landmarks
from ...utils.files import write_atomically
from ..clean import erase, find_breast
from ..frames import boxes_from_film
from ..images import CUT_TOLERANCE, write_image
from ..open_files import ReadFailure, reason_of
from .content import CROP, Region, kind_of
from .dicom import Picture, read_picture, to_full_range
from .repair import AS_RELEASED, LOST, Note, Outcome, repair_finding
from .tables import Film
from .tiles import draw_tile

ORIENTATIONS = ("as released", "left", "right")
# Findings with these notes are drawn on the contact sheets even if their mask is as released.
_TO_LOOK_AT = {"crop elsewhere", "second mask", "mask cleaned", "erased in mask", "out of the crop"}


@dataclass(frozen=True)
class FilmOptions:
    """How films are written.

    Attributes:
        crop: cut to the breast.
        clean: fill all but the breast with background.
        orientation: side of the chest wall, one of ORIENTATIONS.
        compression: of the PNG, 0 to 9.
    """

    crop: bool = True
    clean: bool = True
    orientation: str = ORIENTATIONS[0]
    compression: int = 1

    def __post_init__(self) -> None:
        if self.orientation not in ORIENTATIONS:
            raise ValueError(f"orientation must be one of {ORIENTATIONS}: {self.orientation!r}")


@dataclass(frozen=True)
class FilmTask:
    """What a worker needs to know of a film.

    Attributes:
        film: the film; of a context film, the findings are not looked at.
        root: folder that the paths are relative to.
        image_files: files of the film's series.
        finding_files: for each finding, files of its crop's and mask's series.
        mask_files: for each finding, those that the CSV calls the mask.
        examined: False for a context film.
    """

    film: Film
    root: str
    image_files: tuple[str, ...]
    finding_files: tuple[tuple[str, ...], ...] = ()
    mask_files: tuple[tuple[str, ...], ...] = ()
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
        written = _write(task, picture, options, out)
        record |= {"entry": written.entry, "landmarks": written.landmarks}
        notes += written.notes
    record["notes"] = [asdict(note) for note in notes]
    record["findings"] = []
    for finding, outcome in zip(task.film.findings, outcomes, strict=False):
        annotation = None
        if picture is not None and outcome.region is not None:
            annotation = _annotate(outcome, written)
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
        values = read_gray(full)
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


@dataclass(frozen=True)
class _Written:
    """A written film: its entry, its landmarks' record, and what was erased from the crop."""

    entry: dict[str, Any]
    landmarks: dict[str, Any]
    keep: np.ndarray | None
    notes: list[Note]


def _write(task: FilmTask, picture: Picture, options: FilmOptions, out: Path) -> _Written:
    film, notes = to_full_range(picture), []
    landmarks = detect_landmarks(film, task.film.view)
    if not landmarks.ok:
        notes.append(Note("landmarks", landmarks.status))
    size = film.shape
    box = breast_box(landmarks) if options.crop else (0, 0, size[1], size[0])
    image, keep = film[box[1] : box[3], box[0] : box[2]], None
    if options.clean:
        breast = find_breast(film)
        if breast.found:
            keep = breast.region(size, box)
            image, _ = erase(image, keep)
        else:
            notes.append(Note("not cleaned", "no breast was found"))
    landmarks = landmarks.cropped(box)
    mirrored = options.orientation not in (ORIENTATIONS[0], landmarks.chest_wall)
    if mirrored:
        image, landmarks = image[:, ::-1], landmarks.mirrored()
        keep = None if keep is None else keep[:, ::-1]
    name = f"{task.name}.png"
    write_image(out / "images" / name, image, compression=options.compression)
    entry = {
        "file_name": name,
        "height": image.shape[0],
        "width": image.shape[1],
        "patient_id": task.film.patient_id,
        "laterality": task.film.laterality,
        "view": task.film.view,
        "source": task.film.subset,
        "frame_size": list(size),
        "crop": list(box),
        "mirrored": mirrored,
        "chest_wall_as_released": _released_side(landmarks.chest_wall, mirrored),
        "bits_stored": picture.bits,
        "rescale": list(picture.rescale),
    }
    if picture.mm_per_pixel is not None:
        # Written at full resolution: the spacing of the film is that of the image.
        entry["mm_per_pixel"] = picture.mm_per_pixel
    return _Written(entry, landmarks.to_dict(), keep, notes)


def _released_side(side: str, mirrored: bool) -> str:
    return {"left": "right", "right": "left"}[side] if mirrored else side


def _annotate(outcome: Outcome, written: _Written) -> dict[str, Any]:
    """Box and mask in pixels of the written image; notes what crop and cleaning took away."""
    entry, region = written.entry, outcome.region
    (box,) = boxes_from_film(np.array([region.box]), entry)
    width, height = entry["width"], entry["height"]
    out_by = max(-box[0], -box[1], box[2] - width, box[3] - height)
    if out_by > CUT_TOLERANCE:
        outcome.note("out of the crop", f"the box reaches {out_by:.0f} px out of the crop")
    mask = _paste(region, box, entry)
    if written.keep is not None and mask.any():
        erased = np.count_nonzero(mask & ~written.keep) / np.count_nonzero(mask)
        if erased > 0:
            outcome.note("erased in mask", f"{100 * erased:.2f} % of the mask lies on erased film")
    annotation = {
        "category_id": 1,
        "bbox": [float(box[0]), float(box[1]), float(box[2] - box[0]), float(box[3] - box[1])],
        "area": float(region.area),
        "iscrowd": 0,
    }
    if mask.any():
        rle = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
        annotation["segmentation"] = {"size": rle["size"], "counts": rle["counts"].decode("ascii")}
    return annotation


def _paste(region: Region, box: np.ndarray, entry: dict[str, Any]) -> np.ndarray:
    """The region's window in the frame of the written image, (H, W) bool."""
    window = region.window[:, ::-1] if entry["mirrored"] else region.window
    out = np.zeros((entry["height"], entry["width"]), dtype=bool)
    x0, y0 = int(box[0]), int(box[1])
    x1, y1 = min(int(box[2]), out.shape[1]), min(int(box[3]), out.shape[0])
    left, top = max(x0, 0), max(y0, 0)
    if x1 > left and y1 > top:
        out[top:y1, left:x1] = window[top - y0 : y1 - y0, left - x0 : x1 - x0]
    return out


def _worth_a_look(outcome: Outcome) -> bool:
    kinds = {note.kind for note in outcome.notes}
    return outcome.method != AS_RELEASED or bool(kinds & _TO_LOOK_AT)
