import cv2
import numpy as np
import pytest

from agn_d2.landmarks import batch
from agn_d2.landmarks.batch import extract, view_from_name
from agn_d2.landmarks.detect import METHODS, detect_landmarks

from ..dicom.dicom_files import mammogram, write


@pytest.mark.parametrize(
    ("name", "view"),
    [
        ("00001_LEFT_MLO.jpg", "MLO"),
        ("Mass-Training_P_00001_LEFT_CC.png", "CC"),
        ("x/MLO/rcc.png", "CC"),
        ("p1-LMLO-2.png", "MLO"),
        ("accident.png", None),
        ("CCMLO.png", None),
        ("a_CC_MLO.png", None),
    ],
)
def test_view_from_name(name, view):
    assert view_from_name(name) == view


@pytest.fixture
def folder(tmp_path, cc, mlo):
    cv2.imwrite(str(tmp_path / "a_CC.png"), cc.image)
    cv2.imwrite(str(tmp_path / "b_MLO.png"), mlo.image[:, ::-1])
    (tmp_path / "c_CC.png").write_bytes(b"no image")
    (tmp_path / "d_CC.png").write_bytes(b"")
    return tmp_path


def test_files_in_order_and_unreadable_ones_named(folder, cc):
    paths = sorted(folder.iterdir()) + [folder / "missing_MLO.png"]
    result = extract(paths)
    assert list(result.landmarks) == [str(folder / "a_CC.png"), str(folder / "b_MLO.png")]
    first, second = result.landmarks.values()
    assert first.to_dict() == detect_landmarks(cc.image, "CC").to_dict()
    assert (second.view, second.chest_wall) == ("MLO", "right")
    assert result.status_counts() == {("CC", "ok"): 1, ("MLO", "ok"): 1}
    assert len(result.failures) == 3
    for path, reason in result.failures.items():
        assert path in reason


def test_two_workers_do_what_one_does(folder):
    paths = [folder / "b_MLO.png", folder / "a_CC.png", folder / "c_CC.png"]
    one, two = extract(paths), extract(paths, workers=2)
    assert list(one.landmarks) == list(two.landmarks)
    for path in one.landmarks:
        assert one.landmarks[path].to_dict() == two.landmarks[path].to_dict()
    assert one.failures == two.failures


def test_views_given_in_other_ways(folder):
    path = str(folder / "a_CC.png")
    for views in ("MLO", ["MLO"], {path: "MLO"}):
        assert extract([path], views).landmarks[path].view == "MLO"
    with pytest.raises(ValueError, match="1 images, but 2 views"):
        extract([path], ["CC", "CC"])


def test_files_of_unknown_view_are_skipped_and_named(folder):
    paths = [str(folder / name) for name in ("one.png", "a_CC.png", "two.png")]
    result = extract(paths)
    assert list(result.landmarks) == paths[1:2]
    assert list(result.failures) == [paths[0], paths[2]]
    assert "one.png names no view; CC and MLO have landmarks" in result.failures[paths[0]]
    result = extract(paths[1:], ["CC", "ML"])
    assert "two.png is a view ML; CC and MLO have landmarks" in result.failures[paths[2]]


def test_no_view_at_all_is_an_error():
    with pytest.raises(ValueError, match=r"2 image.*one\.png, two\.png"):
        extract(["one.png", "two.png"])


def test_negatives_and_dim_images_are_counted_in_one_line_each(folder, cc, caplog):
    for number in range(3):
        cv2.imwrite(str(folder / f"n{number}_CC.png"), 255 - cc.image)
        cv2.imwrite(str(folder / f"t{number}_CC.png"), cc.image.astype(np.uint16) * 16)
    with caplog.at_level("WARNING", logger="agn_d2"):
        result = extract([p for p in sorted(folder.iterdir()) if p.name[0] in "ant"])
    inverted, dim = (r.getMessage() for r in caplog.records)
    assert "3 of 7 images look inverted" in inverted and "n0_CC.png" in inverted
    assert "3 of 7 images" in dim and '"bits": 12' in dim
    assert set(result.bits.values()) == {12}


def test_a_dark_dicom_file_does_not_want_bits(tmp_path, cc, caplog):
    """Its header states full scale; "bits" beside it would make it too bright."""
    dark = cc.image.astype(np.uint16)  # up to 255 of 4095
    path = str(write(tmp_path / "a.dcm", mammogram(dark)))
    with caplog.at_level("WARNING", logger="agn_d2"):
        result = extract([path])
    assert list(result.landmarks) == [path] and result.bits == {} and not caplog.messages


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), MemoryError("no memory")])
def test_a_file_that_cannot_be_read_now_is_skipped_and_named(folder, monkeypatch, error):
    def fails(path):
        raise error

    monkeypatch.setattr(batch, "read_gray", fails)
    path = str(folder / "a_CC.png")
    assert extract([path]).failures == {path: f"{path}: {error}"}


def test_no_files_no_landmarks():
    assert extract([]).landmarks == {}
    with pytest.raises(ValueError, match="workers"):
        extract([], workers=0)


def test_the_method_reaches_the_detector(folder, cc):
    path = str(folder / "a_CC.png")
    for method in METHODS:
        found = extract([path], method=method).landmarks[path]
        assert found.to_dict() == detect_landmarks(cc.image, "CC", method).to_dict()
    with pytest.raises(ValueError, match="'hough'"):
        extract([path], method="hough")
