"""From stored values to gray values as they are to be seen.

Every step depends on a pixel's value alone. So pydicom's functions run once over all values that
a pixel can have, 65536 at most, and the picture is looked up in the result.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi, apply_windowing

from .decode import Stored
from .numbers import has_value, numbers_of, windows_of

DISPLAY, FULL_SCALE = "display", "full_scale"
TONES = (DISPLAY, FULL_SCALE)
WHITE = 65535
# Of its scale that a picture must use; one that uses less has a false scale, and would be black.
_LEAST_USE = 0.25
_DEEPEST = 16
_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


@dataclass(frozen=True)
class Tone:
    """How gray values are made; one choice per model.

    Attributes:
        kind: "display", the file's own VOI LUT or window, as a workstation shows it; or
            "full_scale", all stored values from black to white.
        voi: which of several VOI LUTs or windows, from 0; a file that has fewer gives its first.

    Raises:
        ValueError: a kind of another name, or a negative number.
    """

    kind: str = DISPLAY
    voi: int = 0

    def __post_init__(self) -> None:
        if self.kind not in TONES:
            raise ValueError(f"INPUT.DICOM_TONE must be one of {TONES}, got {self.kind!r}")
        if self.voi < 0:
            raise ValueError(f"INPUT.DICOM_VOI must be 0 or more, got {self.voi}")


def gray_values(stored: Stored, data: Dataset, tone: Tone) -> tuple[np.ndarray, tuple[str, ...]]:
    """Gray values of a picture.

    Modality LUT or rescale, then VOI LUT, else window with its function, else full scale; then
    inverted where PresentationLUTShape or MONOCHROME1 ask for it; padding is black.

    Args:
        stored: its stored values.
        data: its dataset.
        tone: how.

    Returns:
        (H, W) uint16, from 0 (black) to 65535 (white); and what was done.
    """
    values = stored.values
    unsigned = values.view(values.dtype.str.replace("i", "u"))
    every = np.arange(np.iinfo(unsigned.dtype).max + 1, dtype=unsigned.dtype).view(values.dtype)
    table, notes = _table(every.astype(np.int32), stored, data, tone)
    gray = table[unsigned]
    # Broken VOI entries make a picture of one gray value; the values themselves are still there.
    if tone.kind == DISPLAY and gray.min() == gray.max() and values.min() != values.max():
        table, notes = _table(every.astype(np.int32), stored, data, Tone(FULL_SCALE))
        return table[unsigned], ("VOI entries show nothing: full scale", *notes)
    return gray, tuple(notes)


def _table(
    every: np.ndarray, stored: Stored, data: Dataset, tone: Tone
) -> tuple[np.ndarray, list[str]]:
    """Gray value of each stored value, indexed by its bit pattern: uint16."""
    measured, notes = _modality(every, data)
    shares, voi_notes = _voi(measured, data, tone.voi) if tone.kind == DISPLAY else (None, [])
    notes += voi_notes
    if shares is None:
        shares, scale_note = _full_scale(every, measured, stored, data)
        notes += scale_note
    if inverted := _inverted(data):
        shares = 1 - shares
        notes.append(inverted)
    table = np.round(np.clip(shares, 0, 1) * WHITE).astype(np.uint16)
    padding = _padding(every, data)
    if padding is not None:
        table[padding] = 0
    return table, notes


def _modality(every: np.ndarray, data: Dataset) -> tuple[np.ndarray, list[str]]:
    """The values that the detector measured, by modality LUT or rescale; and what is odd."""
    if luts := data.get("ModalityLUTSequence"):
        holder, inside, _ = _within_lut(every, data, luts[0])
        holder.ModalityLUTSequence = holder.VOILUTSequence
        return apply_modality_lut(inside, holder).astype(np.int32), []
    slopes, intercepts = numbers_of(data, "RescaleSlope"), numbers_of(data, "RescaleIntercept")
    if len(slopes) != 1 or len(intercepts) != 1:
        return every, []
    if None in (*slopes, *intercepts) or slopes[0] == 0:
        told = "no slope or no intercept" if None in (*slopes, *intercepts) else "slope 0"
        return every, [f"rescale with {told} not usable"]
    return apply_modality_lut(every, data), []


def _voi(measured: np.ndarray, data: Dataset, number: int) -> tuple[np.ndarray | None, list[str]]:
    """Shares of white by VOI LUT, else by window; None where there is no usable one."""
    luts = [x for x in data.get("VOILUTSequence") or () if "LUTData" in x and "LUTDescriptor" in x]
    if luts:
        return _voi_lut(measured, data, luts[number if number < len(luts) else 0])
    windows = windows_of(data)
    if not windows:
        stated = has_value(data, "WindowCenter") or has_value(data, "WindowWidth")
        return None, ["window without its center or its width not usable"] if stated else []
    center, width = windows[number if number < len(windows) else 0]
    function = str(data.get("VOILUTFunction") or "").strip().upper()
    function = function if function in _FUNCTIONS else _FUNCTIONS[0]
    if width < (1 if function == "LINEAR" else 1e-9):
        return None, [f"window of width {width:g} not usable"]
    # A dataset of its own, whose full range is that of 16 bits: white is where the window ends.
    window = Dataset()
    window.PhotometricInterpretation = "MONOCHROME2"
    window.BitsStored, window.PixelRepresentation = _DEEPEST, 0
    window.WindowCenter, window.WindowWidth = center, width
    window.VOILUTFunction = function
    with np.errstate(over="ignore"):
        shares = apply_windowing(measured, window) / WHITE
    return shares, [f"window {center:g}/{width:g} {function}"]


def _voi_lut(measured: np.ndarray, data: Dataset, item: Dataset) -> tuple[np.ndarray, list[str]]:
    holder, inside, depth = _within_lut(measured, data, item)
    output = apply_voi(inside, holder).astype(np.float64)
    notes = [f"VOI LUT {item.get('LUTExplanation') or 1}"]
    white = (1 << depth) - 1
    if output.max() < _LEAST_USE * white:
        white = (1 << int(output.max()).bit_length()) - 1
        notes.append(f"VOI LUT of {depth} bits uses {white.bit_length()}")
    return output / max(white, 1), notes


def _within_lut(
    values: np.ndarray, data: Dataset, item: Dataset
) -> tuple[Dataset, np.ndarray, int]:
    """What makes pydicom apply a lookup table rightly, whatever its depth.

    It indexes a table of 8-bit entries by 8 bits too, refuses 12 bits in a modality LUT, and wraps
    beyond 16 bits. So the inputs are brought into the table, and its depth is called 16.

    Returns:
        a dataset whose VOILUTSequence is the table, the inputs, and the real depth of the table.
    """
    entries, first, depth = item.LUTDescriptor
    last = first + (entries or 1 << _DEEPEST) - 1
    item = copy.deepcopy(item)
    item.LUTDescriptor = [entries, first, _DEEPEST]
    _unpack_bytes(item, entries or 1 << _DEEPEST)
    holder = Dataset()
    holder.file_meta = data.file_meta
    holder.VOILUTSequence = [item]
    return holder, np.clip(np.round(values), first, last).astype(np.int32), int(depth)


def _unpack_bytes(item: Dataset, entries: int) -> None:
    """Give a table of 8-bit entries, two of which share a word, a word for each of them."""
    data = item.LUTData
    packed = data if isinstance(data, bytes) else np.asarray(data, "<u2").tobytes()
    if len(packed) == entries + entries % 2 and entries > 1:
        item.add_new("LUTData", "US", list(packed[:entries]))


def _full_scale(
    every: np.ndarray, measured: np.ndarray, stored: Stored, data: Dataset
) -> tuple[np.ndarray, list[str]]:
    """Shares of white with the least stored value black and the largest one white."""
    bits, notes = stored.bits, []
    signed = stored.values.dtype.kind == "i"
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    whole = bits == 8 * stored.values.dtype.itemsize > 8
    least, most = _range(every, stored, data) if whole else (low, high)
    if whole and least >= 0 and 0 < most < _LEAST_USE * ((1 << bits) - 1):
        low, high = 0, (1 << most.bit_length()) - 1
        notes.append(f"{most.bit_length()} bits used, not {bits} as the header says")
    if data.get("ModalityLUTSequence"):
        black, white = float(measured.min()), float(measured.max())
    else:
        black, white = (float(measured[np.flatnonzero(every == end)[0]]) for end in (low, high))
    black, white = min(black, white), max(black, white)
    return (measured - black) / max(white - black, 1e-9), notes


def _range(every: np.ndarray, stored: Stored, data: Dataset) -> tuple[int, int]:
    """The least and the largest stored value; of those that are no padding, if there are some."""
    values, padding = stored.values, _padding(every, data)
    if padding is not None:
        shown = values[~padding[values.view(values.dtype.str.replace("i", "u"))]]
        values = shown if shown.size else values
    return int(values.min()), int(values.max())


def _inverted(data: Dataset) -> str | None:
    """Why the values are turned, None if they are not.

    The two tags say the same in a proper file: MONOCHROME1 with INVERSE, MONOCHROME2 with
    IDENTITY. Where only one of them asks for it, or the other is missing, it is done once.
    """
    one = str(data.PhotometricInterpretation) == "MONOCHROME1"
    shape = str(data.get("PresentationLUTShape") or "").strip().upper()
    if one and shape == "IDENTITY":
        return "inverted: MONOCHROME1, though PresentationLUTShape is IDENTITY"
    if one:
        return "inverted: MONOCHROME1"
    if shape == "INVERSE":
        return "inverted: PresentationLUTShape INVERSE, though MONOCHROME2"
    return None


def _padding(every: np.ndarray, data: Dataset) -> np.ndarray | None:
    """Which stored values mean no picture."""
    value = data.get("PixelPaddingValue")
    if not isinstance(value, int):
        return None
    limit = data.get("PixelPaddingRangeLimit")
    limit = limit if isinstance(limit, int) else value
    return (every >= min(value, limit)) & (every <= max(value, limit))
