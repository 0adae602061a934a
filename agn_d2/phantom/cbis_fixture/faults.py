"""The faults that the fixture plants, and what the preparation must make of each."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np

from ...prepare.cbis_ddsm.outcome import AS_RELEASED, FROM_CROP, LOST, PLACED, RESIZED
from ...prepare.cbis_ddsm.tables import Film, Finding
from .files import CROPPED, FULL, ROI, Dicom, file_name, folder_of, write_dicom

# Fault of a finding -> where its mask must come from then.
EXPECTED = {
    None: AS_RELEASED,
    "roles swapped": AS_RELEASED,
    "mask smaller, same aspect": RESIZED,
    "mask of another aspect": PLACED,
    "mask missing": FROM_CROP,
    "mask truncated": FROM_CROP,
    "mask blank": FROM_CROP,
    "mask is garbage": FROM_CROP,
    "labeled cropped images": AS_RELEASED,
    "mask twice": AS_RELEASED,
    "crop twice": AS_RELEASED,
    "mask inverted": AS_RELEASED,
    "mask with specks": AS_RELEASED,
    "mask of 16 bits": AS_RELEASED,
    "second mask of another size": AS_RELEASED,
    "crop missing": AS_RELEASED,
    "crop truncated": AS_RELEASED,
    "crop of 8 bits, mask missing": FROM_CROP,
    "crop of another film, mask missing": LOST,
    "both missing": LOST,
    "empty folder": LOST,
    "mask of another aspect, crop missing": LOST,
}
FINDING_FAULTS = [fault for fault in EXPECTED if fault is not None]
FILM_FAULTS = [
    "MONOCHROME1",
    "12 bits",
    "negative slope",
    "film twice",
    "film in a strange folder",
    "film missing",
    "film truncated",
    "film blank",
]
LOST_FAULTS = {f for f, method in EXPECTED.items() if method == LOST}
LOST_FAULTS |= {"film missing", "film truncated", "film blank"}
SCALE = 1.1493  # film / mask of all 78 masses of CBIS-DDSM whose mask has another size


def plant_finding(
    root: Path, finding: Finding, film: np.ndarray, mask: np.ndarray, fault: str | None, nbia: bool
) -> str:
    """Write crop and mask of a finding with a fault.

    Args:
        root: folder of the download.
        finding: whose files are written.
        film: (H, W) uint16.
        mask: (H, W) bool, the truth.
        fault: one of FINDING_FAULTS, or None.
        nbia: layout.

    Returns:
        where the preparation must take the mask from.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    crop = _crop(np.ascontiguousarray(film[box]), fault)
    paths = _paths(root, finding, fault, nbia)
    label = _label(finding, fault)
    refs = {"crop": finding.crop, "mask": finding.mask}
    if fault == "roles swapped":
        refs = {"crop": finding.mask, "mask": finding.crop}
    header = {role: Dicom.of(refs[role], label[role], finding.view) for role in refs}
    picture = {"crop": crop, "mask": _mask(mask, fault)}
    for number, role in enumerate(("crop", "mask")):
        write_dicom(paths[role], header[role], picture[role], number)
    third = paths["mask"].with_name(file_name(2, nbia))
    if fault == "mask twice":
        shutil.copy(paths["mask"], third)
    elif fault == "crop twice":
        shutil.copy(paths["crop"], third)
    elif fault == "second mask of another size":
        write_dicom(third, header["mask"], _scaled(picture["mask"], 1 / SCALE, 1 / SCALE), 2)
    _spoil(paths, fault)
    return EXPECTED[fault]


def plant_film(root: Path, film: Film, pixels: np.ndarray, fault: str | None, nbia: bool) -> None:
    """Write the file of a film with a fault, one of FILM_FAULTS or None.

    The values stored are such that a right reader sees ``pixels`` (12 bits: their upper bits).
    """
    folder = folder_of(root, film.image, FULL, nbia)
    if fault == "film in a strange folder":
        folder = root / "unsorted" / film.name[-12:]
    path = folder / file_name(0, nbia)
    if fault == "film missing":
        return
    changes, stored = {}, pixels
    if fault == "MONOCHROME1":
        changes, stored = {"photometric": "MONOCHROME1"}, 65535 - pixels
    elif fault == "12 bits":
        changes, stored = {"bits": 12}, pixels >> 4
    elif fault == "negative slope":
        changes, stored = {"slope": -1.0}, 65535 - pixels
    elif fault == "film blank":
        stored = np.full_like(pixels, 7)
    write_dicom(path, Dicom.of(film.image, FULL, film.view, **changes), stored, 0)
    if fault == "film twice":
        shutil.copy(path, path.with_name(file_name(1, nbia)))
    elif fault == "film truncated":
        _truncate(path)


def _label(finding: Finding, fault: str | None) -> dict[str, str]:
    two = finding.crop.series_uid != finding.mask.series_uid
    if fault == "labeled cropped images":
        return {"crop": CROPPED, "mask": CROPPED}
    return {"crop": CROPPED if two else ROI, "mask": ROI}


def _paths(root: Path, finding: Finding, fault: str | None, nbia: bool) -> dict[str, Path]:
    label = _label(finding, fault)
    refs = {"crop": finding.crop, "mask": finding.mask}
    paths = {}
    for role, ref in refs.items():
        number = int(Path(ref.file_name).stem)
        paths[role] = folder_of(root, ref, label[role], nbia) / file_name(number, nbia)
    if fault == "roles swapped":
        paths = {"crop": paths["mask"], "mask": paths["crop"]}
    return paths


def _mask(mask: np.ndarray, fault: str | None) -> np.ndarray:
    picture = mask.astype(np.uint8) * 255
    if fault == "mask smaller, same aspect":
        return _scaled(picture, 1 / SCALE, 1 / SCALE)
    if fault is not None and fault.startswith("mask of another aspect"):
        return _scaled(picture, 0.9, 0.7)
    if fault == "mask blank":
        return np.zeros_like(picture)
    if fault == "mask inverted":
        return 255 - picture
    if fault == "mask with specks":
        picture[3:5, 3:5] = 255
        picture[-4, -9:-7] = 255
    if fault == "mask of 16 bits":
        return picture.astype(np.uint16) * 257
    return picture


def _crop(crop: np.ndarray, fault: str | None) -> np.ndarray:
    if fault == "crop of 8 bits, mask missing":
        return (crop >> 8).astype(np.uint8)
    if fault == "crop of another film, mask missing":
        noise = np.random.default_rng(5).normal(size=crop.shape)
        return (cv2.GaussianBlur(noise, (0, 0), 3) * 20000 + 30000).clip(0, 65535).astype(np.uint16)
    return crop


def _spoil(paths: dict[str, Path], fault: str | None) -> None:
    if fault is None:
        return
    if fault == "mask truncated":
        _truncate(paths["mask"])
    elif fault == "crop truncated":
        _truncate(paths["crop"])
    elif fault == "mask is garbage":
        paths["mask"].write_bytes(b"no DICOM file " * 40)
    if fault.endswith("mask missing") or fault in ("both missing", "empty folder"):
        paths["mask"].unlink()
    if fault.endswith("crop missing") or fault in ("both missing", "empty folder"):
        paths["crop"].unlink()
    if fault == "both missing":
        for path in paths.values():
            shutil.rmtree(path.parent, ignore_errors=True)


def _truncate(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 3 // 5])


def _scaled(picture: np.ndarray, x: float, y: float) -> np.ndarray:
    size = (round(picture.shape[1] * x), round(picture.shape[0] * y))
    return cv2.resize(picture, size, interpolation=cv2.INTER_NEAREST)
