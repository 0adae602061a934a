"""Augmentations that move pixels: rotation with scaling, and elastic distortion.

Points are (x, y) with pixel centers at .5, as everywhere in Detectron2.
"""

from __future__ import annotations

from typing import ClassVar

import cv2
import numpy as np
from detectron2.data import transforms as T
from fvcore.transforms.transform import Transform
from scipy.interpolate import BSpline

# Corners of the polygon that stands for the ellipse in a box; it is 0.1 % too small at most.
ELLIPSE_POINTS = 64


class SpatialTransform(Transform):
    """A movement that does not keep boxes upright.

    What a box holds is a mass, and a mass is round: the box is taken for the ellipse within it,
    and the moved box is that of the moved ellipse. The box of the four moved corners would grow
    by up to 41 % with a rotation by 45 degrees. Where there is a mask, ``tight_box`` of the moved
    mask is better still.
    """

    def apply_box(self, box: np.ndarray) -> np.ndarray:
        """(n, 4) XYXY -> the same of the moved ellipses."""
        box = np.asarray(box, dtype=np.float64).reshape(-1, 4)
        angle = np.linspace(0, 2 * np.pi, ELLIPSE_POINTS, endpoint=False)
        circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        center, half = (box[:, :2] + box[:, 2:]) / 2, (box[:, 2:] - box[:, :2]) / 2
        points = center[:, None] + half[:, None] * circle
        moved = self.apply_coords(points.reshape(-1, 2)).reshape(points.shape)
        return np.concatenate([moved.min(axis=1), moved.max(axis=1)], axis=1)


class AffineTransform(SpatialTransform):
    """Rotation about the image's center and scaling in one step; what comes in is black.

    Args:
        h, w: size of the image, which stays.
        angle: rotation in degrees, counter-clockwise as one sees it.
        scale: above 1 the content grows.
    """

    def __init__(self, h: int, w: int, angle: float, scale: float) -> None:
        super().__init__()
        self.h, self.w, self.angle, self.scale = h, w, angle, scale
        # OpenCV counts pixels from their centers, coordinates here from their corners.
        self.matrix = cv2.getRotationMatrix2D((w / 2, h / 2), angle, scale)
        self.image_matrix = cv2.getRotationMatrix2D(((w - 1) / 2, (h - 1) / 2), angle, scale)

    def apply_image(self, img: np.ndarray, interp: int = cv2.INTER_LINEAR) -> np.ndarray:
        """(H, W) or (H, W, C) -> the same size."""
        return cv2.warpAffine(img, self.image_matrix, (self.w, self.h), flags=interp)

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """(n, 2) -> (n, 2)."""
        coords = np.asarray(coords, dtype=np.float64)
        return coords @ self.matrix[:, :2].T + self.matrix[:, 2]

    def apply_segmentation(self, segmentation: np.ndarray) -> np.ndarray:
        return self.apply_image(segmentation, cv2.INTER_NEAREST)


