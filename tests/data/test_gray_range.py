import logging

import numpy as np
import pytest
from detectron2.data import DatasetCatalog

from agn_d2.data import gray_range
from agn_d2.data.build import load_cases
from agn_d2.data.gray_range import LOOKED_AT, warn_of_narrow_range
from agn_d2.images import read_gray

from ..dicom.dicom_files import film, mammogram, write


@pytest.fixture(autouse=True)
def afresh(monkeypatch, caplog):
    monkeypatch.setattr(gray_range, "_looked_through", set())
    caplog.set_level(logging.WARNING, logger="agn_d2")


def _record(number, top, dtype=np.uint16, **keys):
    pixels = np.array([[0, top]], dtype)
    return {"file_name": f"{number}.png", "pixels": pixels} | keys


def test_12_bits_are_told_in_one_line_with_a_count(caplog):
    records = [_record(n, 4095 if n % 2 else 65535) for n in range(LOOKED_AT)]
    warn_of_narrow_range(records, "mine")
    (record,) = caplog.records
    assert record.getMessage().startswith("mine: 4 of 8 images looked at are of 16 bits")
    for part in ("no value above 4095", "the first: 1.png", "16 times too dark", '"bits": 12'):
        assert part in record.getMessage()


def test_a_data_set_is_looked_through_once_and_evenly(caplog, monkeypatch):
    seen = []
    monkeypatch.setattr(
        gray_range, "record_pixels", lambda r: seen.append(r["file_name"]) or r["pixels"]
    )
    records = [_record(n, 3000) for n in range(80)]
    for _ in range(3):
        warn_of_narrow_range(records, "mine")
    assert seen == [f"{n}.png" for n in range(0, 80, 10)]
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    "record",
    [_record(0, 4095, bits=12), _record(0, 65535), _record(0, 15, np.uint8)],
    ids=["bits stated", "full range", "8 bits"],
)
def test_nothing_is_said_where_nothing_is_conspicuous(caplog, record):
    warn_of_narrow_range([record], "mine")
    assert not caplog.records


def test_an_image_that_cannot_be_read_is_passed_over(caplog):
    warn_of_narrow_range([{"file_name": "none.png"}, _record(1, 16383)], "mine")
    assert "1 of 1 images" in caplog.text and '"bits": 14' in caplog.text


def test_a_dark_dicom_file_does_not_want_bits(caplog, tmp_path):
    dark = mammogram(film(top=511))  # of 12 bits: an eighth of full scale
    record = {"file_name": str(write(tmp_path / "a.dcm", dark))}
    assert read_gray(record["file_name"]).max() < 1 << 14
    warn_of_narrow_range([record], "mine")
    assert not caplog.records


def test_loading_cases_warns(caplog):
    view = {"patient_id": "P1", "laterality": "L", "view": "CC", "height": 1, "width": 2}
    DatasetCatalog.register("dim", lambda: [_record(0, 4095) | view])
    try:
        load_cases(["dim"])
    finally:
        DatasetCatalog.remove("dim")
    assert "dim: 1 of 1 images looked at" in caplog.text
