"""Files to examinations: what belongs together, what stands for a view, what is left out."""

import errno
import io
import logging
import os

import cv2
import numpy as np
import pytest
from pydicom.uid import RLELossless

import agn_d2
from agn_d2.data.examination import Examination
from agn_d2.data.examination_files import find_examinations, read_examination
from agn_d2.data.file_names import parse_name
from agn_d2.dicom.acceptance import Wishes
from agn_d2.dicom.tone import Tone

from ..dicom.dicom_files import code, film, mammogram, presentation_state, uid, write

ANTERIOR = code("441752004", "SCT")
VIEWS = (("L", "CC"), ("L", "MLO"), ("R", "CC"), ("R", "MLO"))


def write_view(folder, side, view, name=None, seed=0, **tags):
    tags = {"ImageLaterality": side, "ViewPosition": view, "SOPInstanceUID": None} | tags
    tags["SOPInstanceUID"] = tags["SOPInstanceUID"] or uid(name or f"{side}{view}")
    data = mammogram(tags.pop("pixels", film(seed, 64, 48)), **tags)
    return write(folder / (name or f"IM_{side}{view}"), data)


@pytest.fixture
def folder(tmp_path):
    """Four views of one study, named as scanners name files."""
    for number, (side, view) in enumerate(VIEWS):
        write_view(tmp_path / "study", side, view, seed=number)
    return tmp_path / "study"


def reasons(examination):
    return {one.path.rsplit("/", 1)[1]: (one.reason, one.bad) for one in examination.left_out}


def test_four_views_by_their_headers(folder):
    examination = agn_d2.read_examination(folder)
    assert isinstance(examination, Examination)
    assert list(examination.images) == ["L-CC", "L-MLO", "R-CC", "R-MLO"]
    image = examination.images["R-CC"]
    assert image.path.endswith("IM_RCC") and (image.laterality, image.view) == ("R", "CC")
    assert np.array_equal(image.pixels, np.round(film(2, 64, 48) / 4095 * 65535))
    assert examination.left_out == ()
    # A name that the same files always give, and that tells no patient.
    assert examination.name == read_examination(sorted(folder.iterdir())[::-1]).name
    assert "SECRET" not in examination.name


