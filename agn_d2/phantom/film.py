"""The film: response, noise, borders, burned-in labels, tape, 16 bit."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .params import PhantomParams

BACKGROUND = 0.015
_LABEL_FONT = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True)
class FilmPlan:
    """What the film of one image carries; borders (left, top, right, bottom) in pixels.

    The chest wall is at the left in this plan. ``label`` and ``tape`` hold the random numbers
    that decide their looks, or None.
    """

    borders: tuple[int, int, int, int]
    label: np.ndarray | None
    tape: np.ndarray | None


def plan_film(params: PhantomParams, rng: np.random.Generator) -> FilmPlan:
    """Draw borders, label and tape of one image."""
    draws = rng.random(3)
    looks = rng.random((3, 6))
    widths = np.round(params.size * (0.004 + 0.022 * looks[0, :4])).astype(int)
    # A film rarely shows all four of its edges.
    widths = np.where(rng.random(4) < 0.6, widths, 0)
    borders = tuple(int(w) for w in widths) if draws[0] < params.border_share else (0, 0, 0, 0)
    return FilmPlan(
        borders=borders,
        label=looks[1] if draws[1] < params.label_share else None,
        tape=looks[2] if draws[2] < params.tape_share else None,
    )


def expose(attenuation: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    """Brightness in [0, 1] of an attenuation map, with film grain; (H, W) float32."""
    image = 1.0 - np.exp(-1.55 * attenuation)
    image = BACKGROUND + (0.97 - BACKGROUND) * image
    if noise > 0:
        grain = rng.standard_normal(image.shape, dtype=np.float32)
        image += noise * grain * (0.0025 + 0.009 * image)
    return image


def finish(image: np.ndarray, plan: FilmPlan, flip: bool, laterality: str, view: str) -> np.ndarray:
    """Borders, tape, mirror, label; returns (H, W) uint16.

    The label comes after the mirror: film may hang either way round, but its label is read.
    """
    image = np.clip(image, 0.0, 1.0).astype(np.float32)
    if plan.tape is not None:
        _draw_tape(image, plan.tape)
    _draw_borders(image, plan.borders)
    if flip:
        image = np.ascontiguousarray(image[:, ::-1])
    if plan.label is not None:
        _draw_label(image, plan.label, laterality + view, chest_right=flip)
    return np.round(image * 65535.0).astype(np.uint16)


def _draw_borders(image: np.ndarray, borders: tuple[int, int, int, int]) -> None:
    height, width = image.shape
    left, top, right, bottom = borders
    white = 0.97
    image[:, :left] = white
    image[:top] = white
    image[:, width - right :] = white
    image[height - bottom :] = white


def _draw_tape(image: np.ndarray, look: np.ndarray) -> None:
    """A strip of tape at a corner away from the chest wall."""
    height, width = image.shape
    at_top = look[0] < 0.5
    center = (width * (0.88 + 0.1 * look[1]), height * (0.05 if at_top else 0.95))
    size = (height * (0.12 + 0.1 * look[2]), height * (0.02 + 0.03 * look[3]))
    corners = cv2.boxPoints((center, size, float(180 * look[4])))
    strip = np.zeros_like(image)
    cv2.fillPoly(strip, [np.round(corners).astype(np.int32)], float(0.25 + 0.4 * look[5]))
    np.maximum(image, strip, out=image)


def _draw_label(image: np.ndarray, look: np.ndarray, text: str, chest_right: bool) -> None:
    """Laterality and view in letters, in the upper corner away from the chest wall."""
    height, width = image.shape
    # Line width 0.05 of the letters: thin strokes vanish on a small image.
    scale = height / 512 * (0.5 + 0.35 * look[0])
    thickness = max(1, round(2 * scale))
    (w, h), base = cv2.getTextSize(text, _LABEL_FONT, scale, thickness)
    side = int(np.hypot(w, h + base)) + 4
    stamp = np.zeros((side, side), np.uint8)
    place = ((side - w) // 2, (side + h) // 2)
    ink = int(255 * (0.6 + 0.4 * look[1]))
    cv2.putText(stamp, text, place, _LABEL_FONT, scale, ink, thickness)
    turn = (0.0, 90.0, -35.0, 35.0)[int(4 * look[2]) % 4]
    spin = cv2.getRotationMatrix2D((side / 2, side / 2), turn, 1.0)
    stamp = cv2.warpAffine(stamp, spin, (side, side)).astype(np.float32) / 255
    top = int(height * 0.05 * look[3])
    inset = int(width * 0.08 * look[4])
    left = inset if chest_right else max(width - side - inset, 0)
    window = image[top : top + side, left : left + side]
    np.maximum(window, stamp[: window.shape[0], : window.shape[1]], out=window)
