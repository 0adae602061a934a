"""One phantom case: the up to four images of a woman with their truth."""

from __future__ import annotations

import numpy as np

from ..utils.view_names import STANDARD_VIEWS, VIEWS
from .anatomy import Breast, sample_woman, vary_breast
from .film import FilmPlan, expose, finish, plan_film
from .lesions import MASS, Blob
from .params import PhantomParams
from .placement import plan_blobs
from .positioning import cc_geometry, mlo_geometry
from .projection import Frame, ViewGeometry, pectoral_line, visible_contour
from .render import Shadow, cast_shadow, render_view
from .rng import pick, stream
from .texture import VOLUME_CELLS, gland_volume, power_law_noise, project_volume
from .truth import PhantomCase, PhantomObject, PhantomView


def generate_case(seed: int, index: int, params: PhantomParams) -> PhantomCase:
    """Case ``index`` of the phantom with this seed; nothing else than the arguments decides it.

    Args:
        seed: takes the place of ``params.seed``.
        index: number of the case, from 0; ``params.cases`` plays no part.
        params: sizes, shares and ranges.

    Raises:
        ValueError: if seed or index is negative.
    """
    if seed < 0 or index < 0:
        raise ValueError(f"seed and index must be >= 0, got seed {seed}, index {index}")
    density = 1 + pick(stream(seed, index, "density"), params.density_shares)
    rng = stream(seed, index, "anatomy")
    woman = sample_woman(rng, density)
    film_mm = _film_height(woman, params) * rng.uniform(1.0, 1.1)
    breasts = {side: vary_breast(woman, stream(seed, index, "breast", side)) for side in "LR"}
    films, geometries = {}, {}
    for side, view in STANDARD_VIEWS:
        films[side, view] = plan_film(params, stream(seed, index, "film", side, view))
        frame = _frame(films[side, view], film_mm, params)
        make = cc_geometry if view == "CC" else mlo_geometry
        rng = stream(seed, index, "geometry", side, view)
        geometries[side, view] = make(breasts[side], frame, params, rng)
    blobs = plan_blobs(seed, index, breasts, geometries, params)
    present = _present_views(seed, index, blobs, params)
    sides = sorted({side for side, _ in present})
    glands = {side: _gland(seed, index, side, breasts[side], params) for side in sides}
    patient_id = f"phantom_{index:06d}"
    views = tuple(
        _make_view(
            (seed, index, side, view),
            patient_id,
            breasts[side],
            geometries[side, view],
            glands[side],
            films[side, view],
            blobs,
            params,
        )
        for side, view in present
    )
    return PhantomCase(index, patient_id, density, breasts, blobs, views)


def _film_height(woman: Breast, params: PhantomParams) -> float:
    """Height of the exposed film in mm that shows the whole breast in both views."""
    for_cc = (woman.lateral + woman.medial) * 1.2
    for_mlo = 1.45 * woman.depth / params.aspect
    return max(for_cc, for_mlo, 170.0)


def _frame(film: FilmPlan, film_mm: float, params: PhantomParams) -> Frame:
    height, width = params.image_size
    left, top, right, bottom = film.borders
    return Frame(left, top, width - right, height - bottom, film_mm / height)


def _gland(
    seed: int, index: int, side: str, breast: Breast, params: PhantomParams
) -> tuple[np.ndarray, np.ndarray, float]:
    shared = _ducts(stream(seed, index, "tissue"))
    own = _ducts(stream(seed, index, "tissue", side))
    # Amplitudes, so that the sum keeps unit variance and the correlation is tissue_symmetry.
    common = params.tissue_symmetry
    return gland_volume(breast, np.sqrt(common) * shared + np.sqrt(1.0 - common) * own)


def _ducts(rng: np.random.Generator) -> np.ndarray:
    """Noise over (x, y, z) that is stretched along x, as the gland is towards the nipple."""
    n = VOLUME_CELLS
    half = power_law_noise((n // 2 + 1, n, n), rng)
    return np.stack([half[:-1], 0.5 * (half[:-1] + half[1:])], axis=1).reshape(n, n, n)


def _present_views(
    seed: int, index: int, blobs: tuple[Blob, ...], params: PhantomParams
) -> tuple[tuple[str, str], ...]:
    """The views that the case has; a breast with a mass is kept before one without."""
    rng = stream(seed, index, "views")
    pattern = pick(rng, params.view_shares)
    with_mass = sorted({b.laterality for b in blobs if b.kind == MASS}) or ["L", "R"]
    side = with_mass[int(rng.integers(len(with_mass)))]
    other = "R" if side == "L" else "L"
    view = VIEWS[int(rng.integers(2))]
    keep = (
        set(STANDARD_VIEWS),
        {(side, "CC"), (side, "MLO"), (other, view)},
        {(side, "CC"), (side, "MLO")},
        {("L", view), ("R", view)},
        {(side, view)},
    )[pattern]
    return tuple(v for v in STANDARD_VIEWS if v in keep)


def _make_view(
    key: tuple[int, int, str, str],
    patient_id: str,
    breast: Breast,
    geometry: ViewGeometry,
    gland: tuple[np.ndarray, np.ndarray, float],
    film: FilmPlan,
    blobs: tuple[Blob, ...],
    params: PhantomParams,
) -> PhantomView:
    seed, index, side, view = key
    rng = stream(seed, index, "image", side, view)
    shadows = [cast_shadow(b, geometry) for b in blobs if b.shown_in(side, view)]
    profile = project_volume(*gland, geometry.angle)
    attenuation = render_view(breast, geometry, profile, shadows, params.image_size, rng)
    unexpected = stream(seed, index, "side", side, view).random() < params.unexpected_side_share
    chest_right = (side == "R") != unexpected
    grain = stream(seed, index, "grain", side, view)
    image = finish(expose(attenuation, params.noise, grain), film, chest_right, side, view)
    return PhantomView(
        file_name=f"{patient_id}_{side}_{view}.png",
        laterality=side,
        view=view,
        image=image,
        landmarks=_landmarks(breast, geometry, params.image_size, chest_right),
        objects=tuple(_object(s, geometry, params.image_size, chest_right) for s in shadows),
        geometry=geometry,
    )


def _landmarks(
    breast: Breast, geometry: ViewGeometry, size: tuple[int, int], flip: bool
) -> dict[str, object]:
    height, width = size
    nipple = geometry.to_image(geometry.nipple_xu(breast))
    contour = visible_contour(geometry.outline(breast), nipple, geometry.frame)
    line = pectoral_line(geometry)
    return {
        "status": "ok",
        "view": geometry.view,
        "width": width,
        "height": height,
        "chest_wall": "right" if flip else "left",
        "nipple": _mirror(nipple, width, flip).round(3).tolist(),
        "pectoral_line": _mirror(line, width, flip).round(3).tolist(),
        "contour": _mirror(contour, width, flip).round(3).tolist(),
    }


def _object(
    shadow: Shadow, geometry: ViewGeometry, size: tuple[int, int], flip: bool
) -> PhantomObject:
    height, width = size
    blob = shadow.blob
    polygon = _mirror(shadow.outline, width, flip).clip(0, (width, height))
    return PhantomObject(
        kind=blob.kind,
        lesion_id=blob.name,
        polygon=polygon.round(3),
        position_mm=blob.position.copy(),
        diameter_mm=2 * blob.radius,
        spiculated=len(blob.spicules) > 0,
        hidden=blob.hidden_view == geometry.view,
    )


def _mirror(points: np.ndarray, width: int, flip: bool) -> np.ndarray:
    if not flip:
        return points
    return np.stack([width - points[..., 0], points[..., 1]], axis=-1)
