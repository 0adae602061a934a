"""Film borders, labels and tape off the film: all but the breast becomes background."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..landmarks.readable import readable_copy

MARGIN = 0.065  # of the film's height, kept around the breast


@dataclass(frozen=True)
class Breast:
    """The part of a film that is kept.

    Attributes:
        keep: (h, w) bool, on a small copy of the film; all True where no breast was found.
        found: whether a breast was found.
    """

    keep: np.ndarray
    found: bool

    def region(self, size: tuple[int, int], box: tuple[int, int, int, int]) -> np.ndarray:
        """What is kept of a crop of the film.

        Args:
            size: (H, W) of the film.
            box: (x0, y0, x1, y1) of the crop in the film.

        Returns:
            (y1 - y0, x1 - x0) bool.
        """
        scale = np.array([self.keep.shape[1] / size[1], self.keep.shape[0] / size[0]])
        width, height = box[2] - box[0], box[3] - box[1]
        # From the middles of the crop's pixels to those of the small copy's.
        move = np.array(
            [
                [scale[0], 0, (box[0] + 0.5) * scale[0] - 0.5],
                [0, scale[1], (box[1] + 0.5) * scale[1] - 0.5],
            ]
        )
        gray = self.keep.astype(np.uint8) * 255
        how = {"flags": cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, "borderMode": cv2.BORDER_REPLICATE}
        return cv2.warpAffine(gray, move, (width, height), **how) > 127


def find_breast(film: np.ndarray, view: str | None = None) -> Breast:
    """Find what to keep of a film: the breast with a margin, without white film borders.

    The background around a breast is worthless, its skin is not: hence the margin, which holds
    what the segmentation misses of dim skin. Between breast and chest wall nothing is taken away:
    a white border there cannot be told from dense tissue for certain, and 21 of the 1,696 mass
    boxes of CBIS-DDSM reach into such a border.

    Args:
        film: (H, W) uint8 or uint16, either side at the chest wall.
        view: "CC" or "MLO" where it is known; helps on films whose breast is hard to tell.
    """
    copy = readable_copy(film, view)
    breast = copy.mask
    if not breast.any():
        return Breast(np.ones(breast.shape, dtype=bool), False)
    away = cv2.distanceTransform((~breast).astype(np.uint8), cv2.DIST_L2, 5)
    # The chest wall is at the left: all that has breast to its right.
    inner = np.maximum.accumulate(breast[:, ::-1], axis=1)[:, ::-1]
    keep = ((away <= MARGIN * breast.shape[0]) & ~copy.film) | inner
    return Breast(np.ascontiguousarray(keep[:, ::-1] if copy.mirrored else keep), True)


def erase(image: np.ndarray, keep: np.ndarray) -> tuple[np.ndarray, int]:
    """Fill all that is not kept with the background's own gray, so that no edge arises.

    Args:
        image: (H, W) uint8 or uint16.
        keep: (H, W) bool.

    Returns:
        the image (a copy where something is erased), and the number of erased pixels.
    """
    erased = int(keep.size - np.count_nonzero(keep))
    if not erased:
        return image, 0
    background = np.median(image[~keep])
    out = image.copy()
    out[~keep] = image.dtype.type(background)
    return out, erased
