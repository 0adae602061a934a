"""One film of the release from its files to a record."""

import cv2
import numpy as np
import pytest

from agn_d2.prepare.cbis_ddsm.film import FilmTask, prepare_film
from agn_d2.prepare.cbis_ddsm.tables import Film, Finding, SeriesRef
from agn_d2.prepare.core_film import FilmOptions

from ...dicom.dicom_files import film

REF = SeriesRef("A", "1.1", "1.2", "000000.dcm")
PLACE = ("mass", "train", "P_1", "L", "CC")


@pytest.mark.parametrize("crop", [True, False])
def test_a_finding_outside_of_the_crop_is_lost(tmp_path, crop):
    """The breast reaches to x = 75; training refuses a file with a box outside of its image."""
    values = film()
    mask = np.zeros(values.shape, np.uint8)
    mask[5:15, 140:148] = 255
    assert cv2.imwrite(str(tmp_path / "film.png"), values)
    assert cv2.imwrite(str(tmp_path / "mask.png"), mask)
    finding = Finding(*PLACE, 1, {"pathology": "BENIGN"}, REF, REF, REF, "line 2")
    task = FilmTask(
        Film("A", *PLACE, REF, (finding,)),
        str(tmp_path),
        ("film.png",),
        (("mask.png",),),
        (("mask.png",),),
    )
    (tmp_path / "work" / "tiles").mkdir(parents=True)
    record = prepare_film(task, FilmOptions(crop=crop, clean=False), tmp_path)
    (item,) = record["findings"]
    assert record["entry"]["width"] < 140 if crop else record["entry"]["width"] == 150
    if crop:
        assert (item["method"], item["annotation"]) == ("lost", None)
        assert "outside of the crop" in item["notes"][-1]["detail"]
    else:
        assert item["annotation"]["bbox"] == [140, 5, 8, 10]