class ElasticTransform(SpatialTransform):
    """out(q) = in(q + d(q)) with a smooth displacement d, a cubic B-spline that is 0 on the edges.

    So nothing comes in from outside and nothing is lost. A point p goes to the q with
    q + d(q) = p, found by repeating q <- p - d(q).

    Args:
        h, w: size of the image, which stays.
        coefficients: (2, P, P), displacements (x, y) of the control points within the image, rows
            first, in widths and heights of the image.

    Raises:
        ValueError: coefficients so large that the image could fold over itself.
    """

    # Of the repetition, which shortens the error at least to this share each time.
    LARGEST_SLOPE: ClassVar[float] = 0.95
    TOLERANCE: ClassVar[float] = 1e-4
    MOST_STEPS: ClassVar[int] = 300

    def __init__(self, h: int, w: int, coefficients: np.ndarray) -> None:
        super().__init__()
        self.h, self.w = h, w
        points = coefficients.shape[-1]
        # The derivative of a B-spline lies between the differences of its coefficients, here at
        # most twice the largest one in each direction.
        slope = 4 * (points + 1) * float(np.abs(coefficients).max(initial=0.0))
        if slope > self.LARGEST_SLOPE:
            raise ValueError(f"elastic distortion could fold the image (slope {slope:.2f})")
        # Zeros on the edges, and beyond them the negative: the spline is then 0 on the edges.
        padded = np.pad(coefficients, ((0, 0), (1, 1), (1, 1)))
        self.coefficients = np.pad(
            padded, ((0, 0), (1, 1), (1, 1)), mode="reflect", reflect_type="odd"
        )
        self.knots = (np.arange(points + 8) - 3) / (points + 1)

    def displacement(self, coords: np.ndarray) -> np.ndarray:
        """d at points (n, 2) -> (n, 2), pixels; 0 outside of the image."""
        size = np.array([self.w, self.h])
        of_x, of_y = (self._basis(column) for column in (coords / size).T)
        return np.einsum("nj,cji,ni->nc", of_y, self.coefficients, of_x) * size

    def apply_image(self, img: np.ndarray, interp: int = cv2.INTER_LINEAR) -> np.ndarray:
        """(H, W) or (H, W, C) -> the same size."""
        of_x = self._basis((np.arange(self.w) + 0.5) / self.w)
        of_y = self._basis((np.arange(self.h) + 0.5) / self.h)
        moved = (of_y @ self.coefficients @ of_x.T).astype(np.float32)
        columns = moved[0] * self.w + np.arange(self.w, dtype=np.float32)
        rows = moved[1] * self.h + np.arange(self.h, dtype=np.float32)[:, None]
        return cv2.remap(img, columns, rows, interp, borderMode=cv2.BORDER_REPLICATE)

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """(n, 2) -> (n, 2)."""
        coords = np.asarray(coords, dtype=np.float64).reshape(-1, 2)
        moved = coords
        for _ in range(self.MOST_STEPS):
            last, moved = moved, coords - self.displacement(moved)
            if np.abs(moved - last).max(initial=0.0) < self.TOLERANCE:
                break
        return moved

    def apply_segmentation(self, segmentation: np.ndarray) -> np.ndarray:
        return self.apply_image(segmentation, cv2.INTER_NEAREST)

    def _basis(self, positions: np.ndarray) -> np.ndarray:
        """Cubic B-splines at positions in [0, 1]: (n, P + 4)."""
        return BSpline.design_matrix(np.clip(positions, 0, 1), self.knots, 3).toarray()


class RandomAffine(T.Augmentation):
    """Angle drawn uniformly, scale log-uniformly; both in one interpolation.

    Detectron2's ``RandomRotation`` would need a second one for the scale.

    Args:
        angle: largest angle in degrees, to both sides.
        low, high: range of the scale.

    Raises:
        ValueError: a negative angle, or not 0 < low <= high.
    """

    def __init__(self, angle: float, low: float = 1.0, high: float = 1.0) -> None:
        if not 0 <= angle <= 180:
            raise ValueError(f"INPUT.ROTATE must be 0 to 180 degrees, got {angle}")
        if not 0 < low <= high:
            raise ValueError(f"INPUT.SCALE must be 0 < low <= high, got ({low}, {high})")
        super().__init__()
        self.angle, self.low, self.high = angle, low, high

    def get_transform(self, image: np.ndarray) -> Transform:
        angle = np.random.uniform(-self.angle, self.angle)
        scale = np.exp(np.random.uniform(np.log(self.low), np.log(self.high)))
        return AffineTransform(*image.shape[:2], float(angle), float(scale))


class RandomElastic(T.Augmentation):
    """Displacements of the control points drawn uniformly.

    Args:
        share: largest displacement in widths and heights of the image.
        points: control points along each axis within the image.

    Raises:
        ValueError: no point, or a share so large that the image could fold over itself.
    """

    def __init__(self, share: float, points: int = 4) -> None:
        if points < 1:
            raise ValueError(f"INPUT.ELASTIC_POINTS must be 1 or more, got {points}")
        limit = ElasticTransform.LARGEST_SLOPE / (4 * (points + 1))
        if not 0 <= share <= limit:
            raise ValueError(
                f"INPUT.ELASTIC must be 0 to {limit:.3f} with {points} ELASTIC_POINTS, or the "
                f"image could fold over itself; got {share}"
            )
        super().__init__()
        self.share, self.points = share, points

    def get_transform(self, image: np.ndarray) -> Transform:
        drawn = np.random.uniform(-self.share, self.share, (2, self.points, self.points))
        return ElasticTransform(*image.shape[:2], drawn)


def tight_box(segmentation: list[np.ndarray] | np.ndarray) -> np.ndarray:
    """The box (XYXY) of polygons, each (2 n,), or of a mask (H, W); zeros for an empty mask."""
    if isinstance(segmentation, np.ndarray):
        rows, columns = np.nonzero(segmentation)
        if len(rows) == 0:
            return np.zeros(4)
        return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], float)
    points = np.concatenate([np.asarray(polygon).reshape(-1, 2) for polygon in segmentation])
    return np.concatenate([points.min(axis=0), points.max(axis=0)])
