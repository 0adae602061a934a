"""Made-up CSVs in the form of the released ones, and a small download with planted faults."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from agn_d2.phantom.cbis_fixture.build import build_fixture
from agn_d2.prepare.cbis_ddsm.tables import TYPES, csv_name

COLUMNS = (
    "patient_id,{density},left or right breast,image view,abnormality id,abnormality type,"
    "{facts},assessment,pathology,subtlety,image file path,cropped image file path,"
    "ROI mask file path"
)
FACTS = {"mass": "mass shape,mass margins", "calc": "calc type,calc distribution"}


def uid(text: str) -> str:
    """A UID in the form of the released ones."""
    number = int(hashlib.sha256(text.encode()).hexdigest(), 16)
    return f"1.3.6.1.4.1.9590.100.1.2.{str(number)[:39]}"


def csv_row(subset, split, patient, side, view, abnormality, *, shape="OVAL", two_series=False):
    """A row; as released, one of its paths ends in a newline."""
    name = f"{subset.title()}-{'Training' if split == 'train' else 'Test'}_{patient}_{side}_{view}"
    image = f"{name}/{uid(name)}/{uid(name + 'i')}/000000.dcm"
    roi = f"{name}_{abnormality}"
    study, series = uid(roi), uid(roi + "s")
    crop = f"{roi}/{study}/{series}/000000.dcm"
    if two_series:
        mask = f"{roi}/{uid(roi + 't')}/{uid(roi + 'm')}/000000.dcm"
    else:
        mask = f"{roi}/{study}/{series}/000001.dcm"
    return (
        f"{patient},2,{side},{view},{abnormality},{TYPES[subset]},{shape},N/A,4,MALIGNANT,3,"
        f'{image},{crop},"{mask}\n"\r\n'
    )


def write_csvs(folder: Path, rows: dict[tuple[str, str], list[str]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for (subset, split), lines in rows.items():
        density = "breast_density" if subset == "mass" else "breast density"
        header = COLUMNS.format(density=density, facts=FACTS[subset])
        text = header + "\r\n" + "".join(lines)
        (folder / csv_name(subset, split)).write_bytes(text.encode())


def made_up_rows() -> dict[tuple[str, str], list[str]]:
    """Rows of 22 mass films (11 of them with two findings) and six calcification films."""
    rows = {(s, t): [] for s in ("mass", "calc") for t in ("train", "test")}
    number = 0
    for patient in range(11):
        split = "test" if patient >= 8 else "train"
        for view in ("CC", "MLO"):
            # Every other film gets faults of its own; the findings' faults go to the rest.
            findings = 2 if number % 2 == 0 else 1
            for abnormality in range(1, findings + 1):
                row = csv_row(
                    "mass",
                    split,
                    f"P_{patient:05d}",
                    "LEFT",
                    view,
                    abnormality,
                    shape=("OVAL", "ROUND")[abnormality - 1],
                    two_series=patient == 10,
                )
                rows["mass", split].append(row)
            number += 1
    for patient, split, side, view in (
        ("P_00000", "train", "RIGHT", "CC"),  # contralateral view
        ("P_00000", "train", "LEFT", "CC"),  # there already
        ("P_00009", "train", "RIGHT", "CC"),  # would leak
        ("P_00042", "train", "LEFT", "CC"),  # another patient
        ("P_00010", "test", "RIGHT", "MLO"),
        ("P_00043", "test", "LEFT", "CC"),
    ):
        rows["calc", split].append(csv_row("calc", split, patient, side, view, 1))
    return rows


@pytest.fixture(scope="session")
def fixture(tmp_path_factory) -> tuple[Path, dict]:
    """(folder with download/ and csv/, manifest) of a download with every fault."""
    folder = tmp_path_factory.mktemp("cbis")
    rows = made_up_rows()
    write_csvs(folder / "rows", rows)
    patients = {line.split(",")[0] for lines in rows.values() for line in lines}
    manifest = build_fixture(folder / "rows", folder / "fixture", sorted(patients))
    assert json.loads((folder / "fixture" / "manifest.json").read_text()) == manifest
    return folder / "fixture", manifest


@pytest.fixture(scope="session")
def small_fixture(tmp_path_factory) -> Path:
    """A download of six small films without faults."""
    folder = tmp_path_factory.mktemp("small")
    rows = {
        ("mass", "train"): [
            csv_row("mass", "train", f"P_{p:05d}", "LEFT", view, 1)
            for p in range(2)
            for view in ("CC", "MLO")
        ],
        ("mass", "test"): [csv_row("mass", "test", "P_00002", "RIGHT", "CC", 1)],
        ("calc", "train"): [csv_row("calc", "train", "P_00003", "LEFT", "CC", 1)],
        ("calc", "test"): [csv_row("calc", "test", "P_00002", "LEFT", "CC", 1)],
    }
    write_csvs(folder / "rows", rows)
    patients = [f"P_{p:05d}" for p in range(4)]
    build_fixture(folder / "rows", folder / "fixture", patients, height=320, faults=False)
    return folder / "fixture"
