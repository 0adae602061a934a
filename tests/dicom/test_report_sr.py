"""Structured reports, read back."""

import io
import sys

import numpy as np
import pydicom
import pytest

from agn_d2.dicom.report_sr import ReportedImage, structured_report

from .dicom_files import film, mammogram, uid, with_odd_texts, write

hd_sr = pytest.importorskip(
    "highdicom.sr", reason="the extra 'sr' (package highdicom) is not installed"
)

BOXES = {"L": [[10.0, 20.5, 30.25, 40.0]], "R": [[-1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 60.0, 80.0]]}


@pytest.fixture
def report(tmp_path):
    images = []
    for side, boxes in BOXES.items():
        data = mammogram(film(0, 64, 48), ImageLaterality=side, SOPInstanceUID=uid(side))
        found = [{"box": box, "score": 0.875 - 0.25 * n} for n, box in enumerate(boxes)]
        images.append(ReportedImage(write(tmp_path / f"{side}.dcm", data), side, found))
    report = structured_report(images, version="1.0", model="model.pth")
    stream = io.BytesIO()
    report.save_as(stream)
    stream.seek(0)
    return stream


def test_pydicom_finds_the_template_and_the_images(report):
    data = pydicom.dcmread(report)
    assert data.SOPClassUID == pydicom.uid.ComprehensiveSRStorage
    assert data.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    assert data.PatientID == "SECRET-ID" and data.StudyInstanceUID == uid("study")
    (study,) = data.CurrentRequestedProcedureEvidenceSequence
    named = {
        image.ReferencedSOPInstanceUID
        for series in study.ReferencedSeriesSequence
        for image in series.ReferencedSOPSequence
    }
    assert named == {uid("L"), uid("R")}


def test_highdicom_reads_the_boxes_back(report):
    groups = hd_sr.srread(report).content.get_planar_roi_measurement_groups()
    found = []
    for group in groups:
        corners = np.asarray(group.roi.value)
        assert len(corners) == 5 and np.array_equal(corners[0], corners[4])
        (measurement,) = group.get_measurements()
        assert measurement.name.meaning == "Certainty of Finding"
        assert measurement.unit.value == "%"
        assert group.finding_type.meaning == "Mass"
        (site,) = group.finding_sites
        side = {"Left": "L", "Right": "R"}[site.laterality.meaning]
        found.append((side, [*corners.min(0), *corners.max(0)], measurement.value))
    assert found == [
        ("L", BOXES["L"][0], 87.5),
        ("R", [0.0, 2.0, 3.0, 4.0], 87.5),
        # Cut off at the borders of the image, 48 x 64.
        ("R", [5.0, 6.0, 48.0, 64.0], 62.5),
    ]


def test_each_box_names_its_image(report):
    """By hand: the SCOORD items and the images that they are selected from."""
    found = []

    def walk(item):
        if item.get("ValueType") == "SCOORD":
            (source,) = item.ContentSequence
            found.append(source.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
        for child in item.get("ContentSequence", ()):
            walk(child)

    walk(pydicom.dcmread(report))
    assert found == [uid("L"), uid("R"), uid("R")]


def test_without_highdicom_the_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(ImportError, match="pip install highdicom"):
        structured_report([], version="1")


def test_nothing_found_is_a_report_too(tmp_path):
    path = write(tmp_path / "a.dcm", mammogram(film(0, 64, 48)))
    structured_report([ReportedImage(path, "L", [])], version="1").save_as(tmp_path / "sr.dcm")
    content = hd_sr.srread(tmp_path / "sr.dcm").content
    assert content.get_planar_roi_measurement_groups() == []
    (group,) = content.get_image_measurement_groups()
    (number,) = group.get_measurements()
    assert number.name.meaning.startswith("Number of lesions") and number.value == 0


def test_odd_entries_of_an_archive_are_left_empty(tmp_path):
    odd = {"PatientSex": "FEM", "StudyDate": "20200230", "StudyTime": "10:15:00"}
    odd |= {"PatientBirthDate": "1950"}
    path = write(tmp_path / "a.dcm", mammogram(film(0, 64, 48), SpecificCharacterSet=""))
    with_odd_texts(path, **odd)
    report = structured_report([ReportedImage(path, "L", [])], version="1")
    assert [report[keyword].value or "" for keyword in odd] == [""] * 4
    assert report.PatientID == "SECRET-ID"


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        ("ISO_IR 100", "Müller^Jürgen"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎"),
        ("ISO_IR 192", "Jiří^Č"),
    ],
)
def test_texts_are_unicode_whatever_those_of_the_images_are(tmp_path, character_set, name):
    tags = {"SpecificCharacterSet": character_set, "PatientName": name}
    path = write(tmp_path / "a.dcm", mammogram(film(0, 64, 48), **tags))
    assert pydicom.dcmread(path).PatientName == name
    images = [ReportedImage(path, "L", [{"box": [1, 2, 30, 40], "score": 0.5}])]
    structured_report(images, version="1", model="módel.pth").save_as(tmp_path / "sr.dcm")
    report = pydicom.dcmread(tmp_path / "sr.dcm")
    assert report.PatientName == name
    content = (tmp_path / "sr.dcm").read_bytes()
    assert all(text.encode() in content for text in (name, "módel.pth"))
    assert report.SpecificCharacterSet == "ISO_IR 192"


def test_an_image_that_no_report_can_name_is_refused(tmp_path):
    path = write(tmp_path / "a.dcm", mammogram(film(0, 64, 48), StudyInstanceUID=""))
    with pytest.raises(ValueError, match=r"a\.dcm: no StudyInstanceUID, by which"):
        structured_report([ReportedImage(path, "L", [])], version="1")


@pytest.mark.parametrize(
    ("keyword", "text", "reason"),
    [
        ("SOPClassUID", "1.2.34", "1.2.34"),
        ("PatientName", "DOE\\JANE", "Invalid type for a person name."),
    ],
)
def test_a_header_that_highdicom_does_not_take_is_refused(tmp_path, keyword, text, reason):
    path = write(tmp_path / "a.dcm", mammogram(film(0, 64, 48)))
    with_odd_texts(path, **{keyword: text})
    with pytest.raises(ValueError, match=r"a\.dcm: highdicom makes no report") as caught:
        structured_report([ReportedImage(path, "L", [])], version="1")
    assert reason in str(caught.value)


def test_every_image_has_its_number_of_masses(report):
    groups = hd_sr.srread(report).content.get_image_measurement_groups()
    assert [group.get_measurements()[0].value for group in groups] == [1, 2]
