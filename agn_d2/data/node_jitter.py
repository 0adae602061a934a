"""Nodes moved on purpose: what wrong landmarks do to a detector."""

from __future__ import annotations

import zlib

import numpy as np

from ..landmarks.errors import breast_height
from ..landmarks.record import Landmarks

MODES = ("view", "node")


def jitter_nodes(
    nodes: np.ndarray, landmarks: Landmarks, share: float, mode: str, *, seed: str | None = None
) -> np.ndarray:
    """Move the nodes of one image by a share of the breast's height, in a random direction.

    Args:
        nodes: (N, 2), pixels of the stored image.
        landmarks: landmarks of that image.
        share: length of the displacement in breast heights.
        mode: "view": all nodes go the same way, as after a wrong nipple or pectoral line;
            "node": each goes its own way.
        seed: a name that decides the directions; None draws them from NumPy's global generator.

    Returns:
        (N, 2) float64; nodes may leave the image, as any wrong point may.

    Raises:
        ValueError: a negative share, or a mode of another name.
    """
    if not share >= 0:
        raise ValueError(f"INPUT.NODE_JITTER must not be negative, got {share}")
    if mode not in MODES:
        raise ValueError(f"INPUT.NODE_JITTER_MODE must be one of {MODES}, got {mode!r}")
    count = 1 if mode == "view" else len(nodes)
    if seed is None:
        draws = np.random.random(count)
    else:
        draws = np.random.default_rng(zlib.crc32(seed.encode())).random(count)
    angle = 2 * np.pi * draws
    step = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return np.asarray(nodes, dtype=np.float64) + share * breast_height(landmarks) * step
