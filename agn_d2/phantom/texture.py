"""Tissue: power-law noise, the coarse 3-D fibroglandular volume and its projections.

Mammographic texture follows a power spectrum of about 1 / f^3. The large structures come from one
coarse volume per breast, projected along both view directions, so that CC and MLO show the same
gland; what is finer than the volume's cells is drawn in two dimensions for each view.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from scipy import fft, sparse

from .anatomy import Breast

BETA = 3.0
VOLUME_CELLS = 40
PROFILE_CELLS = 64
# Log-odds of gland in the middle of the cone, for ACR 1 to 4.
_DENSITY_BIAS = (-2.3, -1.2, 0.1, 1.5)


@lru_cache(maxsize=8)
def _amplitude(shape: tuple[int, ...], beta: float, lowest: float) -> np.ndarray:
    """Spectral amplitude f^(-beta / 2), flat below ``lowest`` cycles per cell, unit variance."""
    axes = [np.fft.fftfreq(n) for n in shape[:-1]] + [np.fft.rfftfreq(shape[-1])]
    grid = np.meshgrid(*axes, indexing="ij", sparse=True)
    frequency = np.sqrt(sum(g**2 for g in grid))
    floor = max(lowest, 1.0 / max(shape))
    amplitude = np.maximum(frequency, floor) ** (-beta / 2)
    amplitude.flat[0] = 0.0
    # The last axis holds half of the spectrum: inner columns stand for two.
    weight = np.full(amplitude.shape[-1], 2.0)
    weight[0] = 1.0
    if shape[-1] % 2 == 0:
        weight[-1] = 1.0
    power = (amplitude**2 * weight).sum() / np.prod(shape)
    return (amplitude / np.sqrt(power)).astype(np.float32)


def power_law_noise(
    shape: tuple[int, ...], rng: np.random.Generator, beta: float = BETA, lowest: float = 0.0
) -> np.ndarray:
    """Gaussian noise with power spectrum 1 / f^beta, expected variance 1, float32.

    Args:
        shape: size of the field, two or three axes; the field is periodic.
        rng: random generator.
        beta: exponent of the power spectrum.
        lowest: frequency (cycles per cell) below which the spectrum is flat.
    """
    size = tuple(fft.next_fast_len(n, real=True) for n in shape)
    white = rng.standard_normal(size, dtype=np.float32)
    spectrum = fft.rfftn(white)
    spectrum *= _amplitude(size, float(beta), float(lowest))
    field = fft.irfftn(spectrum, s=size, overwrite_x=True)
    return np.ascontiguousarray(field[tuple(slice(n) for n in shape)])


def gland_volume(breast: Breast, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Fibroglandular fraction on a coarse grid of the breast's frame.

    Args:
        breast: shape and density.
        noise: (n, n, n) unit variance noise over (x, y, z).

    Returns:
        gland (n, n, n) in [0, 1], breast (n, n, n) 0 or 1, and the half width E in mm of the grid:
        cells run over x in [0, depth] and y, z in [-E, E].
    """
    n = noise.shape[0]
    half = 1.02 * max(breast.lateral, breast.medial, breast.superior, breast.inferior)
    x = ((np.arange(n) + 0.5) / n * breast.depth).astype(np.float32)[:, None, None]
    side = (((np.arange(n) + 0.5) / n * 2 - 1) * half).astype(np.float32)
    y, z = side[:, None], side[None, :]
    inside = (breast.level(x, y, z) < 1.0).astype(np.float32)
    y_gland = (y - breast.gland_center[0] * breast.lateral) / breast.gland_reach
    z_gland = (z - breast.gland_center[1] * breast.superior) / breast.gland_reach
    cone = 1.0 - breast.level(x * 1.03, y_gland, z_gland)
    # Fat lies between the gland and the muscle, less of it the denser the breast.
    behind = np.clip(1.0 - x / ((0.34 - 0.06 * breast.density) * breast.depth), 0, None)
    odds = 5.0 * np.minimum(cone, 0.3) - 3.0 * behind + 1.7 * noise
    odds += _DENSITY_BIAS[breast.density - 1]
    return inside / (1.0 + np.exp(-1.6 * odds)), inside, half


def project_volume(
    gland: np.ndarray, inside: np.ndarray, half: float, angle: float
) -> tuple[np.ndarray, float]:
    """Fibroglandular fraction of the breast along one projection direction.

    Returns:
        (PROFILE_CELLS, n) fraction over u (rows, from +R down to -R) and x (columns), and R in mm.
    """
    n = gland.shape[0]
    reach = half * np.sqrt(2.0)
    weights = _projection_weights(n, angle)
    # A sparse product: unlike a dense one it adds in the same order with any number of threads.
    tissue = weights @ gland.reshape(n, -1).T
    chord = weights @ inside.reshape(n, -1).T
    # A short chord at the edge must not turn a single cell into solid gland.
    return tissue / (chord + 0.12 * chord.max()), float(reach)


def _projection_weights(n: int, angle: float) -> sparse.csr_array:
    """(PROFILE_CELLS, n * n) linear weights of each (y, z) cell on the u axis."""
    side = (np.arange(n) + 0.5) / n * 2 - 1
    u = (side[:, None] * np.sin(angle) + side[None, :] * np.cos(angle)).ravel()
    at = ((1.0 - u / np.sqrt(2.0)) / 2 * PROFILE_CELLS - 0.5).clip(0, PROFILE_CELLS - 1.001)
    low = at.astype(np.int64)
    share = (at - low).astype(np.float32)
    values = np.concatenate([1.0 - share, share])
    rows = np.concatenate([low, low + 1])
    columns = np.tile(np.arange(n * n), 2)
    return sparse.csr_array((values, (rows, columns)), shape=(PROFILE_CELLS, n * n))


def sample_profile(
    profile: np.ndarray, reach: float, depth: float, x: np.ndarray, u: np.ndarray
) -> np.ndarray:
    """Values of a projected volume at coordinates x, u (mm, any common shape), 0 outside."""
    rows, columns = profile.shape
    map_x = (x * (columns / depth) - 0.5).astype(np.float32)
    map_y = ((1.0 - u / reach) * (rows / 2) - 0.5).astype(np.float32)
    return cv2.remap(profile, map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT)


def strands(
    x: np.ndarray, u: np.ndarray, nipple: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Thin bright lines that run together at the nipple (ducts, Cooper's ligaments), in [0, 1].

    They are the zero crossings of noise that is stretched along the rays from the nipple.
    """
    tile = power_law_noise((256, 256), rng, beta=2.0, lowest=0.06)
    radius, turn = cv2.cartToPolar(
        (nipple[0] + 8.0 - x).astype(np.float32), (u - nipple[1]).astype(np.float32)
    )
    # The angle has its seam straight in front of the nipple, outside the breast.
    turn = np.where(turn > np.pi, turn - 2 * np.pi, turn).astype(np.float32)
    field = cv2.remap(
        tile, radius * 0.3 + 20, turn * 45 + 128, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP
    )
    lines = np.exp(-((field / 0.16) ** 2))
    # Only some of the rays carry a visible strand.
    patches = cv2.remap(
        tile, radius * 0.15 + 90, turn * 12 + 40, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP
    )
    return lines * np.clip(0.4 + patches, 0, 1.5)
