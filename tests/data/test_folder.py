"""A folder of mammograms whose names tell case, side and view."""

import cv2
import numpy as np
import pytest

from agn_d2.data.cases import group_cases
from agn_d2.data.folder import read_folder


@pytest.fixture
def folder(tmp_path):
    ys, xs = np.mgrid[:120, :80]
    breast = ((xs / 60) ** 2 + ((ys - 60) / 50) ** 2 < 1).astype(np.uint8) * 150
    for name in ("a_LEFT_CC", "a_LEFT_MLO", "b_x_R_CC"):
        assert cv2.imwrite(str(tmp_path / f"{name}.png"), breast)
    return tmp_path


def test_names_make_cases(folder):
    cases = {case.case_id: case for case in group_cases(read_folder(folder))}
    assert {name: len(case) for name, case in cases.items()} == {"a": 2, "b_x": 1}
    assert cases["a"].auxiliary == (1, 0)
    assert cases["b_x"].images[0]["laterality"] == "R"
    assert cases["a"].images[1]["landmarks"].view == "MLO"


def test_without_a_case_the_folder_is_the_case(folder, tmp_path):
    other = tmp_path / "woman"
    other.mkdir()
    (folder / "a_LEFT_CC.png").rename(other / "RCC.png")
    (image,) = read_folder(other)
    assert (image["patient_id"], image["laterality"], image["view"]) == ("woman", "R", "CC")


def test_bad_folders(folder, tmp_path):
    with pytest.raises(ValueError, match="no images"):
        read_folder(tmp_path / "none")
    (folder / "a_LEFT_CC.png").rename(folder / "left.png")
    with pytest.raises(ValueError, match=r"not so: left\.png"):
        read_folder(folder)
    (folder / "left.png").unlink()
    (folder / "c_L_CC.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"c_L_CC\.png cannot be read"):
        read_folder(folder)
