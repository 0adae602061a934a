"""A small VinDr-Mammo with the quirks of the real one: noise as films, boxes in the tables."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

from ..dicom.dicom_files import film, mammogram, uid, write

HEIGHT, WIDTH = 200, 150
BREASTS = ["study_id", "series_id", "image_id", "laterality", "view_position", "height", "width"]
BREASTS += ["breast_birads", "breast_density"]
FINDINGS = ["finding_categories", "finding_birads", "xmin", "ymin", "xmax", "ymax"]
FOUR = ("L CC", "L MLO", "R CC", "R MLO")

# Study -> split and views; in the third one a view was taken twice and another is missing.
STUDIES = {
    "s0": ("training", FOUR),
    "s1": ("training", FOUR),
    "s2": ("training", ("L CC", "L CC 2", "R CC", "R MLO")),
    "s3": ("test", FOUR),
    "s4": ("test", FOUR),
}
# (study, view) -> findings: categories, BI-RADS, box; the rest is ['No Finding'].
FOUND = {
    ("s0", "L CC"): [("['Mass']", "BI-RADS 4", (30.25, 60.5, 60.75, 90.5))],
    ("s0", "L MLO"): [("['Mass']", "BI-RADS 4", (25, 70, 50, 100))],
    ("s1", "L CC"): [("['Suspicious Calcification']", "BI-RADS 4", (20, 70, 40, 90))],
    ("s1", "R CC"): [
        ("['Mass', 'Suspicious Calcification']", "BI-RADS 5", (-4.5, 80, 30, 110)),
        ("['Skin Thickening']", "", (1, 90, 30, 120)),
    ],
    ("s2", "L CC 2"): [("['Mass']", "BI-RADS 3", (40, -2.5, 60, 90))],
    ("s3", "L CC"): [("['Mass']", "BI-RADS 3", (50, 80, 150.5, 110))],
    ("s3", "L MLO"): [("['Mass']", "", (10, 60, 30, 80)), ("['Mass']", "", (10, 150, 30, 200.25))],
    ("s3", "R MLO"): [("['Mass']", "BI-RADS 3", None)],
    ("s4", "R CC"): [("['Mass']", "BI-RADS 5", (20, 80, 45, 110))],
}
MONOCHROME1 = ("s0", "L MLO")
MISSING, CUT_OFF = ("s4", "L CC"), ("s4", "L MLO")


def image_id(study: str, view: str) -> str:
    return hashlib.md5(f"{study} {view}".encode()).hexdigest()


def build_vindr(root: Path) -> None:
    """Write the two CSVs and the DICOM files below a folder."""
    breasts, findings = [], []
    for study, (split, views) in STUDIES.items():
        for view in views:
            side, position = view.split()[:2]
            row = [study, f"{study}-series", image_id(study, view), side, position, HEIGHT, WIDTH]
            row += ["BI-RADS 2", "DENSITY C"]
            breasts.append([*row, split])
            for categories, birads, box in FOUND.get((study, view), [("['No Finding']", "", None)]):
                findings.append([*row, categories, birads, *(box or [""] * 4), split])
            _write_film(root, study, view)
    for name, header, rows in (
        ("breast-level_annotations.csv", BREASTS, breasts),
        ("finding_annotations.csv", BREASTS + FINDINGS, findings),
    ):
        with (root / name).open("w", newline="") as file:
            csv.writer(file).writerows([[*header, "split"], *rows])


def _write_film(root: Path, study: str, view: str) -> None:
    if (study, view) == MISSING:
        return
    side, position = view.split()[:2]
    pixels = film(len(view), HEIGHT, WIDTH)
    tags = {"PhotometricInterpretation": "MONOCHROME2"}
    if (study, view) == MONOCHROME1:
        pixels, tags = 4095 - pixels, {"PhotometricInterpretation": "MONOCHROME1"}
    data = mammogram(
        pixels,
        ImageLaterality=side,
        ViewPosition=position,
        ImagerPixelSpacing=[0.085, 0.085],
        SOPInstanceUID=uid(study + view),
        **tags,
    )
    path = write(root / "images" / study / f"{image_id(study, view)}.dicom", data)
    if (study, view) == CUT_OFF:
        path.write_bytes(path.read_bytes()[:20000])
