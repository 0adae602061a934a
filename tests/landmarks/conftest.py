"""Made-up mammograms whose landmarks are known."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import pytest


@dataclass(frozen=True)
class Sketch:
    """An image and the truth about it, chest wall at the left."""

    image: np.ndarray
    nipple: tuple[float, float]
    pectoral_line: tuple[tuple[float, float], tuple[float, float]] | None
    breast: np.ndarray


def sketch(view: str, height: int = 512, muscle: bool = True, clutter: bool = True) -> Sketch:
    """Half an ellipse with a nipple; a bright muscle in MLO; film border and label."""
    u = height / 512
    h, w = height, round(320 * u)
    y, x = (grid + 0.5 for grid in np.mgrid[0:h, 0:w].astype(float))
    center = (270 if view == "CC" else 300) * u
    inside = (x / (190 * u)) ** 2 + ((y - center) / (200 * u)) ** 2 <= 1
    nipple_y = center + 12 * u
    nipple_x = 190 * u * np.sqrt(1 - ((nipple_y - center) / (200 * u)) ** 2) + 9 * u
    inside |= (x - (nipple_x - 9 * u)) ** 2 + (y - nipple_y) ** 2 <= (9 * u) ** 2
    if view == "MLO":
        inside |= (x < 120 * u) & (y < center)
    rng = np.random.default_rng(3)
    image = np.where(inside, 100 + 4 * np.sin(x / (9 * u)) * np.cos(y / (13 * u)), 0.0)
    line = None
    if view == "MLO" and muscle:
        line = ((110 * u, 0.0), (0.0, 260 * u))
        image[inside & (x / (110 * u) + y / (260 * u) < 1)] = 190
    image = cv2.GaussianBlur(image, (0, 0), 2 * u)
    if clutter:
        image[int(20 * u) : int(50 * u), int(240 * u) : int(290 * u)] = 240  # label
        image[: int(4 * u)] = image[-int(5 * u) :] = 255  # film borders
        image[:, : int(3 * u)] = 255
    image += rng.normal(0, 0.7, image.shape)
    return Sketch(
        np.clip(image, 0, 255).astype(np.uint8), (float(nipple_x), float(nipple_y)), line, inside
    )


@pytest.fixture(scope="session")
def cc() -> Sketch:
    return sketch("CC")


@pytest.fixture(scope="session")
def mlo() -> Sketch:
    return sketch("MLO")


@pytest.fixture(scope="session")
def make_sketch():
    return sketch
