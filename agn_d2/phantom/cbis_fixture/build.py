"""A small download of CBIS-DDSM with known faults, made of phantom films.

It has the folder names, UIDs and CSV rows that it is given, real ones or made-up ones, so that the
preparation can be tested from end to end without the release. ``manifest.json`` says what was
planted, and where every lesion truly is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ...prepare.cbis_ddsm.tables import Film, csv_name, group_films, read_findings
from ..case import generate_case
from ..params import PhantomParams
from .faults import FILM_FAULTS, FINDING_FAULTS, LOST_FAULTS, plant_film, plant_finding
from .files import Dicom, write_dicom

MARGIN = 0.15  # of the film's sides: no lesion's middle lies closer to them


@dataclass(frozen=True)
class Lesion:
    """A lesion of the fixture: its true mask in the film.

    Attributes:
        mask: (H, W) bool.
        box: x0, y0, x1, y1.
    """

    mask: np.ndarray
    box: tuple[int, int, int, int]


def build_fixture(
    csv_folder: str | Path,
    out: str | Path,
    patients: Sequence[str],
    *,
    height: int = 640,
    seed: int = 0,
    faults: bool = True,
    nbia_share: float = 0.75,
) -> dict[str, Any]:
    """Write ``download/``, ``csv/`` and ``manifest.json``.

    Args:
        csv_folder: the case-description CSVs, of which the rows of some patients are taken.
        out: folder that does not exist yet.
        patients: whose rows are taken.
        height: height of the films in pixels.
        seed: decides the pictures.
        faults: plant them, film by film and finding by finding in turn.
        nbia_share: share of the films in the layout of the NBIA Data Retriever; the others lie as
            the CSVs have it.

    Returns:
        the manifest: ``films``, each with its faults, its size and its findings; a finding has
        its fault, its true ``box`` and the method that must be found.

    Raises:
        ValueError: ``out`` exists, or a patient has no row.
    """
    out = Path(out)
    if out.exists():
        raise ValueError(f"{out} exists already")
    findings, _ = read_findings(csv_folder)
    missing = set(patients) - {finding.patient_id for finding in findings}
    if missing:
        raise ValueError(f"{csv_folder} has no row of {', '.join(sorted(missing))}")
    films = [f for f in group_films(findings) if f.patient_id in set(patients)]
    _copy_rows(Path(csv_folder), out / "csv", set(patients))
    manifest: dict[str, Any] = {"height": height, "seed": seed, "films": []}
    rng = np.random.default_rng(seed)
    planted = 0
    for number, film in enumerate(films):
        fault = FILM_FAULTS[number // 2 % len(FILM_FAULTS)] if faults and number % 2 else None
        nbia = (number * nbia_share) % 1 + nbia_share >= 1 or nbia_share == 1
        kinds = []
        for _ in film.findings:
            # Faults of the film and of its findings are not mixed.
            clean = not faults or fault is not None
            kinds.append(None if clean else FINDING_FAULTS[planted % len(FINDING_FAULTS)])
            planted += not clean
        root = out / "download"
        manifest["films"].append(_write_film(root, film, fault, kinds, nbia, height, rng, number))
    if faults:
        (out / "download" / "notes").mkdir()
        stranger = Dicom("Nobody", "1.2.3.4.5", "1.2.3.4.6", "full mammogram images", "CC")
        pixels = np.zeros((8, 8), np.uint16)
        write_dicom(out / "download" / "notes" / "1-1.dcm", stranger, pixels, 0)
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1))
    return manifest


def _copy_rows(source: Path, target: Path, patients: set[str]) -> None:
    """The CSVs with the rows of some patients, byte for byte."""
    target.mkdir(parents=True)
    for subset in ("mass", "calc"):
        for split in ("train", "test"):
            text = (source / csv_name(subset, split)).read_bytes().decode("utf-8")
            rows = _records(text)
            kept = [rows[0]] + [row for row in rows[1:] if row.split(",")[0] in patients]
            (target / csv_name(subset, split)).write_bytes("".join(kept).encode("utf-8"))
    # A file without any row is refused by the preparation, as the release has none.
    for path in target.iterdir():
        if len(_records(path.read_text(encoding="utf-8"))) < 2:
            raise ValueError(f"no patient has a row in {path.name}; name one more")


def _records(text: str) -> list[str]:
    """The CSV's records with their line ends; a quoted newline ends none."""
    records, start, quoted = [], 0, False
    for position, letter in enumerate(text):
        if letter == '"':
            quoted = not quoted
        elif letter == "\n" and not quoted:
            records.append(text[start : position + 1])
            start = position + 1
    return records


