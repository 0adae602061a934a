"""Small DICOM files of known content."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydicom import dcmread
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.2"
PROCESSING = "1.2.840.10008.5.1.4.1.1.1.2.1"
_ROOT = "1.2.826.0.1.3680043.8.498."


def uid(name: str) -> UID:
    """The same UID for the same name."""
    return generate_uid(prefix=_ROOT, entropy_srcs=[name])


def mammogram(pixels: np.ndarray | None = None, **tags: Any) -> Dataset:
    """A mammogram for presentation: left CC, 12 bits, MONOCHROME2, unless tags say otherwise.

    A tag with the value None is left out.
    """
    pixels = np.zeros((64, 48), np.uint16) if pixels is None else pixels
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    bits = 8 * pixels.dtype.itemsize
    known: dict[str, Any] = {
        "SOPClassUID": PRESENTATION,
        "SOPInstanceUID": uid(repr(sorted((k, str(v)) for k, v in tags.items()))),
        "StudyInstanceUID": uid("study"),
        "SeriesInstanceUID": uid("series"),
        "PatientID": "SECRET-ID",
        "PatientName": "SECRET^NAME",
        "Modality": "MG",
        "PresentationIntentType": "FOR PRESENTATION",
        "ImageLaterality": "L",
        "ViewPosition": "CC",
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": bits,
        "BitsStored": min(bits, 12),
        "HighBit": min(bits, 12) - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
        "PixelData": pixels.astype(pixels.dtype.newbyteorder("<")).tobytes(),
    }
    for keyword, value in (known | tags).items():
        if value is not None:
            setattr(data, keyword, value)
    if "BitsStored" in tags and "HighBit" not in tags:
        data.HighBit = data.BitsStored - 1
    return data


def presentation_state(**tags: Any) -> Dataset:
    """An object of a study that is no image."""
    tags = {"SOPInstanceUID": uid("state"), "Rows": None, "Columns": None, "PixelData": None} | tags
    return mammogram(SOPClassUID="1.2.840.10008.5.1.4.1.1.11.1", Modality="PR", **tags)


def write(path: Path, data: Dataset) -> Path:
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)
    return path


def with_odd_texts(path: Path, **texts: str) -> Path:
    """The file with texts that are no values of their tags, as archives have them."""
    data = dcmread(path)
    for keyword, text in texts.items():
        tag = Tag(keyword)
        content = text.encode() + b" " * (len(text) % 2)
        data._dict[tag] = RawDataElement(
            tag, dictionary_VR(tag), len(content), content, 0, False, True
        )
    data.save_as(path)
    return path


def code(value: str, scheme: str, meaning: str = "x", **more: Any) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    for keyword, content in more.items():
        setattr(item, keyword, content)
    return item


def film(seed: int = 0, height: int = 200, width: int = 150, top: int = 4095) -> np.ndarray:
    """Half an ellipse of noise at the left, dark film around it; uint16 up to ``top``."""
    ys, xs = np.mgrid[:height, :width]
    inside = (xs / (0.5 * width)) ** 2 + ((ys - 0.5 * height) / (0.3 * height)) ** 2 < 1
    noise = np.random.default_rng(seed).integers(0.35 * top, top + 1, (height, width))
    return np.where(inside, noise, 0.01 * top).astype(np.uint16)