def test_other_files_of_a_folder_are_passed_over(folder):
    (folder / "notes.txt").write_text("a letter")
    (folder / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    assert read_examination(folder).left_out == ()


def test_what_is_no_standard_view_is_left_out_with_the_reason(folder):
    write_view(folder, "L", "XCCL")
    write_view(folder, "L", "ML")
    write_view(folder, "R", "CC", "spot", ViewPosition="CC SPOT")
    write_view(folder, "R", None, "nowhere")
    examination = read_examination(folder)
    assert reasons(examination) == {
        "IM_LXCCL": ("view XCCL, neither CC nor MLO", False),
        "IM_LML": ("view ML; taken for MLO only when asked", False),
        "spot": ("a spot view", False),
        "nowhere": ("no tag tells the view", True),
    }
    assert len(examination.images) == 4


def test_ml_is_taken_for_mlo_when_asked_and_a_true_mlo_comes_first(folder):
    write_view(folder, "L", "ML", pixels=film(0, 128, 96))
    wishes = Wishes(lateral=True)
    examination = read_examination(folder, wishes=wishes)
    assert examination.images["L-MLO"].path.endswith("IM_LMLO")
    assert reasons(examination)["IM_LML"] == (
        "L-MLO is read from IM_LMLO, which is a view of its own name",
        False,
    )
    (folder / "IM_LMLO").unlink()
    taken = read_examination(folder, wishes=wishes).images["L-MLO"]
    assert taken.path.endswith("IM_LML") and taken.marks == ("view ML",)


@pytest.mark.parametrize(
    ("better", "worse", "said"),
    [
        ({}, {"PresentationIntentType": "FOR PROCESSING"}, "for presentation"),
        ({}, {"ImageType": ["DERIVED", "PRIMARY", "TOMO", "GENERATED_2D"]}, "no synthetic one"),
        ({}, {"PartialView": "YES", "pixels": film(0, 128, 96)}, "no partial one"),
        ({}, {"ViewModifierCodeSequence": [ANTERIOR], "InstanceNumber": 9}, "no additional one"),
        ({"pixels": film(0, 65, 48), "AcquisitionDate": "20200101"}, {}, "larger"),
        (
            {"AcquisitionDate": "20200101", "AcquisitionTime": "101500"},
            {"AcquisitionDate": "20200101", "AcquisitionTime": "091500"},
            "later",
        ),
        ({"InstanceNumber": 2}, {"InstanceNumber": 1}, "later in its series"),
    ],
)
@pytest.mark.parametrize("names", ["ab", "ba"])
def test_one_image_a_view(tmp_path, better, worse, said, names):
    write_view(tmp_path, "L", "CC", names[0], **better)
    write_view(tmp_path, "L", "CC", names[1], **worse)
    examination = read_examination(tmp_path, wishes=Wishes(for_processing=True))
    assert examination.images["L-CC"].path.endswith(names[0])
    assert reasons(examination)[names[1]] == (
        f"L-CC is read from {names[0]}, which is {said}",
        False,
    )


def test_a_damaged_image_gives_way_to_the_next_one_of_its_view(tmp_path):
    broken = mammogram(film(0, 128, 96), SOPInstanceUID=uid("broken"))
    broken.compress(RLELossless, generate_instance_uid=False)
    path = write(tmp_path / "large", broken)
    path.write_bytes(path.read_bytes()[:-3000])
    write_view(tmp_path, "L", "CC", "small")
    examination = read_examination(tmp_path)
    assert examination.images["L-CC"].path.endswith("small")
    (left,) = examination.left_out
    assert left.bad and left.path.endswith("large") and str(left).startswith(f"{left.path}: ")


def test_bad_files_are_named_and_the_rest_is_read(folder, caplog):
    (folder / "fake.dcm").write_text("no film")
    (folder / "empty.dcm").write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        examination = read_examination(folder)
    assert len(examination.images) == 4
    assert reasons(examination) == {
        "fake.dcm": ("no DICOM file: the mark DICM is missing", True),
        "empty.dcm": ("an empty file", True),
    }
    assert "fake.dcm: no DICOM file" in caplog.text and "empty.dcm" in caplog.text


def test_objects_without_pictures_are_no_bad_files(folder, caplog):
    """Archives hold reports and presentation states beside the images of a study."""
    write(folder / "state.dcm", presentation_state())
    with caplog.at_level(logging.WARNING):
        examination = read_examination(folder)
    assert len(examination.images) == 4 and not caplog.messages
    assert reasons(examination) == {
        "state.dcm": ("no pixels (Grayscale Softcopy Presentation State Storage)", False)
    }


def test_what_cannot_be_looked_at_is_no_silent_loss(folder, monkeypatch):
    """A file without a suffix, and a folder, as on a network drive that fails."""
    write_view(folder / "inner", "L", "CC", "more")
    reading, listing = io.open, os.scandir
    failing = {str(folder / "IM_RCC"), str(folder / "inner")}

    def check(path):
        if str(path) in failing:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    monkeypatch.setattr("builtins.open", lambda p, *a, **k: check(p) or reading(p, *a, **k))
    monkeypatch.setattr("os.scandir", lambda p: check(p) or listing(p))
    examination = read_examination(folder)
    assert list(examination.images) == ["L-CC", "L-MLO", "R-MLO"]
    said = os.strerror(errno.EIO)
    assert reasons(examination) == {
        "IM_RCC": (said, True),
        "inner": (f"cannot be listed: {said}", True),
    }
    failing.add(str(folder))
    with pytest.raises(OSError, match=said):
        read_examination(folder)


def test_links_to_folders_are_followed_and_files_of_macos_passed_over(folder, tmp_path):
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "patient").symlink_to(folder)
    (folder / "again").symlink_to(tmp_path / "archive")
    (folder / "._IM_LCC.dcm").write_bytes(b"\0\5\x16\7" * 50)
    examination = read_examination(tmp_path / "archive")
    assert len(examination.images) == 4 and examination.left_out == ()


def test_links_whose_targets_are_missing_are_no_silent_loss(folder, tmp_path):
    """As in a store of files of which a part was fetched."""
    (folder / "IM_RCC").rename(tmp_path / "fetched")
    (folder / "IM_RCC").symlink_to(tmp_path / "fetched")
    (folder / "IM_RMLO").unlink()
    (folder / "IM_RMLO").symlink_to(tmp_path / "not_fetched")
    (folder / "P_LEFT_CC.png").symlink_to(tmp_path / "not_fetched.png")
    examination = read_examination(folder)
    assert list(examination.images) == ["L-CC", "L-MLO", "R-CC"]
    missing = (os.strerror(errno.ENOENT), True)
    assert reasons(examination) == {"IM_RMLO": missing, "P_LEFT_CC.png": missing}


