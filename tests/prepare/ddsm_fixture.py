"""A small DDSM with the quirks of the real one; films of noise, outlines planted as chain codes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ..dicom.dicom_files import film

HEIGHT, WIDTH = 200, 150
PLACES = ("LEFT_CC", "LEFT_MLO", "RIGHT_CC", "RIGHT_MLO")
MALIGNANT = "LESION_TYPE MASS SHAPE IRREGULAR MARGINS SPICULATED"
BENIGN = "LESION_TYPE MASS SHAPE OVAL MARGINS CIRCUMSCRIBED"
CALCIFICATION = "LESION_TYPE CALCIFICATION TYPE PLEOMORPHIC DISTRIBUTION CLUSTERED"


def rectangle(x: int, y: int, width: int, height: int) -> str:
    """The chain code around a rectangle, clockwise from its upper left pixel (column x, row y)."""
    steps = [2] * (width - 1) + [4] * (height - 1) + [6] * (width - 1) + [0] * (height - 1)
    return " ".join(map(str, (x, y, *steps)))


def abnormality(number: int, types: list[str], boundary: str, core: str | None = None) -> str:
    lines = [f"ABNORMALITY {number}", *types, "ASSESSMENT 4", "SUBTLETY 3"]
    lines += ["PATHOLOGY MALIGNANT", f"TOTAL_OUTLINES {1 + (core is not None)} "]
    lines += ["BOUNDARY ", f"{boundary} # "]
    if core is not None:
        lines += ["\tCORE ", f"{core} #"]
    return "\n".join(lines)


def overlay(*abnormalities: str, total: int | None = None) -> str:
    count = len(abnormalities) if total is None else total
    return "\n".join([f"TOTAL_ABNORMALITIES {count} ", *abnormalities]) + "\n"


def ics(case: str, overlays: tuple[str, ...], bits: int = 12) -> str:
    lines = ["ics_version 1.0", f"filename {case.replace('_', '-')}", "DATE_OF_STUDY 2 7 1995"]
    lines += [
        "PATIENT_AGE 42",
        "FILM ",
        "FILM_TYPE REGULAR",
        "DENSITY 3",
        "DATE_DIGITIZED 7 22 1997 ",
    ]
    lines += ["DIGITIZER LUMISYS LASER", "SEQUENCE LEFT_CC LEFT_MLO RIGHT_CC RIGHT_MLO", ""]
    for place in PLACES:
        stated = "OVERLAY" if place in overlays else "NON_OVERLAY"
        lines.append(
            f"{place} LINES {HEIGHT} PIXELS_PER_LINE {WIDTH} BITS_PER_PIXEL {bits} "
            f"RESOLUTION 43.5 {stated}"
        )
    return "\n".join(lines) + "\n"


# Case -> place -> its overlay; None: stated, but not there.
OVERLAYS: dict[str, dict[str, str | None]] = {
    "A_0001_1": {
        "LEFT_CC": overlay(
            abnormality(1, [MALIGNANT], rectangle(20, 60, 20, 30), rectangle(25, 65, 5, 5)),
            abnormality(2, [BENIGN, CALCIFICATION], rectangle(10, 110, 15, 20)),
            abnormality(3, [CALCIFICATION], rectangle(30, 100, 5, 5)),
        ),
        # The same two, in another order.
        "LEFT_MLO": overlay(
            abnormality(1, [BENIGN], rectangle(15, 120, 10, 20)),
            abnormality(2, [MALIGNANT], rectangle(25, 70, 20, 20)),
        ),
    },
    "B_0002_1": {
        "RIGHT_CC": overlay(abnormality(1, [CALCIFICATION], rectangle(30, 100, 5, 5))),
        "RIGHT_MLO": None,
        "LEFT_CC": overlay(abnormality(1, [BENIGN], "30 90 2 2 2 4 4 4")),
        "LEFT_MLO": overlay(abnormality(1, [BENIGN], rectangle(140, 90, 20, 20))),
    },
    "C_0003_1": {
        "LEFT_CC": overlay(abnormality(1, [BENIGN], rectangle(30, 80, 20, 20))),
        "LEFT_MLO": overlay(abnormality(1, [BENIGN], rectangle(30, 80, 20, 20)), total=2),
        "RIGHT_CC": overlay(abnormality(1, [BENIGN], rectangle(30, 80, 20, 20)).rstrip("# ")),
        "RIGHT_MLO": overlay(abnormality(1, [BENIGN], rectangle(30, 80, 20, 20))),
    },
    "D_0004_1": {},  # a normal case
}
HALF, SQUASHED = ("C_0003_1", "LEFT_CC"), ("C_0003_1", "RIGHT_MLO")
MISSING = ("D_0004_1", "RIGHT_MLO")


def build_ddsm(root: Path) -> None:
    """Write the cases; films as PNG, TIFF and JPEG, of 8 bits and of 12 in 16."""
    for case, overlays in OVERLAYS.items():
        folder = root / "cases" / f"case{case[2:6]}"
        folder.mkdir(parents=True)
        (folder / f"{case.replace('_', '-')}.ics").write_text(ics(case, tuple(overlays)))
        for place, text in overlays.items():
            if text is not None:
                (folder / f"{case}.{place}.OVERLAY").write_text(text)
        for number, place in enumerate(PLACES):
            if (case, place) != MISSING:
                _write_film(folder, case, place, number)
    first = root / "cases" / "case0001"
    (first / "A_0001_1.LEFT_CC.LJPEG").write_bytes(b"not read")
    # A copy with loss, and a picture of a case that has no .ics file.
    _write(first / "A_0001_1.LEFT_CC.jpg", (film(9, HEIGHT, WIDTH) >> 4).astype(np.uint8))
    _write(first / "A_0099_1.LEFT_CC.png", film(9, HEIGHT, WIDTH))


def _write_film(folder: Path, case: str, place: str, number: int) -> None:
    pixels = film(number, HEIGHT, WIDTH)
    if (case, place) == HALF:
        pixels = cv2.resize(pixels, (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA)
    elif (case, place) == SQUASHED:
        pixels = cv2.resize(pixels, (100, 100), interpolation=cv2.INTER_AREA)
    end = ".LJPEG.png" if number % 2 else ".tif"
    if number == 2:
        pixels, end = (pixels >> 4).astype(np.uint8), ".png"
    _write(folder / f"{case}.{place}{end}", pixels)


def _write(path: Path, pixels: np.ndarray) -> None:
    assert cv2.imwrite(str(path), pixels)
