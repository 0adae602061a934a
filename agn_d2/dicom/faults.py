"""What goes wrong with DICOM files, as one kind of error that says why in one line."""

from __future__ import annotations

import logging
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from pydicom.errors import BytesLengthException, InvalidDicomError

# What pydicom and its decoders raise on files that are cut off, damaged or of an unknown coding.
_FAULTS = (
    AttributeError,
    BytesLengthException,
    EOFError,
    IndexError,
    KeyError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
_LONGEST = 240  # characters of a reason


# pydicom logs the traceback of a decoder that fails, and then raises the same error; and it logs
# what it warns of, with the odd value itself, which may name the patient or the study.
_reading = threading.local()
_LOGGERS = (logging.getLogger("pydicom.pixels.decoders.base"), logging.getLogger("pydicom"))
# The filters of warnings belong to the whole process: one thread at a time may change them.
_one_thread = threading.Lock()


class UnreadableDicom(ValueError):
    """A file that is no readable gray picture; the message says why, without the path."""


class NoPicture(UnreadableDicom):
    """A DICOM object in order that is no image: a report, a presentation state, a plan."""


@contextmanager
def faults_explained() -> Iterator[None]:
    """Turn whatever pydicom and its decoders raise into ``UnreadableDicom``, in one line.

    Raises:
        UnreadableDicom: the block raised one of the errors of damaged files.
        OSError: as from the system: the file cannot be read now; nothing is said of what it holds.
        MemoryError: no memory to decode it.
    """
    try:
        with _without_log():
            yield
    except UnreadableDicom:
        raise
    except InvalidDicomError as error:
        raise UnreadableDicom("no DICOM file: the mark DICM is missing") from error
    except _FAULTS as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UnreadableDicom(reason[:_LONGEST]) from error


@contextmanager
def _without_log() -> Iterator[None]:
    for logger in _LOGGERS:
        logger.addFilter(_is_not_ours)
    before = getattr(_reading, "now", False)
    _reading.now = True
    try:
        yield
    finally:
        _reading.now = before


def _is_not_ours(record: logging.LogRecord) -> bool:
    """Lets a message pass unless this thread is reading a file."""
    return not getattr(_reading, "now", False)


@contextmanager
def without_warnings() -> Iterator[None]:
    """Odd values in text fields are neither shown nor logged; one thread at a time."""
    with _without_log(), _one_thread, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
