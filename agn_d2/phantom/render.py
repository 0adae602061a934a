"""One view of one breast as an attenuation map, chest wall at the left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from .anatomy import Breast
from .lesions import Blob
from .projection import ViewGeometry
from .texture import power_law_noise, sample_profile, strands

_SUBPIXEL_BITS = 4
_FAT, _GLAND, _MUSCLE, _SKIN = 0.27, 0.60, 0.55, 0.06
# How much of its contrast a mass keeps where dense tissue hides it.
_HIDDEN_CONTRAST = 0.3


@dataclass(frozen=True)
class Shadow:
    """An object as one view shows it, pixels: its outline polygon and its spicules."""

    blob: Blob
    center: np.ndarray
    outline: np.ndarray
    spikes: np.ndarray


def cast_shadow(blob: Blob, geometry: ViewGeometry) -> Shadow:
    """Project an object into a view; compression moves it but does not change its shape."""
    center = geometry.to_image(geometry.project(blob.position))
    sin, cos = np.sin(geometry.tilt), np.cos(geometry.tilt)
    turn = np.array([[cos, sin], [sin, -cos]]) / geometry.frame.mm
    return Shadow(
        blob=blob,
        center=center,
        outline=center + blob.outline(geometry.angle) @ turn.T,
        spikes=center + blob.spikes(geometry.angle) @ turn.T,
    )


def breast_mask(outline: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(H, W) float32: 1 inside the outline polygon, 0 outside, in between on its edge."""
    # Filled at four times the size: cv2.fillPoly also paints every pixel that its edge touches.
    fine = np.zeros((4 * shape[0], 4 * shape[1]), np.uint8)
    cv2.fillPoly(fine, [_fixed(4 * outline)], 255, shift=_SUBPIXEL_BITS)
    mask = cv2.resize(fine, shape[::-1], interpolation=cv2.INTER_AREA)
    return mask.astype(np.float32) / 255


def render_view(
    breast: Breast,
    geometry: ViewGeometry,
    gland: tuple[np.ndarray, float],
    shadows: Sequence[Shadow],
    shape: tuple[int, int],
    rng: np.random.Generator,
) -> np.ndarray:
    """Attenuation (H, W) float32, 0 in air.

    Args:
        breast: the breast's shape.
        geometry: the view.
        gland: the breast's projected volume and its reach, see ``texture.project_volume``.
        shadows: the objects that this view shows.
        shape: (H, W) of the image.
        rng: decides the fine texture of this view.
    """
    mm = geometry.frame.mm
    outline = geometry.outline(breast)
    mask = breast_mask(outline, shape)
    depth_below_skin = mm * _distance_to(outline, shape)
    # Compressed tissue is of even thickness but for its rounded edge.
    edge = np.clip(1.0 - depth_below_skin / (0.2 * breast.depth), 0.0, 1.0)
    thickness = np.sqrt(1.0 - edge * edge * 0.96) * mask

    x, u = _breast_coordinates(geometry, shape)
    detail = power_law_noise(shape, rng, lowest=mm / 45.0)
    profile, reach = gland
    density = np.clip(sample_profile(profile, reach, breast.depth, x, u), 0.0, 1.0)
    for shadow in shadows:
        if shadow.blob.hidden_view == geometry.view:
            _add_cloud(density, shadow, mm)
    # The gland keeps away from the skin: a layer of fat lies in between.
    density *= np.clip((depth_below_skin - 3.0) / 9.0, 0.0, 1.0)
    # Log-normal: fine structure grows with the amount of gland and is brighter than it is dark.
    density *= np.exp(0.38 * detail - 0.07)
    lines = strands(x, u, geometry.nipple_xu(breast), rng)
    ridges = np.exp(-((detail[::-1, ::-1] / 0.1) ** 2))
    tissue = _FAT * (1.0 + 0.09 * detail) + _GLAND * density
    tissue += (0.03 + 0.2 * density) * (0.8 * lines + 0.4 * ridges)
    muscle = _muscle(geometry, x, u) * rng.uniform(0.75, 1.1)
    tissue += _MUSCLE * muscle * (1.0 - 0.6 * np.minimum(density, 1.0)) * (1.0 + 0.08 * detail)
    for shadow in shadows:
        _add_body(tissue, shadow, geometry, detail)
    tissue *= thickness
    tissue += _SKIN * mask * np.exp(-((depth_below_skin / 1.3) ** 2))
    _add_nipple(tissue, breast, geometry)
    return tissue.astype(np.float32, copy=False)


def _fixed(points: np.ndarray) -> np.ndarray:
    """Pixels with centers at halves to OpenCV's fixed-point pixels with centers at integers."""
    return np.round((points - 0.5) * (1 << _SUBPIXEL_BITS)).astype(np.int32)