def test_two_patients_in_one_folder(folder):
    write_view(folder, "L", "CC", "other", PatientID="ANOTHER")
    with pytest.raises(ValueError, match="files of 2 patients or studies") as caught:
        read_examination(folder)
    assert "SECRET" not in str(caught.value) and "other" in str(caught.value)
    examinations, strays = find_examinations(folder)
    assert [len(one.paths) for one in examinations] == [4, 1] and strays == []
    write_view(folder, "L", "CC", "prior", StudyInstanceUID="1.2.3")
    assert len(find_examinations(folder)[0]) == 3


def test_masks_of_cbis_ddsm_do_not_stand_for_its_films(tmp_path):
    """They tell the same view, have the size of the film, and were stored later."""
    name = "Mass-Test_P_00001_LEFT_CC"
    tags = {"ViewPosition": None, "PatientOrientation": "CC", "Modality": "MG"}
    write_view(tmp_path, "L", "CC", "film", PatientID=name, StudyDate="20160720", **tags)
    write_view(tmp_path, "L", "CC", "mask", PatientID=f"{name}_1", StudyDate="20170829", **tags)
    examination = read_examination(tmp_path)
    assert examination.images["L-CC"].path.endswith("film")
    assert reasons(examination) == {"mask": ("a crop or a mask of a lesion, no film", False)}


def test_images_that_name_nobody_belong_together_by_folder(tmp_path):
    """Patients that were made anonymous by emptying the tags must not become one."""
    for patient in ("x", "y"):
        for view in ("CC", "MLO"):
            nobody = {"PatientID": "", "StudyInstanceUID": None}
            write_view(tmp_path / patient, "L", view, **nobody)
    examinations, strays = find_examinations(tmp_path)
    assert [len(one.candidates) for one in examinations] == [2, 2] and strays == []
    # The same images, so the same UIDs, under two names.
    assert len({one.name for one in examinations}) == 2
    with pytest.raises(ValueError, match="files of 2 patients or studies"):
        read_examination(tmp_path)


def test_png_by_name(tmp_path):
    pixels = film(0, 64, 48)
    for name in ("a_LEFT_CC.png", "a_R_MLO.png"):
        assert cv2.imwrite(str(tmp_path / name), pixels)
    examination = read_examination(tmp_path)
    assert examination.name == "a" and list(examination.images) == ["L-CC", "R-MLO"]
    assert np.array_equal(examination.images["L-CC"].pixels, pixels)
    assert cv2.imwrite(str(tmp_path / "left.png"), pixels)
    (left,) = read_examination(tmp_path).left_out
    assert left.bad and left.reason == "the name must be <case>_<LEFT|RIGHT>_<CC|MLO>"


def test_the_same_case_name_in_two_folders_is_two_examinations(tmp_path):
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        assert cv2.imwrite(str(tmp_path / folder / "a_L_CC.png"), film(0, 64, 48))
    names = [one.name for one in find_examinations(tmp_path)[0]]
    assert len(set(names)) == 2 and all(name.startswith("a-") for name in names)


def test_names(tmp_path):
    assert parse_name("x/b_x_R_CC.png") == ("b_x", "R", "CC")
    assert parse_name(tmp_path / "woman" / "lmlo.tif") == ("woman", "L", "MLO")
    with pytest.raises(ValueError, match=r"RCL\.png: the name must be"):
        parse_name("RCL.png")


def test_the_case_of_a_link_is_the_folder_that_it_lies_in(tmp_path):
    for folder in ("store", "woman"):
        (tmp_path / folder).mkdir()
    (tmp_path / "store" / "0a1b2c").touch()
    link = tmp_path / "woman" / "L_CC.png"
    link.symlink_to("../store/0a1b2c")
    assert parse_name(link) == ("woman", "L", "CC")


def test_the_tone_is_kept(folder):
    write_view(folder, "L", "CC", "IM_LCC", WindowCenter="1000", WindowWidth="500")
    shown = read_examination(folder)
    full = read_examination(folder, tone=Tone("full_scale"))
    assert shown.tone == Tone() and full.tone == Tone("full_scale")
    assert shown.images["L-CC"].notes == ("window 1000/500 LINEAR",)
    assert not np.array_equal(shown.images["L-CC"].pixels, full.images["L-CC"].pixels)


def test_nothing_to_read(tmp_path):
    with pytest.raises(FileNotFoundError, match="none: no such file or folder"):
        read_examination(tmp_path / "none")
    with pytest.raises(ValueError, match="no images in this folder"):
        read_examination(tmp_path)
    with pytest.raises(ValueError, match="no files given"):
        read_examination([])
    write_view(tmp_path, "L", "XCCL")
    with pytest.raises(ValueError, match="no view of an examination.*view XCCL, neither"):
        read_examination(tmp_path)
