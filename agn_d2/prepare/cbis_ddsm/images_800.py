"""The images of CBIS-DDSM at 800 px, prepared in parallel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from tqdm import tqdm

from ...landmarks.record import Landmarks
from ...utils.workers import map_in_workers
from ..open_files import ReadFailure, tries
from .source_800 import SourceImage


@dataclass(frozen=True)
class PreparedImage:
    """One image in canonical form.

    Attributes:
        split: as released, "train" or "test".
        entry: its COCO entry without id, with ``boxes`` (M, 4) XYWH in the written image.
        landmarks: landmarks in pixels of the written image.
        cut_boxes: boxes that reach out of the crop.
    """

    split: str
    entry: dict[str, Any]
    landmarks: Landmarks
    cut_boxes: int

    @property
    def name(self) -> str:
        """Name of the written file."""
        return self.entry["file_name"]

    @property
    def patient_id(self) -> str:
        """Whose image it is."""
        return self.entry["patient_id"]


@dataclass
class PreparedImages:
    """What became of the images of a release.

    Attributes:
        images: the prepared ones, in the order of the release.
        broken: name of an image that holds no picture -> why.
        open: name of an image that cannot be read now -> why; a later run may.
    """

    images: list[PreparedImage]
    broken: dict[str, str]
    open: dict[str, str]


def prepare_images(
    sources: Sequence[SourceImage], prepare: Callable[[SourceImage], PreparedImage], workers: int
) -> PreparedImages:
    """Prepare images in parallel; those that cannot be read are left out and named.

    Args:
        sources: the images.
        prepare: prepares one, picklable; a ``ReadFailure`` leaves the image open, a ``ValueError``
            says that it is broken.
        workers: joblib's ``n_jobs``.

    Raises:
        OSError: an image cannot be written.
    """
    images: list[PreparedImage | None] = [None] * len(sources)
    broken: dict[str, str] = {}
    reasons: dict[int, str] = {}
    todo = list(range(len(sources)))
    step = partial(_prepared, prepare)
    with tqdm(total=len(sources), disable=None, unit="image") as bar:
        for turn in tries(todo):
            given = [sources[number] for number in turn]
            for position, outcome in map_in_workers(step, given, workers):
                number = turn[position]
                if isinstance(outcome, ReadFailure):
                    todo.append(number)
                    reasons[number] = str(outcome)
                    continue
                bar.update()
                if isinstance(outcome, PreparedImage):
                    images[number] = outcome
                else:
                    broken[sources[number].name] = str(outcome)
    still_open = {sources[number].name: reasons[number] for number in sorted(todo)}
    return PreparedImages([image for image in images if image is not None], broken, still_open)


def _prepared(
    prepare: Callable[[SourceImage], PreparedImage], source: SourceImage
) -> PreparedImage | ReadFailure | ValueError:
    try:
        return prepare(source)
    except (ReadFailure, ValueError) as error:
        return error
