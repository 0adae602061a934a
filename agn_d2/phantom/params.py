"""Parameters of the phantom: every share, range and size, with its unit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

VIEW_PATTERNS = ("four", "three", "ipsilateral_pair", "contralateral_pair", "single")

# Cases of each pattern that give the image counts measured on the mass subset of CBIS-DDSM
# (training split: 87 images with both partner views, 931 with the auxiliary view only, 13 with
# the contralateral view only, 200 with neither): 4f + t = 87, 2p + t = 931, 2q + t = 13, s = 200.
CBIS_DDSM_VIEW_SHARES = (21.0, 3.0, 464.0, 5.0, 200.0)


@dataclass(frozen=True)
class PhantomParams:
    """What a phantom data set is made of.

    Shares lie in [0, 1]; a tuple of shares is normalized to sum to one. Lengths are millimeters.

    Attributes:
        cases: number of women (up to four images each).
        seed: together with the index of a case it decides everything in that case.
        size: image height in pixels; the width is ``round(aspect * size)``.
        aspect: width / height of the images.
        split_shares: shares of the cases in train, val and test.
        density_shares: shares of the breast densities ACR 1 (fatty) to 4 (dense).
        mass_count_shares: shares of cases with 0, 1, 2, ... masses.
        mass_diameter_mm: smallest and largest diameter of a mass (log-uniform between them).
        mass_contrast: smallest and largest brightness that a mass adds (full scale = 1).
        spiculated_share: share of the masses with spicules; the others are round to lobulated.
        hidden_share: share of the masses that dense tissue hides in one of the two views.
        superimposition_share: share of the breasts in which one view shows a mass-like blob that
            has no partner in the other view.
        symmetric_share: share of the cases with a mass-like density at the mirrored place of
            both breasts.
        tissue_symmetry: part of the fibroglandular pattern that the two breasts share.
        nipple_in_profile_share: share of the images that show the nipple in profile.
        pectoral_absent_share: share of the MLO images without a visible pectoral muscle.
        cc_pectoral_share: share of the CC images with a rim of pectoral muscle.
        unexpected_side_share: share of the images that have the chest wall at the side that
            their laterality does not suggest (left breast: left side of the image).
        view_shares: shares of the cases by the views that they have, see ``VIEW_PATTERNS``.
        border_share: share of the images with white film borders.
        label_share: share of the images with a burned-in view label.
        tape_share: share of the images with a strip of tape.
        noise: strength of the film noise (1 = usual, 0 = none).
    """

    cases: int = 90
    seed: int = 0
    size: int = 512
    aspect: float = 0.65
    split_shares: tuple[float, ...] = (0.67, 0.11, 0.22)
    density_shares: tuple[float, ...] = (0.1, 0.4, 0.4, 0.1)
    mass_count_shares: tuple[float, ...] = (0.15, 0.65, 0.2)
    mass_diameter_mm: tuple[float, float] = (10.0, 32.0)
    mass_contrast: tuple[float, float] = (0.2, 0.55)
    spiculated_share: float = 0.35
    hidden_share: float = 0.15
    superimposition_share: float = 0.2
    symmetric_share: float = 0.2
    tissue_symmetry: float = 0.7
    nipple_in_profile_share: float = 0.8
    pectoral_absent_share: float = 0.06
    cc_pectoral_share: float = 0.2
    unexpected_side_share: float = 0.3
    view_shares: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 0.0)
    border_share: float = 0.0
    label_share: float = 0.0
    tape_share: float = 0.0
    noise: float = 1.0

    def __post_init__(self) -> None:
        _check_whole(self, "cases", 1)
        _check_whole(self, "seed", 0)
        _check_whole(self, "size", 64)
        if not 0.5 <= self.aspect <= 2.0:
            raise ValueError(f"aspect must lie in [0.5, 2], got {self.aspect}")
        if not (math.isfinite(self.noise) and self.noise >= 0):
            raise ValueError(f"noise must be a number >= 0, got {self.noise}")
        lengths = {"split_shares": 3, "density_shares": 4, "view_shares": len(VIEW_PATTERNS)}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(field.default, tuple):
                object.__setattr__(self, field.name, tuple(float(v) for v in value))
            if field.name.endswith("_shares"):
                _check_shares(field.name, getattr(self, field.name), lengths.get(field.name))
                continue
            is_share = field.name.endswith("_share") or field.name == "tissue_symmetry"
            if is_share and not 0.0 <= value <= 1.0:
                raise ValueError(f"{field.name} must lie in [0, 1], got {value}")
        for name in ("mass_diameter_mm", "mass_contrast"):
            value = getattr(self, name)
            if len(value) != 2 or not 0 < value[0] <= value[1] < math.inf:
                raise ValueError(f"{name} must be (low, high) with 0 < low <= high, got {value}")

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) of the images in pixels."""
        return self.size, round(self.aspect * self.size)

    def to_dict(self) -> dict[str, Any]:
        """The parameters as JSON values."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PhantomParams:
        """Inverse of :meth:`to_dict`; raises ValueError on a key that does not exist."""
        unknown = sorted(set(values) - {f.name for f in fields(cls)})
        if unknown:
            raise ValueError(f"unknown phantom parameters: {', '.join(unknown)}")
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def _check_whole(params: PhantomParams, name: str, lowest: int) -> None:
    value = getattr(params, name)
    if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
        raise ValueError(f"{name} must be a whole number >= {lowest}, got {value!r}")


def _check_shares(name: str, value: tuple[float, ...], length: int | None) -> None:
    if not value or (length is not None and len(value) != length):
        raise ValueError(f"{name} needs {length or 'some'} values, got {len(value)}")
    if any(not (math.isfinite(v) and v >= 0) for v in value) or sum(value) <= 0:
        raise ValueError(f"{name} must be non-negative and not all zero, got {value}")


# Small, mostly fatty and with clear masses: a detector learns something of it on a CPU in minutes.
DEMO_PARAMS = PhantomParams(
    cases=90,
    size=320,
    split_shares=(60.0, 10.0, 20.0),
    density_shares=(0.4, 0.4, 0.2, 0.0),
    mass_count_shares=(0.05, 0.7, 0.25),
    mass_diameter_mm=(14.0, 34.0),
    mass_contrast=(0.4, 0.7),
    hidden_share=0.1,
    superimposition_share=0.1,
    symmetric_share=0.1,
)
