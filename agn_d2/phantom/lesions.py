"""Masses and what looks like one: 3-D blobs and their silhouettes.

A blob is a star-shaped object r(w) = R (1 + sum of lobes at directions on the sphere), stretched
along three axes, with spicules as rays. A view shows its silhouette and its thickness. Masses,
superimposed tissue and symmetric tissue are all drawn from the same distribution: what tells them
apart is the other view and the other breast, never their look.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .params import PhantomParams

OUTLINE_POINTS = 72
_SPHERE_POINTS = 700
MASS, SUPERIMPOSED, SYMMETRIC = "mass", "superimposition", "symmetric"


@dataclass(frozen=True)
class Blob:
    """A dense object in one breast.

    Attributes:
        kind: MASS, SUPERIMPOSED or SYMMETRIC.
        name: id of the object: the same in every view, and in both breasts if symmetric.
        laterality: breast that holds it, "L" or "R".
        position: center (x, y, z) in the breast's frame, mm.
        radius: mean radius, mm.
        axes: (3,) stretch along x, y, z.
        lobes: (K, 5) direction (3), height, sharpness of each lobe.
        spicules: (S, 4) direction (3), length in mm of each spicule.
        softness: width of the blurred margin as a fraction of the radius.
        contrast: brightness added at the thickest place (full scale = 1).
        only_view: the one view that shows it (SUPERIMPOSED), or None for both.
        hidden_view: the view in which dense tissue hides it, or None.
    """

    kind: str
    name: str
    laterality: str
    position: np.ndarray
    radius: float
    axes: np.ndarray
    lobes: np.ndarray
    spicules: np.ndarray
    softness: float
    contrast: float
    only_view: str | None = None
    hidden_view: str | None = None

    def surface(self) -> np.ndarray:
        """(M, 3) points on the surface around the center, mm."""
        directions = _sphere(_SPHERE_POINTS)
        cosine = directions @ self.lobes[:, :3].T
        bumps = self.lobes[:, 3] * np.exp(self.lobes[:, 4] * (cosine - 1.0))
        return self.radius * (1.0 + bumps.sum(axis=1))[:, None] * directions * self.axes

    def outline(self, angle: float) -> np.ndarray:
        """Silhouette along a projection angle: (OUTLINE_POINTS, 2) offsets (x, u), mm.

        Point i lies in the direction 2 pi i / OUTLINE_POINTS from the x axis.
        """
        flat = _flatten(self.surface(), angle)
        polar = 2 * np.pi * np.arange(OUTLINE_POINTS) / OUTLINE_POINTS
        rays = np.stack([np.cos(polar), np.sin(polar)])
        along = flat @ rays
        across = flat @ np.stack([-rays[1], rays[0]])
        # The outermost point of the object within a narrow sector of each direction.
        near = np.abs(across) < np.tan(2.2 * np.pi / OUTLINE_POINTS) * along
        reach = np.where(near, along, 0.0).max(axis=0)
        reach = np.where(reach > 0, reach, 0.8 * self.radius)
        smooth = 0.25 * np.roll(reach, 1) + 0.5 * reach + 0.25 * np.roll(reach, -1)
        return smooth[:, None] * rays.T

    def spikes(self, angle: float) -> np.ndarray:
        """(S, 2, 2) start and end of the projected spicules, offsets (x, u), mm."""
        tips = _flatten(self.spicules[:, :3] * (self.radius + self.spicules[:, 3:]), angle)
        return np.stack([0.3 * tips, tips], axis=1)

    def shown_in(self, laterality: str, view: str) -> bool:
        """Whether this view of this breast shows the body."""
        return self.laterality == laterality and self.only_view in (None, view)


def _flatten(points: np.ndarray, angle: float) -> np.ndarray:
    u = points[:, 1] * np.sin(angle) + points[:, 2] * np.cos(angle)
    return np.stack([points[:, 0], u], axis=1)


def _sphere(count: int) -> np.ndarray:
    """``count`` evenly spread directions (a Fibonacci lattice)."""
    i = np.arange(count) + 0.5
    height = 1 - 2 * i / count
    turn = np.pi * (1 + 5**0.5) * i
    ring = np.sqrt(1 - height**2)
    return np.stack([ring * np.cos(turn), ring * np.sin(turn), height], axis=1)


def _directions(rng: np.random.Generator, count: int) -> np.ndarray:
    vectors = rng.normal(size=(count, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def sample_blob(
    kind: str, name: str, laterality: str, params: PhantomParams, rng: np.random.Generator
) -> Blob:
    """A body of random size and shape at the origin; the caller places it."""
    low, high = params.mass_diameter_mm
    radius = 0.5 * float(np.exp(rng.uniform(np.log(low), np.log(high))))
    spiculated = rng.random() < params.spiculated_share
    roughness = float(rng.uniform(0.0, 1.0)) if not spiculated else float(rng.uniform(0.5, 1.0))
    lobes = int(rng.integers(3, 9))
    spicules = int(rng.integers(14, 32)) if spiculated else 0
    return Blob(
        kind=kind,
        name=name,
        laterality=laterality,
        position=np.zeros(3),
        radius=radius,
        axes=rng.uniform(0.78, 1.22, 3),
        lobes=np.concatenate(
            [
                _directions(rng, lobes),
                roughness * rng.uniform(-0.22, 0.34, (lobes, 1)),
                rng.uniform(3.0, 14.0, (lobes, 1)),
            ],
            axis=1,
        ),
        spicules=np.concatenate(
            [_directions(rng, spicules), radius * rng.uniform(0.3, 1.6, (spicules, 1))], axis=1
        ),
        softness=float(rng.uniform(0.1, 0.3) + 0.15 * spiculated),
        contrast=float(rng.uniform(*params.mass_contrast)),
    )


def twin(blob: Blob, rng: np.random.Generator) -> Blob:
    """The counterpart of a symmetric density in the other breast: like it, but not a copy."""
    lobes = blob.lobes.copy()
    lobes[:, 3] *= rng.uniform(0.7, 1.3, len(lobes))
    return replace(
        blob,
        laterality="R" if blob.laterality == "L" else "L",
        radius=blob.radius * float(rng.uniform(0.9, 1.1)),
        axes=blob.axes * rng.uniform(0.94, 1.06, 3),
        lobes=lobes,
        contrast=blob.contrast * float(rng.uniform(0.85, 1.15)),
    )
