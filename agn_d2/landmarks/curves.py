"""Curves as polylines of points (x, y): evenly spaced, smoothed, and their normals."""

from __future__ import annotations

import numpy as np
from scipy.linalg import solveh_banded


def resample(curve: np.ndarray, points: int) -> np.ndarray:
    """Points at equal distances along a polyline: (M, 2) -> (points, 2)."""
    steps = np.hypot(*np.diff(curve, axis=0).T)
    length = np.concatenate([[0.0], np.cumsum(steps)])
    where = np.linspace(0.0, length[-1], points)
    return np.stack([np.interp(where, length, curve[:, axis]) for axis in (0, 1)], axis=1)


def smooth_curve(curve: np.ndarray, wavelength: float) -> np.ndarray:
    """Smoothing spline min Σ|C_i − S_i|² + s Σ|Δ²S_i|² through equally spaced points ([S]).

    The weight s follows from the wavelength that is halved, given as a share of the curve's
    length, and so depends on neither the scale nor the number of points.

    Args:
        curve: (M, 2) points at equal distances.
        wavelength: share of the length of the curve.

    Returns:
        (M, 2) float64.
    """
    count = curve.shape[0]
    weight = (wavelength * count / (2 * np.pi)) ** 4
    second = np.array([1.0, -2.0, 1.0])
    bands = np.zeros((3, count))
    bands[2] = 1.0
    for row in range(3):
        for column in range(row, 3):
            start = np.s_[column : count - 2 + column]
            bands[2 - (column - row), start] += weight * second[row] * second[column]
    return solveh_banded(bands, curve)


def outward_normals(curve: np.ndarray) -> np.ndarray:
    """Unit normals of a curve from top to bottom, away from the chest wall: (M, 2)."""
    tangent = np.gradient(curve, axis=0)
    tangent /= np.maximum(np.hypot(*tangent.T), 1e-9)[:, None]
    return np.stack([tangent[:, 1], -tangent[:, 0]], axis=1)


def standing_out(curve: np.ndarray, stiffness: float, outward: np.ndarray) -> np.ndarray:
    """By how much a curve stands out from a stiff copy of itself, in pixels.

    Args:
        curve: (M, 2), points at about equal distances.
        stiffness: of the copy: the wavelength that it halves, as a share of its length.
        outward: (M, 2) unit normals.

    Returns:
        (M,) float64.
    """
    return ((curve - smooth_curve(curve, stiffness)) * outward).sum(axis=1)
