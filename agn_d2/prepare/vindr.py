"""VinDr-Mammo: two CSVs with a row for each image and each finding, and DICOM files.

Each study is an examination of one patient. Findings are boxes without masks, some reach over the
edge of their image by a few pixels; a finding may have several categories, and nothing says which
box of CC is which of MLO.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from ..utils.view_names import VIEWS
from .core import Source, SourceFilm, SourceLesion
from .core_tables import Row, number, optional, read_rows, required, side_of, split_of, whole

BREASTS, FINDINGS = "breast-level_annotations.csv", "finding_annotations.csv"
MASS = "Mass"
CATEGORIES = (
    MASS,
    "Suspicious Calcification",
    "Focal Asymmetry",
    "Architectural Distortion",
    "Asymmetry",
    "Skin Thickening",
    "Suspicious Lymph Node",
    "Nipple Retraction",
    "Global Asymmetry",
    "Skin Retraction",
)
NO_FINDING = "No Finding"
# As released, renamed, or converted by others.
_SUFFIXES = (".dicom", ".dcm", ".png")
_IDS = ("study_id", "series_id", "image_id")
_PLACE = ("laterality", "view_position")
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_DENSITIES = {f"DENSITY {letter}": grade for grade, letter in enumerate("ABCD", start=1)}


def read_vindr(
    root: Path, *, csv_folder: Path | None = None, findings: Sequence[str] = (MASS,)
) -> Source:
    """The films and findings of VinDr-Mammo.

    Args:
        root: the download, with ``images/<study_id>/<image_id>.dicom``.
        csv_folder: of the two CSVs; None: the root.
        findings: categories that are lesions to be detected; one class for all of them.

    Raises:
        FileNotFoundError: a CSV is missing.
        ValueError: an unknown category, or a row that cannot be read; names file and line.
    """
    unknown = set(findings) - set(CATEGORIES)
    if unknown or not findings:
        raise ValueError(f"findings must be among {', '.join(CATEGORIES)}, not {sorted(unknown)}")
    folder = csv_folder or root
    needed = (*_IDS, *_PLACE, "height", "width", "split")
    rows = read_rows(folder / BREASTS, (*needed, "breast_birads", "breast_density"))
    of_images: dict[str, list[tuple[str, Row]]] = {}
    for where, row in read_rows(folder / FINDINGS, (*_IDS, "finding_categories", *_CORNERS)):
        of_images.setdefault(required(where, row, "image_id"), []).append((where, row))
    films: dict[str, SourceFilm] = {}
    left_out: list[tuple[str, str]] = []
    for where, row in rows:
        image_id = required(where, row, "image_id")
        found = of_images.pop(image_id, [])
        view = required(where, row, "view_position").upper()
        if image_id in films:
            left_out.append((where, f"row left out: image {image_id} stands there already"))
        elif view not in VIEWS:
            left_out.append((image_id, f"view {view}, neither CC nor MLO"))
        else:
            films[image_id] = _with_findings(_film(root, where, row, view), found, set(findings))
    left_out += [
        (image_id, f"not in {BREASTS}: {len(found)} findings")
        for image_id, found in of_images.items()
    ]
    category = "mass" if tuple(findings) == (MASS,) else "lesion"
    return Source("vindr_mammo", root, tuple(films.values()), category, tuple(left_out))


def _film(root: Path, where: str, row: Row, view: str) -> SourceFilm:
    study, image_id = required(where, row, "study_id"), required(where, row, "image_id")
    height, width = whole(where, row, "height"), whole(where, row, "width")
    paths = [f"images/{study}/{image_id}{suffix}" for suffix in _SUFFIXES]
    density = optional(row, "breast_density")
    facts = {
        "breast_density": _DENSITIES.get((density or "").upper()),
        "breast_birads": _grade(row, "breast_birads"),
    }
    return SourceFilm(
        image_id,
        next((path for path in paths if (root / path).is_file()), None),
        study,
        side_of(where, required(where, row, "laterality")),
        view,
        split_of(where, row),
        size=None if height is None or width is None else (height, width),
        facts={key: value for key, value in facts.items() if value is not None},
    )


def _with_findings(
    film: SourceFilm, rows: Sequence[tuple[str, Row]], wanted: Collection[str]
) -> SourceFilm:
    lesions: list[SourceLesion] = []
    notes: list[tuple[str, str]] = []
    for where, row in rows:
        categories = _categories(where, row)
        told = row.get("laterality", film.laterality), row.get("view_position", film.view)
        if told != (film.laterality, film.view):
            notes.append(
                ("CSVs disagree", f"{' '.join(told)} in {FINDINGS}; {BREASTS} is believed")
            )
        if not wanted.intersection(categories):
            if categories != [NO_FINDING]:
                notes.append(("other finding", ", ".join(categories)))
            continue
        corners = [number(where, row, key) for key in _CORNERS]
        box = None if None in corners else tuple(corners)
        facts = {"finding_categories": categories, "finding_birads": _grade(row, "finding_birads")}
        lesions.append(SourceLesion(str(len(lesions) + 1), box, facts=facts))
    # Every image has a row, with or without a finding: else the table is cut off.
    lost = () if rows else (f"no row in {FINDINGS}",)
    return replace(film, lesions=tuple(lesions), notes=tuple(notes), lost=lost)


def _grade(row: Row, key: str) -> str | None:
    """ "BI-RADS 4" -> "4"; None where nothing is stated, as for changes of the skin."""
    cell = optional(row, key)
    return None if cell is None else cell.upper().removeprefix("BI-RADS").strip()


def _categories(where: str, row: Row) -> list[str]:
    """The categories of a finding, a Python list in a text: "['Mass', 'Skin Retraction']"."""
    cell = row["finding_categories"]
    try:
        value = ast.literal_eval(cell)
    except (ValueError, SyntaxError):
        value = None
    known = (*CATEGORIES, NO_FINDING)
    if not isinstance(value, list) or not value or any(item not in known for item in value):
        raise ValueError(
            f"{where}: finding_categories is {cell!r}, expected a list such as ['{MASS}'] of "
            f"{', '.join(known)}"
        )
    return value
