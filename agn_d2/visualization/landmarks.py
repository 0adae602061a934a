"""Draw the landmarks and nodes of a mammogram over it."""

from __future__ import annotations

import cv2
import numpy as np

from ..landmarks.record import Landmarks

CONTOUR_COLOUR = (0, 255, 0)
PECTORAL_COLOUR = (255, 200, 0)
NIPPLE_COLOUR = (255, 0, 0)
NODE_COLOUR = (0, 160, 255)
STATUS_COLOUR = (255, 255, 0)


def draw_landmarks(
    image: np.ndarray, landmarks: Landmarks, nodes: np.ndarray | None = None
) -> np.ndarray:
    """Skin line, pectoral line, nipple, nodes and status over the image.

    Args:
        image: (H, W) gray, uint8, uint16 or float; stretched to 0..255.
        landmarks: landmarks of that image.
        nodes: optional (N, 2), pixels of the image.

    Returns:
        (H, W, 3) RGB uint8.

    Raises:
        ValueError: if the landmarks belong to an image of another size.
    """
    if np.shape(image) != landmarks.image_size:
        raise ValueError(
            f"landmarks of an image of {landmarks.image_size}, image of {np.shape(image)}"
        )
    gray = np.asarray(image, dtype=np.float32)
    low, high = float(gray.min()), float(gray.max())
    gray = ((gray - low) * (255.0 / max(high - low, 1e-12))).astype(np.uint8)
    canvas = np.repeat(gray[:, :, None], 3, axis=2)
    height = canvas.shape[0]
    unit = max(1, round(height / 400))

    def pixel(point: np.ndarray) -> tuple[int, int]:
        return int(np.floor(point[0])), int(np.floor(point[1]))

    curve = np.floor(landmarks.contour).astype(np.int32)
    cv2.polylines(canvas, [curve.reshape(-1, 1, 2)], False, CONTOUR_COLOUR, unit)
    first, last = landmarks.pectoral_line
    cv2.line(canvas, pixel(first), pixel(last), PECTORAL_COLOUR, unit)
    if nodes is not None:
        for node in np.asarray(nodes):
            cv2.circle(canvas, pixel(node), 2 * unit, NODE_COLOUR, cv2.FILLED)
    cv2.circle(canvas, pixel(landmarks.nipple), 4 * unit, NIPPLE_COLOUR, unit)
    text = f"{landmarks.view}, chest wall {landmarks.chest_wall}: {landmarks.status}"
    scale = min(height / 900, canvas.shape[1] / (10 * len(text)))
    origin = (2 * unit, height - 4 * unit)
    cv2.putText(canvas, text, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, STATUS_COLOUR, unit)
    return canvas
