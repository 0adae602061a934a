"""DICOM files and folder names as in the release, for the fixture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from ...prepare.cbis_ddsm.tables import SeriesRef

_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"  # the class that the release has
_DATE = "07-20-2016"
FULL, ROI, CROPPED = "full mammogram images", "ROI mask images", "cropped images"


@dataclass(frozen=True)
class Dicom:
    """What a header says beside the pixels."""

    patient: str
    study_uid: str
    series_uid: str
    description: str
    view: str
    photometric: str = "MONOCHROME2"
    bits: int = 16
    slope: float | None = None

    @classmethod
    def of(cls, ref: SeriesRef, description: str, view: str, **changes: object) -> Dicom:
        """The header of a file that a CSV names."""
        return cls(ref.folder, ref.study_uid, ref.series_uid, description, view, **changes)


def folder_of(root: Path, ref: SeriesRef, description: str, nbia: bool) -> Path:
    """Folder of a series, in the layout of the NBIA Data Retriever or in that of the CSVs."""
    if not nbia:
        return root / ref.folder / ref.study_uid / ref.series_uid
    study = f"{_DATE}-DDSM-{ref.study_uid[-5:]}"
    return root / ref.folder / study / f"1.000000-{description}-{ref.series_uid[-5:]}"


def file_name(number: int, nbia: bool) -> str:
    """Name of the first (0), second (1) ... file of a series."""
    return f"1-{number + 1}.dcm" if nbia else f"{number:06d}.dcm"


def write_dicom(path: Path, header: Dicom, pixels: np.ndarray, number: int) -> None:
    """Write a gray picture as an uncompressed secondary capture.

    Args:
        path: file to write; its folder is made.
        header: header of the file.
        pixels: (H, W) uint8 or uint16, the values to be stored.
        number: number of the file in its series; files that differ in it have other instance UIDs.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = _SECONDARY_CAPTURE
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[header.series_uid, str(number)])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = Dataset()
    data.file_meta = meta
    data.SOPClassUID, data.SOPInstanceUID = _SECONDARY_CAPTURE, meta.MediaStorageSOPInstanceUID
    data.PatientID = data.PatientName = header.patient
    data.StudyInstanceUID, data.SeriesInstanceUID = header.study_uid, header.series_uid
    data.SeriesDescription, data.Modality = header.description, "MG"
    data.PatientOrientation, data.InstanceNumber = header.view, number + 1
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, header.photometric
    data.Rows, data.Columns = pixels.shape
    data.BitsAllocated = 8 * pixels.dtype.itemsize
    data.BitsStored = min(header.bits, data.BitsAllocated)
    data.HighBit, data.PixelRepresentation = data.BitsStored - 1, 0
    if header.slope is not None:
        data.RescaleSlope, data.RescaleIntercept = header.slope, 0
    data.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    data.save_as(path, enforce_file_format=True)
