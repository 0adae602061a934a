"""From a DICOM dataset to its stored values, whatever they are coded in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.pixels import get_decoder
from pydicom.uid import UID

from ..utils.image_header import check_pixels
from .faults import UnreadableDicom

PACKAGES = "pylibjpeg, pylibjpeg-libjpeg and pylibjpeg-openjpeg"
_ALL_FAILED = "Unable to decode as exceptions were raised by all available plugins:"
_LONGEST = 120  # characters of what the decoders say
GRAY = ("MONOCHROME1", "MONOCHROME2")


@dataclass(frozen=True)
class Stored:
    """The values of a picture as they are stored.

    Attributes:
        values: (H, W) uint8, int8, uint16 or int16.
        bits: that the values use: BitsStored, or more where the coded stream has more.
        notes: what was done to them.
    """

    values: np.ndarray
    bits: int
    notes: tuple[str, ...] = ()


def stored_values(data: Dataset) -> Stored:
    """Decode the one gray frame of a dataset; bits above the stored ones are dropped.

    Raises:
        UnreadableDicom: no pixels, in color, of several frames, of another depth than 1 to 16
            bits, damaged, or in a coding that no installed package reads.
    """
    _check(data)
    bits = int(data.BitsStored)
    values = _decoded(data)
    if values.ndim != 2:
        raise UnreadableDicom(f"pixels of shape {values.shape}, not one gray frame")
    top = (1 << bits) - 1
    if values.dtype.kind == "i" or bits == 8 * values.dtype.itemsize or values.max() <= top:
        return Stored(values, bits)
    syntax = data.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated and syntax != pydicom.uid.RLELossless:
        # The coded stream knows its own depth; there is no room for overlays in it.
        used = int(values.max()).bit_length()
        return Stored(values, used, (f"{used} bits used, not {bits} as the header says",))
    return _without_overlays(values, bits, int(data.get("HighBit", bits - 1)))


def _decoded(data: Dataset) -> np.ndarray:
    try:
        # Signed values need their unused bits for the sign.
        signed = bool(data.PixelRepresentation)
        return pydicom.pixels.pixel_array(data, correct_unused_bits=signed)
    except RuntimeError as error:
        reason = " ".join(str(error).split()).removeprefix(_ALL_FAILED).strip()
        syntax = data.file_meta.TransferSyntaxUID.name
        raise UnreadableDicom(f"damaged pixels, coded as {syntax}: {reason[:_LONGEST]}") from error


def _check(data: Dataset) -> None:
    if "FloatPixelData" in data or "DoubleFloatPixelData" in data:
        raise UnreadableDicom("pixels of floats, not of 1 to 16 bits")
    if "PixelData" not in data:
        raise UnreadableDicom("no pixel data")
    photometric = str(data.PhotometricInterpretation)
    if photometric not in GRAY:
        raise UnreadableDicom(f"photometric interpretation {photometric}, not a gray picture")
    if int(data.get("NumberOfFrames") or 1) > 1:
        raise UnreadableDicom(f"{data.NumberOfFrames} frames, not one gray frame")
    if not 1 <= int(data.BitsStored) <= 16 or int(data.BitsAllocated) not in (8, 16):
        raise UnreadableDicom(
            f"{data.BitsStored} bits stored in {data.BitsAllocated}, not 1 to 16 in 8 or 16"
        )
    check_pixels(int(data.Rows), int(data.Columns))
    _check_decoder(data.file_meta.TransferSyntaxUID)


def _check_decoder(syntax: UID) -> None:
    """Say which package is missing, instead of how its import failed.

    Raises:
        UnreadableDicom: nothing that is installed decodes it.
    """
    if not syntax.is_encapsulated:
        return
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        raise UnreadableDicom(f"coded as {syntax.name} ({syntax}), which is not read") from None
    if not decoder.is_available:
        raise UnreadableDicom(
            f"coded as {syntax.name} ({syntax}), but no decoder for it is installed: "
            f"pip install {PACKAGES.replace(',', '').replace(' and', '')}"
        )


def _without_overlays(values: np.ndarray, bits: int, high_bit: int) -> Stored:
    """The bits from ``high_bit`` downwards: others may hold an overlay, or nothing."""
    shift = high_bit + 1 - bits
    notes = ("bits outside of the stored ones dropped",)
    return Stored(
        (values >> max(shift, 0)) & np.asarray((1 << bits) - 1, values.dtype), bits, notes
    )
