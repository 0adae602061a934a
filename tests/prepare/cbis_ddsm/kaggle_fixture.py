"""Kaggle's archive of CBIS-DDSM, made of the release's fixture with all its faults."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
from pydicom.errors import InvalidDicomError

from agn_d2.dicom.dataset import read_dataset
from agn_d2.phantom.cbis_fixture.build import build_fixture
from agn_d2.phantom.cbis_fixture.files import CROPPED, FULL, ROI
from agn_d2.prepare.cbis_ddsm.content import MASK, kind_of
from agn_d2.prepare.cbis_ddsm.dicom import UnreadableDicom, read_picture

from .conftest import made_up_rows, write_csvs

QUALITY = 90
COLUMNS = ["file_path", "image_path", "PatientID", "SeriesDescription", "SeriesInstanceUID"]
COLUMNS += ["StudyInstanceUID", "BitsStored"]
# Every so many files: no description, no row.
UNDESCRIBED, UNLISTED = 7, 13


def build_kaggle(folder: Path) -> dict:
    """Write ``archive/{csv,jpeg}``; returns the manifest of the release's fixture."""
    rows = made_up_rows()
    write_csvs(folder / "rows", rows)
    patients = {line.split(",")[0] for lines in rows.values() for line in lines}
    manifest = build_fixture(folder / "rows", folder / "release", sorted(patients))
    archive, table = folder / "archive", []
    (folder / "release" / "csv").rename(_made(archive / "csv"))
    for number, path in enumerate(sorted((folder / "release" / "download").rglob("*.dcm"))):
        header = _header(path)
        # The numbers in the names of Kaggle's files tell nothing.
        name = f"{1 + number % 2}-{(number * 37) % 1000:03d}"
        place = f"jpeg/{header['SeriesInstanceUID']}/{name}.jpg"
        _made(archive / place).write_bytes(_jpeg(path))
        if number % UNDESCRIBED == 3:
            header["SeriesDescription"] = ""
        if number % UNLISTED != 5:
            header["file_path"] = f"CBIS-DDSM/dicom/x/{name}.dcm"
            table.append(header | {"image_path": f"CBIS-DDSM/{place}"})
    table.append(table[0] | {"image_path": "CBIS-DDSM/jpeg/1.2.3/1-001.jpg"})
    with (archive / "csv" / "dicom_info.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(table)
    return manifest


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _header(path: Path) -> dict[str, str]:
    """What of the header stands in the table; of a file that is none, what its folders tell."""
    try:
        data = read_dataset(path, pixels=False)
    except InvalidDicomError:
        data = read_dataset(next(p for p in path.parent.iterdir() if p != path), pixels=False)
    header = {key: str(data[key].value) for key in COLUMNS[2:]}
    if header["SeriesDescription"] != FULL and (kind := _kind(path)) != "bad":
        # In the archive each file has a description of its own.
        header["SeriesDescription"] = ROI if kind == MASK else CROPPED
    return header


def _kind(path: Path) -> str:
    try:
        return kind_of(read_picture(path).values)
    except UnreadableDicom:
        return "bad"


def _jpeg(path: Path) -> bytes:
    """The picture in 8 bits; of a damaged file the first half."""
    try:
        picture = read_picture(path)
    except UnreadableDicom:
        noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
        data = cv2.imencode(".jpg", noise)[1].tobytes()
        return data[: len(data) // 2]
    values = (picture.values >> (picture.bits - 8)).astype(np.uint8)
    return cv2.imencode(".jpg", values, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