def _write_film(
    root: Path,
    film: Film,
    fault: str | None,
    kinds: Sequence[str | None],
    nbia: bool,
    height: int,
    rng: np.random.Generator,
    number: int,
) -> dict[str, Any]:
    pixels = phantom_film(film.view, film.laterality, height, number)
    lesions = [_add_lesion(pixels, rng) for _ in film.findings]
    items = []
    for finding, lesion, kind in zip(film.findings, lesions, kinds, strict=True):
        method = plant_finding(root, finding, pixels, lesion.mask, kind, nbia)
        lost = kind in LOST_FAULTS or fault in LOST_FAULTS
        items.append(
            {
                "abnormality_id": finding.abnormality_id,
                "fault": kind,
                "box": list(lesion.box),
                "method": "lost" if lost else method,
            }
        )
    plant_film(root, film, pixels, fault, nbia)
    return {
        "name": film.name,
        "fault": fault,
        "layout": "nbia" if nbia else "csv",
        "size": list(pixels.shape),
        "findings": items,
    }


def phantom_film(view: str, laterality: str, height: int, number: int) -> np.ndarray:
    """A phantom film of a view, (H, W) uint16; the same for the same arguments."""
    params = PhantomParams(size=min(height, 640), mass_count_shares=(1.0,))
    case = generate_case(1000 + number, 0, params)
    chosen = [v for v in case.views if v.view == view and v.laterality == laterality]
    image = (chosen or [v for v in case.views if v.view == view] or case.views)[0].image
    if image.shape[0] != height:
        width = round(image.shape[1] * height / image.shape[0])
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)
        grain = np.random.default_rng(number).normal(0, 250, image.shape)
        image = np.clip(image + grain, 0, 65535).astype(np.uint16)
    return image.copy()


def _add_lesion(pixels: np.ndarray, rng: np.random.Generator) -> Lesion:
    """A lobulated bright body with a texture of its own, inside the breast."""
    height, width = pixels.shape
    breast = pixels > 0.25 * np.quantile(pixels, 0.98)
    inner = cv2.erode(breast.astype(np.uint8), np.ones((height // 12,) * 2, np.uint8))
    inner[: round(MARGIN * height)] = inner[-round(MARGIN * height) :] = 0
    rows, columns = np.nonzero(inner if inner.any() else breast)
    at = int(rng.integers(len(rows)))
    radius = rng.uniform(0.03, 0.05) * height
    y, x = np.mgrid[:height, :width]
    dy, dx = y - rows[at], (x - columns[at]) / rng.uniform(0.8, 1.25)
    angle, phase = np.arctan2(dy, dx), rng.uniform(0, 6.28, 2)
    edge = radius * (1 + 0.12 * np.sin(2 * angle + phase[0]) + 0.1 * np.sin(3 * angle + phase[1]))
    mask = np.hypot(dy, dx) <= edge
    texture = cv2.GaussianBlur(rng.normal(size=pixels.shape), (0, 0), height / 160)
    glow = 5000 + 4000 * texture / texture.std()
    pixels[mask] = np.clip(pixels[mask] + glow[mask], 0, 65535).astype(np.uint16)
    found_y, found_x = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = (found_x[0], found_y[0], found_x[-1] + 1, found_y[-1] + 1)
    return Lesion(mask, tuple(int(v) for v in box))
