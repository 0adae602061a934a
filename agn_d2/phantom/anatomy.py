"""The 3-D breast, before compression.

Frame of a breast, millimeters: x depth from the chest wall (the pectoral muscle) towards the
nipple, y towards the lateral side, z towards the head. Both breasts of a woman use it, so the
same (x, y, z) in both is the mirrored place.

The skin is ((|y| / e_y)^2 + (|z| / e_z)^2)^(p/2) + (x / D)^q = 1: four quarter ellipses as base
(lateral, medial, superior, inferior extent), shrinking towards the nipple. Its silhouette along
any direction is known in closed form, so that the outlines of the CC and MLO views belong to one
and the same body.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Breast:
    """Shape of one breast, mm (see the module's text).

    ``nipple`` is the (y, z) offset of the nipple; ``gland_reach`` says how much of the breast the
    fibroglandular cone fills, ``gland_center`` (y, z) where it lies, as fractions of the extents.
    """

    depth: float
    lateral: float
    medial: float
    superior: float
    inferior: float
    base_power: float
    depth_power: float
    nipple: tuple[float, float]
    density: int
    gland_reach: float
    gland_center: tuple[float, float]

    def extents(self, angle: float) -> tuple[float, float]:
        """Extent of the base towards (y, z) = (sin a, cos a) and towards the opposite side, mm."""
        sin, cos = np.sin(angle), np.cos(angle)
        # Directions used lie between lateral (a = 90 deg) and superior (a = 0).
        up = np.hypot(self.lateral * sin, self.superior * cos)
        down = np.hypot(self.medial * sin, self.inferior * cos)
        return float(up), float(down)

    def base_radius(self, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Distance from the axis as a fraction of the base, 1 on its edge."""
        e_y = np.where(y >= 0, self.lateral, self.medial)
        e_z = np.where(z >= 0, self.superior, self.inferior)
        return np.hypot(y / e_y, z / e_z)

    def level(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Below 1 inside the breast, 1 on the skin."""
        base = self.base_radius(y, z) ** self.base_power
        return base + np.clip(x / self.depth, 0, None) ** self.depth_power

    def profile(self, u: np.ndarray, angle: float) -> np.ndarray:
        """Depth of the skin at coordinate ``u`` (mm) of a projection at ``angle``; 0 beyond it."""
        up, down = self.extents(angle)
        inside = 1.0 - np.abs(u / np.where(u >= 0, up, down)) ** self.base_power
        return self.depth * np.clip(inside, 0.0, None) ** (1.0 / self.depth_power)


def sample_woman(rng: np.random.Generator, density: int) -> Breast:
    """The breast that both breasts of one woman are variations of; ``density`` is ACR 1 to 4."""
    # Dense breasts tend to be the smaller ones.
    depth = float(rng.uniform(66, 112) - 5.0 * (density - 1))
    width = depth * rng.uniform(0.78, 1.0)
    return Breast(
        depth=depth,
        lateral=float(width * rng.uniform(0.95, 1.15)),
        medial=float(width * rng.uniform(0.8, 1.0)),
        superior=float(width * rng.uniform(1.0, 1.25)),
        inferior=float(width * rng.uniform(0.7, 0.9)),
        base_power=float(rng.uniform(1.8, 2.6)),
        depth_power=float(rng.uniform(1.5, 2.0)),
        nipple=(float(rng.normal(0, 3)), float(rng.normal(-2, 3))),
        density=density,
        gland_reach=float((0.55, 0.65, 0.74, 0.84)[density - 1] * rng.uniform(0.92, 1.08)),
        gland_center=(float(rng.uniform(-0.05, 0.2)), float(rng.uniform(-0.1, 0.15))),
    )


def vary_breast(woman: Breast, rng: np.random.Generator) -> Breast:
    """One breast of the woman: the common shape with its own small deformation."""
    factor = rng.normal(1.0, 0.035, 6).clip(0.9, 1.1)
    shift = rng.normal(0, 1.0, 2)
    return replace(
        woman,
        depth=woman.depth * float(factor[0]),
        lateral=woman.lateral * float(factor[1]),
        medial=woman.medial * float(factor[2]),
        superior=woman.superior * float(factor[3]),
        inferior=woman.inferior * float(factor[4]),
        gland_reach=woman.gland_reach * float(factor[5]),
        nipple=(woman.nipple[0] + float(shift[0]), woman.nipple[1] + float(shift[1])),
    )
