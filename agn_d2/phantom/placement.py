"""Where the masses and the distractors of one case lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..utils.view_names import VIEWS
from .anatomy import Breast
from .lesions import MASS, SUPERIMPOSED, SYMMETRIC, Blob, sample_blob, twin
from .params import PhantomParams
from .projection import ViewGeometry
from .rng import pick, stream

Geometries = Mapping[tuple[str, str], ViewGeometry]
_TRIES, _TRIES_AT_FULL_SIZE = 160, 120


def plan_blobs(
    seed: int,
    index: int,
    breasts: Mapping[str, Breast],
    geometries: Geometries,
    params: PhantomParams,
) -> tuple[Blob, ...]:
    """Masses, symmetric densities and superimpositions of one case.

    Every body lies inside the breast and inside the frames of the views that show it, clear of
    the others. A body for which no place is found is left out.
    """
    placed: list[Blob] = []
    rng = stream(seed, index, "masses")
    for number in range(pick(rng, params.mass_count_shares)):
        _add_mass(placed, f"{index:06d}-m{number + 1}", breasts, geometries, params, rng)
    rng = stream(seed, index, "symmetric")
    if rng.random() < params.symmetric_share:
        _add_symmetric(placed, f"{index:06d}-s1", breasts, geometries, params, rng)
    for laterality in ("L", "R"):
        rng = stream(seed, index, "superimposition", laterality)
        if rng.random() < params.superimposition_share:
            blob = sample_blob(SUPERIMPOSED, f"{index:06d}-{laterality}i", laterality, params, rng)
            blob = replace(blob, only_view=VIEWS[int(rng.integers(2))])
            blob = _place(blob, placed, breasts, geometries, rng)
            placed += [blob] if blob else []
    return tuple(placed)


def _add_mass(
    placed: list[Blob],
    name: str,
    breasts: Mapping[str, Breast],
    geometries: Geometries,
    params: PhantomParams,
    rng: np.random.Generator,
) -> None:
    laterality = ("L", "R")[int(rng.integers(2))]
    blob = sample_blob(MASS, name, laterality, params, rng)
    if rng.random() < params.hidden_share:
        blob = replace(blob, hidden_view=VIEWS[int(rng.integers(2))])
    blob = _place(blob, placed, breasts, geometries, rng)
    placed += [blob] if blob else []


def _add_symmetric(
    placed: list[Blob],
    name: str,
    breasts: Mapping[str, Breast],
    geometries: Geometries,
    params: PhantomParams,
    rng: np.random.Generator,
) -> None:
    first = sample_blob(SYMMETRIC, name, "L", params, rng)
    for trial in range(_TRIES):
        left = replace(first, position=_random_place(breasts["L"], rng))
        # The mirrored place, as far as two breasts of different shape have one.
        right = twin(left, rng)
        ratio = _size(breasts["R"]) / _size(breasts["L"])
        right = replace(right, position=left.position * ratio + rng.normal(0, 1.5, 3))
        if all(_fits(b, placed, breasts, geometries) for b in (left, right)):
            placed += [left, right]
            return
        first = _give_way(first, trial)


def _size(breast: Breast) -> np.ndarray:
    return np.array([breast.depth, breast.lateral + breast.medial, breast.superior])


def _place(
    blob: Blob,
    placed: list[Blob],
    breasts: Mapping[str, Breast],
    geometries: Geometries,
    rng: np.random.Generator,
) -> Blob | None:
    for trial in range(_TRIES):
        blob = replace(blob, position=_random_place(breasts[blob.laterality], rng))
        if _fits(blob, placed, breasts, geometries):
            return blob
        # A large mass in a small breast may fit nowhere: let it give way slowly.
        blob = _give_way(blob, trial)
    return None


def _give_way(blob: Blob, trial: int) -> Blob:
    """Smaller, but late: else objects placed last would be small, and size would tell the kind."""
    return blob if trial < _TRIES_AT_FULL_SIZE else replace(blob, radius=blob.radius * 0.985)


def _random_place(breast: Breast, rng: np.random.Generator) -> np.ndarray:
    turn = rng.uniform(0, 2 * np.pi)
    y, z = 0.75 * np.sqrt(rng.random()) * np.array([np.cos(turn), np.sin(turn)])
    y *= breast.lateral if y > 0 else breast.medial
    z *= breast.superior if z > 0 else breast.inferior
    return np.array([breast.depth * rng.uniform(0.15, 0.85), y, z])


def _fits(
    blob: Blob, placed: list[Blob], breasts: Mapping[str, Breast], geometries: Geometries
) -> bool:
    breast = breasts[blob.laterality]
    x, y, z = blob.position
    if breast.level(x + blob.radius, *(1.08 * np.array([y, z]))) > 0.93:
        return False
    for view in VIEWS:
        if blob.shown_in(blob.laterality, view):
            geometry = geometries[blob.laterality, view]
            xu = geometry.project(blob.position)
            ring = xu + 1.25 * blob.radius * np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])
            skin = geometry.skin(breast, ring[:, 1])
            in_frame = geometry.frame.holds(geometry.to_image(ring), margin=2.0).all()
            if not in_frame or (ring[:, 0] > skin - 2.0).any() or ring[:, 0].min() < 0:
                return False
    return all(_apart(blob, other, geometries) for other in placed)


def _apart(blob: Blob, other: Blob, geometries: Geometries) -> bool:
    """No two overlap in a view, and none sits where it could pass as the other's partner."""
    reach = 1.2 * (blob.radius + other.radius)
    if blob.laterality != other.laterality:
        # A mass mirrored by another mass or by a distractor would break the meaning of symmetry.
        return float(np.linalg.norm(blob.position - other.position)) > reach
    same_depth = abs(blob.position[0] - other.position[0]) < reach
    if SUPERIMPOSED in (blob.kind, other.kind) and same_depth:
        # The other view would seem to confirm the superimposition.
        return False
    for view in VIEWS:
        geometry = geometries[blob.laterality, view]
        gap = geometry.project(blob.position) - geometry.project(other.position)
        if np.hypot(*gap) < reach:
            return False
    return True
