"""Detections as a DICOM structured report: TID 1500, one measurement group a box.

Needs the package highdicom (the extra "sr"). A report belongs to its images' patient and study, and
so carries them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid
from pydicom.valuerep import DA, TM

from .faults import UnreadableDicom, faults_explained, without_warnings

NAME = "agn_d2"
_SIDES = {"L": codes.SCT.Left, "R": codes.SCT.Right}
# Of the patient and the study, which a report must have, be it empty.
_REQUIRED = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyID"),
    *("StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName"),
)
# By which a report names an image.
_REFERENCE = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
_SEXES = ("M", "F", "O")
_TIMES = {"PatientBirthDate": DA, "StudyDate": DA, "StudyTime": TM}


def check_highdicom() -> None:
    """
    Raises:
        ImportError: highdicom is not installed; says how to install it.
    """
    try:
        import highdicom  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "DICOM SR needs the package highdicom: pip install highdicom, or agn_d2[sr]"
        ) from error


@dataclass(frozen=True)
class ReportedImage:
    """An image that was examined.

    Attributes:
        path: its DICOM file.
        side: "L" or "R".
        detections: each with ``box`` (x0, y0, x1, y1) in pixels of the stored image, and ``score``
            in [0, 1].
    """

    path: str | os.PathLike[str]
    side: str
    detections: Sequence[Mapping[str, Any]]


def structured_report(
    images: Sequence[ReportedImage],
    *,
    version: str,
    model: str = "",
) -> Dataset:
    """Make a structured report.

    Args:
        images: at least one.
        version: version of the program.
        model: what tells the model, such as the name of its weights' file.

    Returns:
        a Comprehensive SR: for every image a group with the number of masses, be it 0, and for
        every mass one with its box; the score is the "Certainty of Finding" in percent.

    Raises:
        ImportError: highdicom is not installed.
        ValueError: an image that no report can refer to; names its file.
    """
    check_highdicom()
    from highdicom import sr

    with without_warnings():
        evidence = [_evidence(image.path) for image in images]
    algorithm = sr.AlgorithmIdentification(
        NAME,
        version,
        family=codes.DCM.ArtificialIntelligence,
        parameters=[model] if model else None,
    )
    groups, boxes = [], 0
    for source, image in zip(evidence, images, strict=True):
        groups.append(_count(source, image, algorithm))
        for detection in image.detections:
            boxes += 1
            name = f"mass {boxes}"
            groups.append(_group(source, image.side, detection, name, algorithm))
    observer = sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=generate_uid(), name=NAME, model_name=model or None
        ),
    )
    content = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=observer),
        procedure_reported=codes.SCT.Mammography,
        imaging_measurements=groups,
    )
    try:
        with faults_explained(), without_warnings():
            return sr.ComprehensiveSR(
                evidence=evidence,
                content=content,
                series_instance_uid=generate_uid(),
                series_number=1,
                sop_instance_uid=generate_uid(),
                instance_number=1,
                manufacturer=NAME,
                is_complete=True,
                is_final=False,
            )
    except UnreadableDicom as error:  # such as a private SOP class, or a name of two values
        raise ValueError(
            f"{images[0].path}: highdicom makes no report of this header ({error})"
        ) from error


def _evidence(path: str | os.PathLike[str]) -> Dataset:
    data = pydicom.dcmread(path, stop_before_pixels=True)
    for keyword in _REQUIRED:
        if keyword not in data:
            setattr(data, keyword, "")
    if missing := [keyword for keyword in _REFERENCE if not data.get(keyword)]:
        raise ValueError(f"{path}: no {', '.join(missing)}, by which a report names an image")
    _empty_what_is_no_value(data)
    # highdicom writes the report in that of the image, and refuses the Japanese ones. (pydicom has
    # the texts of the image from the one that was read.)
    data.SpecificCharacterSet = "ISO_IR 192"
    return data


def _empty_what_is_no_value(data: Dataset) -> None:
    """An odd sex or date of an archive must not cost the report."""
    if data.PatientSex not in _SEXES:
        data.PatientSex = ""
    for keyword, kind in _TIMES.items():
        try:
            kind(str(data.get(keyword) or ""))
        except ValueError:
            setattr(data, keyword, "")


def _count(source: Dataset, image: ReportedImage, algorithm: Any) -> Any:
    """The measurement group of an image: that it was examined, and how many masses were found."""
    from highdicom import sr

    number = sr.Measurement(
        name=codes.SCT.NumberOfLesions,
        value=len(image.detections),
        unit=codes.UCUM.NoUnits,
        algorithm_id=algorithm,
    )
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(generate_uid(), "image"),
        finding_type=codes.SCT.Mass,
        measurements=[number],
        source_images=[
            sr.SourceImageForMeasurementGroup(source.SOPClassUID, source.SOPInstanceUID)
        ],
    )


def _group(
    source: Dataset, side: str, detection: Mapping[str, Any], name: str, algorithm: Any
) -> Any:
    """The measurement group of one box: where it lies, on which side, and how sure it is."""
    from highdicom import sr

    x0, y0, x1, y1 = detection["box"]
    corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]], dtype=np.float32)
    corners = np.clip(corners, 0, [int(source.Columns), int(source.Rows)])
    region = sr.ImageRegion(
        graphic_type=sr.GraphicTypeValues.POLYLINE,
        graphic_data=corners,
        source_image=sr.SourceImageForRegion(source.SOPClassUID, source.SOPInstanceUID),
    )
    certainty = sr.Measurement(
        name=codes.DCM.CertaintyOfFinding,
        value=round(100 * float(detection["score"]), 3),
        unit=codes.UCUM.Percent,
        algorithm_id=algorithm,
    )
    return sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(generate_uid(), name),
        referenced_region=region,
        finding_type=codes.SCT.Mass,
        finding_sites=[sr.FindingSite(codes.SCT.Breast, laterality=_SIDES[side])],
        measurements=[certainty],
    )
