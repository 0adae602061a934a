"""The facts of a DICOM mammogram that its header tells; its pixels are not read."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.uid import UID

from ..utils.view_names import ANY_SIDE_WORD, ANY_VIEW, VIEWS
from .dataset import read_dataset
from .faults import NoPicture, UnreadableDicom, faults_explained, without_warnings
from .spacing import Spacing, read_spacing
from .views import StatedView, stated_view

PRESENTATION, PROCESSING = "for presentation", "for processing"
_FOR_PROCESSING = {"1.2.840.10008.5.1.4.1.1.1.2.1", "1.2.840.10008.5.1.4.1.1.1.1.1"}
_TOMOSYNTHESIS = "1.2.840.10008.5.1.4.1.1.13.1.3"
_PROJECTIONS = {"1.2.840.10008.5.1.4.1.1.13.1.4", "1.2.840.10008.5.1.4.1.1.13.1.5"}
# Words of ImageType (PS3.3, C.8.11.7.1.4).
_SYNTHETIC = {"GENERATED_2D", "TOMO_2D"}
_CONTRAST = {"ADDITION", "SUBTRACTION", "HIGH_ENERGY"}
_BIOPSY = ("STEREO", "PREFIRE", "POSTFIRE", "POSTBIOPSY", "POSTMARKER")
# CBIS-DDSM gives every film, and every lesion of one, a patient and a study of its own.
_CBIS_PATIENT = re.compile(
    rf"(?P<patient>.+_P_\d+)_({ANY_SIDE_WORD})_({ANY_VIEW})(?P<lesion>_\d+)?"
)


@dataclass(frozen=True)
class Identity:
    """Who is shown, and under which numbers; kept apart, so that nothing of it slips out.

    Attributes:
        patient_id, study_uid, series_uid, sop_uid: as in the file, "" where it has none.
        examination: (patient, study) under which the films of an examination belong together.
    """

    patient_id: str
    study_uid: str
    series_uid: str
    sop_uid: str
    examination: tuple[str, str]


@dataclass(frozen=True)
class Header:
    """What a DICOM file says of its image.

    Attributes:
        identity: identity of the patient; goes into no result unless asked.
        stated: side, view and modifiers.
        syntax: name of the transfer syntax, the coding of the pixels.
        modality: such as "MG".
        intent: "for presentation", "for processing", or None where nothing tells it.
        kind: "2d", "synthetic" (a 2D view computed from tomosynthesis), "tomosynthesis",
            "stereo", "contrast" (combined of two exposures of contrast mammography, or its
            exposure of high energy), "lesion" (CBIS-DDSM's crop or mask of one) or "specimen".
        implant: the breast has an implant.
        partial: the film shows a part of the breast only.
        quality_control: an image of a test object.
        burned_in: text that may name the patient stands in the pixels.
        frames: number of frames.
        size: (height, width) in pixels.
        photometric: photometric interpretation.
        spacing: pixel spacing, see ``Spacing``.
        taken: date and time of the acquisition, as text that sorts; "" where unknown.
        instance: number of the instance in its series; 0 where unknown.
        notes: what is odd.
    """

    identity: Identity
    stated: StatedView
    syntax: str
    modality: str
    intent: str | None
    kind: str
    implant: bool
    partial: bool
    quality_control: bool
    burned_in: bool
    frames: int
    size: tuple[int, int]
    photometric: str
    spacing: Spacing
    taken: str
    instance: int
    notes: tuple[str, ...]

    @property
    def marks(self) -> tuple[str, ...]:
        """What a reader of results should know of an image that is used."""
        marks = [f"view {self.stated.view}"] if self.stated.view not in VIEWS else []
        marks += ["synthetic 2D"] if self.kind == "synthetic" else []
        marks += ["implant"] if self.implant else []
        marks += ["partial view"] if self.partial else []
        marks += ["burned-in annotation"] if self.burned_in else []
        marks += [PROCESSING] if self.intent == PROCESSING else []
        return (*marks, *self.stated.modifiers)


def read_header(path: str | os.PathLike[str]) -> Header:
    """Read the facts of a DICOM file.

    Raises:
        NoPicture: a DICOM object that is no image; names the file.
        UnreadableDicom: no DICOM file, or a damaged one; names the file.
        OSError: the file cannot be opened.
    """
    try:
        with faults_explained(), without_warnings():
            return header_of(read_dataset(path, pixels=False))
    except UnreadableDicom as error:
        raise type(error)(f"{path}: {error}") from error


def header_of(data: Dataset) -> Header:
    """The facts of a dataset that has been read, see ``Header``.

    Raises:
        NoPicture: it has no image, and by its class should have none.
        UnreadableDicom: the header ends before the size of the image.
    """
    if "Rows" not in data or "Columns" not in data:
        kinds = _class_names(data)
        kind = ", ".join(kinds) or "of no kind"
        if not kinds or any("Image Storage" in one for one in kinds):
            raise UnreadableDicom(f"no Rows and Columns: cut off, or no image ({kind})")
        raise NoPicture(f"no pixels ({kind})")
    stated = stated_view(data)
    spacing = read_spacing(data)
    if spacing.magnification >= 1.3 and "magnification" not in stated.modifiers:
        modifiers = tuple(sorted((*stated.modifiers, "magnification")))
        stated = StatedView(stated.side, stated.view, modifiers, stated.notes)
    return Header(
        identity=_identity(data),
        stated=stated,
        syntax=_syntax(data),
        modality=str(data.get("Modality") or ""),
        intent=_intent(data),
        kind=_kind(data, stated),
        implant=_yes(data, "BreastImplantPresent") or "implant displaced" in stated.modifiers,
        partial=_yes(data, "PartialView"),
        quality_control=_yes(data, "QualityControlImage"),
        burned_in=_yes(data, "BurnedInAnnotation"),
        frames=int(data.get("NumberOfFrames") or 1),
        size=(int(data.Rows), int(data.Columns)),
        photometric=str(data.get("PhotometricInterpretation") or ""),
        spacing=spacing,
        taken=_taken(data),
        instance=_instance(data),
        notes=(*stated.notes, *spacing.notes),
    )


def _yes(data: Dataset, keyword: str) -> bool:
    return str(data.get(keyword) or "").strip().upper() == "YES"


def _class_names(data: Dataset) -> list[str]:
    """What kind of object it is by its SOP class; none where the file does not tell."""
    meta = getattr(data, "file_meta", None) or {}
    # Of the file's own header too: a file may end within the other.
    uids = (meta.get("MediaStorageSOPClassUID"), data.get("SOPClassUID"))
    return list(dict.fromkeys(UID(uid).name for uid in uids if uid))


def _identity(data: Dataset) -> Identity:
    patient, study, series, sop = (
        str(data.get(keyword) or "").strip()
        for keyword in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    )
    cbis = _CBIS_PATIENT.fullmatch(patient)
    examination = (cbis["patient"], "") if cbis else (patient, study)
    return Identity(patient, study, series, sop, examination)


def _syntax(data: Dataset) -> str:
    meta = getattr(data, "file_meta", None)
    uid = meta.get("TransferSyntaxUID") if meta is not None else None
    return UID(uid).name if uid else "unknown"


def _intent(data: Dataset) -> str | None:
    text = str(data.get("PresentationIntentType") or "").strip().lower()
    if text in (PRESENTATION, PROCESSING):
        return text
    return PROCESSING if data.get("SOPClassUID") in _FOR_PROCESSING else None


def _kind(data: Dataset, stated: StatedView) -> str:
    cbis = _CBIS_PATIENT.fullmatch(str(data.get("PatientID") or "").strip())
    if cbis and cbis["lesion"]:
        return "lesion"
    value = data.get("ImageType") or ""
    words = {str(v).upper() for v in ([value] if isinstance(value, str) else value)}
    sop_class = data.get("SOPClassUID")
    if words & _CONTRAST:
        return "contrast"
    if any(word.startswith(_BIOPSY) for word in words):
        return "stereo"
    if words & _SYNTHETIC:
        return "synthetic"
    if (
        sop_class == _TOMOSYNTHESIS
        or sop_class in _PROJECTIONS
        or any("TOMO" in word for word in words)
    ):
        return "tomosynthesis"
    if stated.view == "SPECIMEN" or "SPECIMEN" in words:
        return "specimen"
    return "2d"


def _instance(data: Dataset) -> int:
    """InstanceNumber, which only sorts: whatever else it holds is no reason to refuse an image."""
    try:
        return int(data.get("InstanceNumber") or 0)
    except (TypeError, ValueError):
        return 0


def _taken(data: Dataset) -> str:
    for what in ("Acquisition", "Content", "Series", "Study"):
        date = str(data.get(f"{what}Date") or "")
        if date:
            return f"{date} {data.get(f'{what}Time') or ''}".strip()
    return ""
