"""Files of a download sorted into series."""

import pytest

from agn_d2.prepare.cbis_ddsm.index import SeriesByFolder, index_files, list_dicom
from agn_d2.prepare.cbis_ddsm.tables import SeriesRef

IMAGE = SeriesRef("Mass-Training_P_1_LEFT_CC", "1.9.311111", "1.9.422222", "000000.dcm")
MASK = SeriesRef("Mass-Training_P_1_LEFT_CC_1", "1.9.333333", "1.9.444444", "000001.dcm")
NBIA = "CBIS-DDSM/Mass-Training_P_1_LEFT_CC_1/07-20-2016-DDSM-33333/1.000000-ROI mask images-44444"


@pytest.mark.parametrize(
    ("path", "uid"),
    [
        (IMAGE.path, IMAGE.series_uid),
        (f"a/b/{MASK.path}", MASK.series_uid),
        (f"{MASK.series_uid}/x.dcm", MASK.series_uid),
        (f"{NBIA}/1-2.dcm", MASK.series_uid),
        (f"{NBIA.replace('44444', '22222')}/1-2.dcm", None),
        (f"{NBIA.replace('CC_1', 'CC_2')}/1-2.dcm", None),
        (f"{NBIA.replace('33333', '33334')}/1-2.dcm", None),
        ("Mass-Training_P_1_LEFT_CC/1.9.3/1.9.5/000000.dcm", None),
        ("1-1.dcm", None),
        ("a/b/1-1.dcm", None),
    ],
)
def test_folders_of_both_layouts_name_their_series(path, uid):
    assert SeriesByFolder([IMAGE, MASK])(path) == uid


def test_series_that_look_alike_are_refused():
    twin = SeriesRef(IMAGE.folder, "1.8.11111", "1.8.22222", "000000.dcm")
    with pytest.raises(ValueError, match="same folder name"):
        SeriesByFolder([IMAGE, twin])


def test_the_header_is_believed_before_the_folder():
    series = SeriesByFolder([IMAGE, MASK])
    paths = [IMAGE.path, f"{NBIA}/1-2.dcm", "strange/1-1.dcm", "lost/1-1.dcm", f"{NBIA}/1-1.dcm"]
    headers = {
        paths[0]: MASK.series_uid,
        paths[1]: None,
        paths[2]: IMAGE.series_uid,
        paths[3]: "9.9",
        paths[4]: "9.9",
    }
    index = index_files(paths, series, headers)
    assert [f.path for f in index.of(IMAGE)] == [paths[2]]
    assert {f.path: f.by for f in index.of(MASK)} == {
        paths[0]: "header",
        paths[1]: "folder",
        paths[4]: "folder",
    }
    assert len(index.of(MASK, MASK)) == 3
    assert index.misplaced == [paths[0]]
    assert index.unknown == [paths[3]]
    assert index.counts() == {"by header": 2, "by folder": 2, "misplaced": 1, "unknown": 1}


def test_a_root_without_the_data_set_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no such folder"):
        list_dicom(tmp_path / "none")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "note.txt").touch()
    (tmp_path / "a" / "._1-1.dcm").touch()
    with pytest.raises(ValueError, match=r"no \.dcm file in it"):
        list_dicom(tmp_path)
    (tmp_path / "a" / "1-1.DCM").touch()
    assert list_dicom(tmp_path) == ["a/1-1.DCM"]
    with pytest.raises(ValueError, match=r"none of the 1 files .* a/1-1\.DCM"):
        index_files(["a/1-1.DCM"], SeriesByFolder([IMAGE]), {})
