"""Compression and projection: from the breast's frame (mm) to pixels of a CC or MLO image.

A view looks at the breast along one direction of its (y, z) plane. What is left are the depth x
and u = y sin(a) + z cos(a): a = 90 degrees is CC (u lateral), about 45 degrees MLO (u towards the
axilla). Compression stretches both. In the MLO image the axis u runs along the edge of the
pectoral muscle, which leans away from the chest wall towards the top; that is why the depth behind
the nipple, measured at right angles to the muscle, agrees between the two views.

Everything here has the chest wall at the left; images are mirrored as the last step.
Pixels: the center of the top-left pixel is (0.5, 0.5).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .anatomy import Breast

CONTOUR_POINTS = 128
_APEX_SAMPLES = 301


@dataclass(frozen=True)
class Frame:
    """The exposed part of the film: pixel edges (left, top, right, bottom) and mm per pixel."""

    left: float
    top: float
    right: float
    bottom: float
    mm: float

    @property
    def width_mm(self) -> float:
        return (self.right - self.left) * self.mm

    @property
    def height_mm(self) -> float:
        return (self.bottom - self.top) * self.mm

    def holds(self, points: np.ndarray, margin: float = 0.0) -> np.ndarray:
        """Which of the (N, 2) points (pixels) lie inside, ``margin`` pixels from the edge."""
        x, y = points[..., 0], points[..., 1]
        inside_x = (x >= self.left + margin) & (x <= self.right - margin)
        return inside_x & (y >= self.top + margin) & (y <= self.bottom - margin)


@dataclass(frozen=True)
class ViewGeometry:
    """How one view maps the breast to the image.

    Attributes:
        view: "CC" or "MLO".
        frame: exposed part of the film.
        angle: projection angle a, radians.
        tilt: lean of the u axis (pectoral line) from the vertical, radians; 0 in CC.
        origin: image place of (x, u) = (0, 0), mm from the frame's top-left corner.
        scale: stretch of (x, u) by compression.
        sag: u shift of the tissue at the depth of the nipple, mm (grows with depth squared).
        depth: depth of the breast that ``sag`` refers to, mm.
        muscle: whether the pectoral muscle is visible.
        rim: CC only, width of a rim of muscle at the chest wall, mm (0 = none).
        axilla: MLO only, (distance, slope) of the skin above the breast, see ``skin``.
        nipple_inset: how far the nipple lies inside the outline, mm; negative in profile.
    """

    view: str
    frame: Frame
    angle: float
    tilt: float
    origin: tuple[float, float]
    scale: tuple[float, float]
    sag: float
    depth: float
    muscle: bool
    rim: float
    axilla: tuple[float, float] | None
    nipple_inset: float

    def project(self, points: np.ndarray) -> np.ndarray:
        """(N, 3) points of the breast to (N, 2) coordinates (x, u), mm, before compression."""
        u = points[..., 1] * np.sin(self.angle) + points[..., 2] * np.cos(self.angle)
        return np.stack([points[..., 0], u], axis=-1)

    def to_image(self, xu: np.ndarray) -> np.ndarray:
        """(N, 2) coordinates (x, u) to (N, 2) pixels."""
        x = xu[..., 0] * self.scale[0]
        u = xu[..., 1] * self.scale[1] + self._shift(xu[..., 0])
        sin, cos = np.sin(self.tilt), np.cos(self.tilt)
        px = (self.origin[0] + x * cos + u * sin) / self.frame.mm + self.frame.left
        py = (self.origin[1] + x * sin - u * cos) / self.frame.mm + self.frame.top
        return np.stack([px, py], axis=-1)

    def to_breast(self, pixels: np.ndarray) -> np.ndarray:
        """Inverse of :meth:`to_image`."""
        px = (pixels[..., 0] - self.frame.left) * self.frame.mm - self.origin[0]
        py = (pixels[..., 1] - self.frame.top) * self.frame.mm - self.origin[1]
        sin, cos = np.sin(self.tilt), np.cos(self.tilt)
        x = (px * cos + py * sin) / self.scale[0]
        u = (px * sin - py * cos - self._shift(x)) / self.scale[1]
        return np.stack([x, u], axis=-1)

    def _shift(self, x: np.ndarray) -> np.ndarray:
        return -self.sag * np.clip(x / self.depth, 0, None) ** 2

    def skin(self, breast: Breast, u: np.ndarray) -> np.ndarray:
        """Depth x of the outline at ``u``, with the axilla, the nipple left out."""
        depth = breast.profile(u, self.angle)
        if self.axilla is None:
            return depth
        distance, slope = self.axilla
        up = breast.extents(self.angle)[0]
        arm = np.clip(distance + slope * (u - up), 0, None)
        # Smooth-step from the breast's own outline at mid height to the skin of the arm pit.
        t = np.clip((u / up - 0.12) / 0.88, 0, 1)
        weight = t * t * (3 - 2 * t)
        return (1 - weight) * depth + weight * arm

    def outline(self, breast: Breast) -> np.ndarray:
        """The skin line with the nipple, (M, 2) pixels, top to bottom, running off the image."""
        up, down = breast.extents(self.angle)
        bend = np.sin(np.linspace(np.pi / 2, -np.pi / 2, _APEX_SAMPLES))
        u = np.where(bend >= 0, bend * up, bend * down)
        nipple_u = self.nipple_xu(breast)[1]
        u = np.unique(np.concatenate([u, nipple_u + np.linspace(-9, 9, 37)]))[::-1]
        if self.axilla is not None:
            far = up + 0.5 + 2.5 * self.frame.height_mm * np.linspace(1, 0, 120) ** 2
            u = np.concatenate([far, u])
        x = self.skin(breast, u)
        if self.nipple_inset < 0:
            x = x - self.nipple_inset * np.exp(-(((u - nipple_u) / 4.5) ** 2))
        points = self.to_image(np.stack([x, u], axis=-1))
        # Behind the chest wall the outline goes straight on, out of the image.
        back = points[-1] + np.array([-np.cos(self.tilt), -np.sin(self.tilt)]) * 4 * self._far()
        front = points[0] + np.array([-1.0, 0.0 if self.axilla is None else -1.0]) * 4 * self._far()
        return np.concatenate([front[None], points, back[None]])

    def _far(self) -> float:
        return self.frame.height_mm / self.frame.mm

    def nipple_xu(self, breast: Breast) -> np.ndarray:
        """(x, u) of the tip of the nipple, mm."""
        u = float(self.project(np.array([[0.0, *breast.nipple]]))[0, 1])
        x = float(self.skin(breast, np.array([u]))[0]) - self.nipple_inset
        return np.array([x, u])


def visible_contour(outline: np.ndarray, apex: np.ndarray, frame: Frame) -> np.ndarray:
    """The part of the outline inside the frame around ``apex``, (CONTOUR_POINTS, 2) pixels."""
    inside = frame.holds(outline)
    start = stop = int(np.argmin(np.hypot(*(outline - apex).T) + 1e9 * ~inside))
    while start > 0 and inside[start - 1]:
        start -= 1
    while stop < len(outline) - 1 and inside[stop + 1]:
        stop += 1
    piece = [outline[start : stop + 1]]
    if start > 0:
        piece.insert(0, _cross(outline[start], outline[start - 1], frame)[None])
    if stop < len(outline) - 1:
        piece.append(_cross(outline[stop], outline[stop + 1], frame)[None])
    curve = np.concatenate(piece)
    steps = np.hypot(*np.diff(curve, axis=0).T)
    curve = curve[np.concatenate([[True], steps > 1e-9])]
    length = np.concatenate([[0.0], np.cumsum(steps[steps > 1e-9])])
    at = np.linspace(0.0, length[-1], CONTOUR_POINTS)
    return np.stack([np.interp(at, length, curve[:, 0]), np.interp(at, length, curve[:, 1])], 1)


def _cross(inner: np.ndarray, outer: np.ndarray, frame: Frame) -> np.ndarray:
    """Where the segment from a point inside the frame to one outside leaves the frame."""
    t = 1.0
    for axis, low, high in ((0, frame.left, frame.right), (1, frame.top, frame.bottom)):
        step = outer[axis] - inner[axis]
        if step > 0:
            t = min(t, (high - inner[axis]) / step)
        elif step < 0:
            t = min(t, (low - inner[axis]) / step)
    return inner + max(t, 0.0) * (outer - inner)


def pectoral_line(geometry: ViewGeometry) -> np.ndarray:
    """[[x_top, y_top], [x_bottom, y_bottom]] in pixels; without a muscle the chest wall's line."""
    frame = geometry.frame
    if geometry.muscle:
        middle = geometry.to_image(np.array([[0.0, 0.0]]))[0]
        direction = np.array([np.sin(geometry.tilt), -np.cos(geometry.tilt)])
        top = middle + direction * (middle[1] - frame.top) / np.cos(geometry.tilt)
        bottom = middle - direction * (middle[0] - frame.left) / np.sin(geometry.tilt)
        if bottom[1] > frame.bottom:
            bottom = middle - direction * (frame.bottom - middle[1]) / np.cos(geometry.tilt)
        if top[0] > frame.right:
            top = middle + direction * (frame.right - middle[0]) / np.sin(geometry.tilt)
        return np.stack([top, bottom])
    return np.array([[frame.left, frame.top], [frame.left, frame.bottom]])
