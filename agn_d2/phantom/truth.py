"""What a generated case holds: its images and the truth about them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .anatomy import Breast
from .lesions import MASS, Blob
from .projection import ViewGeometry


@dataclass(frozen=True)
class PhantomObject:
    """A mass or a distractor in one image, pixels of that image.

    Attributes:
        kind: "mass", "superimposition" or "symmetric".
        lesion_id: id of the 3-D body, the same in every view.
        polygon: (M, 2) outline.
        position_mm: (3,) center in the breast's frame (depth, lateral, superior).
        diameter_mm: mean diameter of the body.
        spiculated: whether it has spicules.
        hidden: whether dense tissue hides it in this image.
    """

    kind: str
    lesion_id: str
    polygon: np.ndarray
    position_mm: np.ndarray
    diameter_mm: float
    spiculated: bool
    hidden: bool

    @property
    def bbox(self) -> tuple[float, float, float, float]:
        """(x, y, width, height) of the polygon's bounds."""
        low, high = self.polygon.min(axis=0), self.polygon.max(axis=0)
        return float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1])

    @property
    def area(self) -> float:
        """Area of the polygon, square pixels."""
        x, y = self.polygon.T
        return float(0.5 * abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))))


@dataclass(frozen=True)
class PhantomView:
    """One image with its truth.

    Attributes:
        file_name: name of the image in the data set.
        laterality: "L" or "R".
        view: "CC" or "MLO".
        image: (H, W) uint16.
        landmarks: the landmark record (nipple, pectoral line, contour, chest-wall side).
        objects: masses and distractors that the image shows.
        geometry: how the image was projected (chest wall at the left, before mirroring).
    """

    file_name: str
    laterality: str
    view: str
    image: np.ndarray
    landmarks: dict[str, object]
    objects: tuple[PhantomObject, ...]
    geometry: ViewGeometry

    @property
    def masses(self) -> tuple[PhantomObject, ...]:
        return tuple(o for o in self.objects if o.kind == MASS)


@dataclass(frozen=True)
class PhantomCase:
    """The images of one woman; ``density`` is ACR 1 to 4, ``blobs`` all objects in 3-D."""

    index: int
    patient_id: str
    density: int
    breasts: dict[str, Breast]
    blobs: tuple[Blob, ...]
    views: tuple[PhantomView, ...]
