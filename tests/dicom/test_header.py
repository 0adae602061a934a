"""Facts of headers, and which images are left out."""

import pytest

from agn_d2.dicom.acceptance import UnknownView, Wishes, reason_to_leave_out, view_of
from agn_d2.dicom.faults import NoPicture, UnreadableDicom
from agn_d2.dicom.header import header_of, read_header
from agn_d2.dicom.reader import read_dicom
from agn_d2.dicom.report_sr import ReportedImage, structured_report

from .dicom_files import PROCESSING, code, film, mammogram, with_odd_texts, write

SPOT = code("399162004", "SCT", ViewModifierCodeSequence=[code("399055006", "SCT")])


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({}, None),
        ({"BreastImplantPresent": "YES"}, None),
        ({"ImageType": ["DERIVED", "PRIMARY", "TOMOSYNTHESIS", "GENERATED_2D"]}, None),
        ({"ViewPosition": "MLOID"}, None),
        ({"Modality": "CR"}, None),
        ({"PresentationIntentType": None, "Modality": "RG"}, None),
        ({"ViewPosition": "ML"}, "view ML; taken for MLO only when asked"),
        ({"ViewPosition": "LM"}, "view LM; taken for MLO only when asked"),
        ({"ViewPosition": "XCCL"}, "view XCCL, neither CC nor MLO"),
        ({"ViewPosition": "FB"}, "view FB, neither CC nor MLO"),
        ({"ViewCodeSequence": [SPOT]}, "a spot view"),
        ({"PaddleDescription": "10CM MAG"}, "a magnification view"),
        ({"EstimatedRadiographicMagnificationFactor": "1.8"}, "a magnification view"),
        ({"ViewPosition": "CLEAVAGE"}, "a cleavage view"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "STEREO_SCOUT"]}, "a stereotactic film"),
        ({"ImageType": ["DERIVED", "PRIMARY", "STEREO", "LEFT"]}, "a stereotactic film"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "POSTFIRE_PLUS"]}, "a stereotactic film"),
        ({"ImageType": ["DERIVED", "PRIMARY", "", "SUBTRACTION", ""]}, "contrast mammography"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "", "", "HIGH_ENERGY"]}, "contrast mammography"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "", "", "LOW_ENERGY"]}, None),
        ({"PaddleDescription": "24CM X 29CM M"}, None),
        ({"PaddleDescription": "18x24 S"}, None),
        ({"ViewCodeSequence": [code("G-8310", "SRT")]}, "a specimen"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.13.1.3", "NumberOfFrames": 60}, "tomosynthesis"),
        ({"Modality": "SC", "ImageType": ["DERIVED", "PRIMARY", "TOMO"]}, "tomosynthesis"),
        ({"NumberOfFrames": 3}, "3 frames"),
        ({"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3}, "RGB, no gray picture"),
        ({"Modality": "CT"}, "modality CT"),
        ({"QualityControlImage": "YES"}, "a test object"),
        ({"PresentationIntentType": "FOR PROCESSING"}, "for processing"),
        ({"PresentationIntentType": None, "SOPClassUID": PROCESSING}, "for processing"),
    ],
)
def test_left_out(tags, reason):
    found = reason_to_leave_out(header_of(mammogram(**tags)), Wishes())
    assert found == reason or (reason is not None and reason in found)


def test_what_is_taken_when_asked():
    lateral = header_of(mammogram(ViewPosition="LM"))
    assert reason_to_leave_out(lateral, Wishes(lateral=True)) is None
    assert view_of(lateral, Wishes(lateral=True)) == ("L", "MLO")
    assert lateral.marks == ("view LM",)
    raw = header_of(mammogram(PresentationIntentType="FOR PROCESSING"))
    assert reason_to_leave_out(raw, Wishes(for_processing=True)) is None
    assert raw.marks == ("for processing",)


def test_marks_of_what_is_used():
    tags = {"ImageType": ["DERIVED", "PRIMARY", "TOMOSYNTHESIS", "GENERATED_2D"]}
    assert header_of(mammogram(**tags)).marks == ("synthetic 2D",)
    assert header_of(mammogram(ViewPosition="CCID")).marks == ("implant", "implant displaced")
    assert header_of(mammogram(PartialView="YES")).marks == ("partial view",)
    assert header_of(mammogram(BurnedInAnnotation="YES")).marks == ("burned-in annotation",)


def test_a_number_that_only_sorts_is_no_reason_to_refuse_an_image():
    data = mammogram()
    data.InstanceNumber = [3, 4]
    assert header_of(data).instance == 0
    data.InstanceNumber = "3"
    assert header_of(data).instance == 3


def test_odd_values_are_neither_logged_nor_shown(tmp_path, caplog, recwarn):
    """pydicom logs them as they stand."""
    path = with_odd_texts(
        write(tmp_path / "a.dcm", mammogram(film())),
        StudyInstanceUID="SECRET-STUDY",
        PatientBirthDate="SECRET",
    )
    assert read_header(path).identity.study_uid == "SECRET-STUDY"
    read_dicom(path)
    pytest.importorskip("highdicom", reason="the extra 'sr' is not installed")
    structured_report([ReportedImage(path, "L", [])], version="1")
    assert not caplog.records
    assert not [warning for warning in recwarn if "SECRET" in str(warning.message)]


def test_no_side_or_no_view_is_said():
    header = header_of(mammogram(ImageLaterality=None))
    with pytest.raises(UnknownView, match="no tag tells the side$"):
        view_of(header, Wishes())
    header = header_of(mammogram(ImageLaterality=None, ViewPosition=None))
    with pytest.raises(UnknownView, match="no tag tells the side or the view"):
        view_of(header, Wishes())


@pytest.mark.parametrize(
    ("tags", "mm"),
    [
        ({}, None),
        ({"ImagerPixelSpacing": ["0.1", "0.1"]}, (0.1, 0.1)),
        # On the detector 0.1 mm, in the breast 1.25 times less.
        (
            {
                "ImagerPixelSpacing": ["0.1", "0.1"],
                "EstimatedRadiographicMagnificationFactor": "1.25",
            },
            (0.08, 0.08),
        ),
        ({"ImagerPixelSpacing": ["0.1", "0.1"], "PixelSpacing": ["0.3", "0.3"]}, (0.1, 0.1)),
        ({"PixelSpacing": ["0.07", "0.05"]}, (0.07, 0.05)),
        ({"PixelSpacing": ["1", "1"]}, None),
        ({"PixelSpacing": ["0", "0"]}, None),
        # Hologic writes the spacing in the place of the factor.
        (
            {
                "ImagerPixelSpacing": ["0.1", "0.1"],
                "EstimatedRadiographicMagnificationFactor": "0.1",
            },
            (0.1, 0.1),
        ),
    ],
)
def test_spacing(tags, mm):
    assert header_of(mammogram(**tags)).spacing.mm == (None if mm is None else pytest.approx(mm))


def test_an_unbelievable_spacing_is_noted():
    header = header_of(mammogram(PixelSpacing=["1", "1"]))
    assert header.notes == ("PixelSpacing of 1 x 1 mm not believed",)
    assert header.spacing.square is None
    assert header_of(mammogram(PixelSpacing=["0.07", "0.07"])).spacing.square == 0.07


def test_the_films_of_cbis_ddsm_belong_to_one_examination():
    names = ("Mass-Test_P_00173_LEFT_CC", "Mass-Test_P_00173_RIGHT_MLO_1")
    found = {
        header_of(mammogram(PatientID=name, StudyInstanceUID=f"1.2.{i}")).identity.examination
        for i, name in enumerate(names)
    }
    assert found == {("Mass-Test_P_00173", "")}
    (other,) = {header_of(mammogram()).identity.examination}
    assert other[0] == "SECRET-ID" and other[1]


def test_the_header_of_a_file(tmp_path):
    header = read_header(write(tmp_path / "a.dcm", mammogram(InstanceNumber=4)))
    assert (header.size, header.syntax, header.instance) == (
        (64, 48),
        "Explicit VR Little Endian",
        4,
    )
    no_image = mammogram(Rows=None, Columns=None, PixelData=None)
    path = write(tmp_path / "cut.dcm", no_image)
    with pytest.raises(
        UnreadableDicom, match=r"cut\.dcm: no Rows and Columns: cut off, or no image \(Digital Mamm"
    ) as error:
        read_header(path)
    assert not isinstance(error.value, NoPicture)


def test_a_file_cut_off_in_its_header_is_damaged(tmp_path):
    whole = write(tmp_path / "a.dcm", mammogram()).read_bytes()
    rows = whole.index(b"\x28\x00\x10\x00US")
    for length in (132, 200, rows // 2, rows):
        path = tmp_path / f"{length}.dcm"
        path.write_bytes(whole[:length])
        with pytest.raises(UnreadableDicom) as error:
            read_header(path)
        assert not isinstance(error.value, NoPicture), error.value