def _distance_to(outline: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Distance of each pixel to the outline, pixels (the image's own edges do not count)."""
    free = np.full(shape, 255, np.uint8)
    cv2.polylines(free, [_fixed(outline)], False, 0, shift=_SUBPIXEL_BITS)
    return cv2.distanceTransform(free, cv2.DIST_L2, 5)


def _breast_coordinates(
    geometry: ViewGeometry, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    columns = np.arange(shape[1], dtype=np.float32) + np.float32(0.5)
    rows = np.arange(shape[0], dtype=np.float32) + np.float32(0.5)
    pixels = np.stack(np.broadcast_arrays(columns[None, :], rows[:, None]), axis=-1)
    xu = geometry.to_breast(pixels)
    return xu[..., 0].astype(np.float32), xu[..., 1].astype(np.float32)


def _muscle(geometry: ViewGeometry, x: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Pectoral muscle in [0, 1]: a soft edge at x = 0 in MLO, a rim at the chest wall in CC."""
    if geometry.muscle:
        behind = -x
    elif geometry.rim > 0:
        start = -geometry.origin[0] / geometry.scale[0]
        behind = start + geometry.rim * (1.0 - (u / 45.0) ** 2) - x
    else:
        return np.zeros_like(x)
    thicker = 0.5 + 0.5 * np.clip(behind / 40.0, 0.0, 1.0)
    return thicker / (1.0 + np.exp(np.clip(-behind / 1.3, -30, 30)))


def _window(center: np.ndarray, reach: float, shape: tuple[int, int]) -> tuple[slice, slice]:
    low = np.maximum(np.floor(center - reach).astype(int), 0)
    high = np.minimum(np.ceil(center + reach).astype(int) + 1, (shape[1], shape[0]))
    return slice(low[1], max(high[1], low[1])), slice(low[0], max(high[0], low[0]))


def _offsets(window: tuple[slice, slice], center: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = window
    dx = np.arange(columns.start, columns.stop) + 0.5 - center[0]
    dy = np.arange(rows.start, rows.stop) + 0.5 - center[1]
    return np.meshgrid(dx, dy)


def _add_cloud(density: np.ndarray, shadow: Shadow, mm: float) -> None:
    """Dense tissue around and over a hidden mass."""
    radius = shadow.blob.radius / mm
    window = _window(shadow.center, 4 * radius, density.shape)
    dx, dy = _offsets(window, shadow.center)
    around = np.exp(-((np.hypot(dx, dy) / (2.0 * radius)) ** 3))
    part = density[window]
    part += around * np.clip(0.85 - part, 0.0, 1.0)


def _add_body(
    tissue: np.ndarray, shadow: Shadow, geometry: ViewGeometry, detail: np.ndarray
) -> None:
    blob = shadow.blob
    radius = blob.radius / geometry.frame.mm
    points = np.concatenate([shadow.outline, shadow.spikes.reshape(-1, 2)])
    reach = np.abs(points - shadow.center).max() + 3 * blob.softness * radius + 3
    window = _window(shadow.center, float(reach), tissue.shape)
    dx, dy = _offsets(window, shadow.center)
    if dx.size == 0:
        return
    offsets = shadow.outline - shadow.center
    start = np.arctan2(offsets[:, 1], offsets[:, 0])
    order = np.argsort(start)
    limit = np.interp(
        np.arctan2(dy, dx), start[order], np.hypot(*offsets.T)[order], period=2 * np.pi
    )
    body = np.sqrt(np.clip(1.0 - (np.hypot(dx, dy) / limit) ** 2, 0.0, 1.0)).astype(np.float32)
    body = cv2.GaussianBlur(body, (0, 0), max(0.5 * blob.softness * radius, 0.4))
    contrast = blob.contrast * (_HIDDEN_CONTRAST if blob.hidden_view == geometry.view else 1.0)
    body *= 1.0 + 0.12 * detail[window]
    if len(shadow.spikes):
        corner = np.array([window[1].start, window[0].start])
        body = np.maximum(body, _spike_map(shadow.spikes - corner, body.shape, radius))
    tissue[window] += contrast * body


def _spike_map(spikes: np.ndarray, shape: tuple[int, int], radius: float) -> np.ndarray:
    """Spicules that fade towards their tips, (H, W) float32 in [0, 1]."""
    lines = np.zeros(shape, np.float32)
    for part in np.linspace(1.0, 0.25, 4):
        ends = spikes[:, 0] + part * (spikes[:, 1] - spikes[:, 0])
        layer = np.zeros(shape, np.uint8)
        segments = _fixed(np.stack([spikes[:, 0], ends], axis=1))
        cv2.polylines(layer, list(segments), False, 255, 1, cv2.LINE_AA, _SUBPIXEL_BITS)
        lines += layer * np.float32(0.2 / 255)
    return cv2.GaussianBlur(lines, (0, 0), max(0.05 * radius, 0.4))


def _add_nipple(tissue: np.ndarray, breast: Breast, geometry: ViewGeometry) -> None:
    """The nipple's own density: a small round shadow, seen best when it is not in profile."""
    tip = geometry.nipple_xu(breast)
    if geometry.nipple_inset < 0:
        tip = tip + np.array([0.5 * geometry.nipple_inset, 0.0])
    center = geometry.to_image(tip)
    radius = 4.2 / geometry.frame.mm
    window = _window(center, 2 * radius, tissue.shape)
    dx, dy = _offsets(window, center)
    spot = np.exp(-((np.hypot(dx, dy) / radius) ** 4)).astype(np.float32)
    part = tissue[window]
    part += 0.12 * spot * (part > 0)
