"""The breast in a mammogram as a mask, with the chest wall at the left.

Everything works on a small copy of fixed height, and all lengths are shares of that height, so the
result depends on neither the resolution nor the bit depth. [S] (thesis, 2025) takes the largest
region above Otsu's threshold; on scanned film that loses the dim skin and keeps film borders, tape
and neighboring folds of skin, hence the further steps here.
"""

from __future__ import annotations

import cv2
import numpy as np

_FILM_WHITE = 218  # of 255: film borders and paper are brighter than this, tissue seldom is
_FILM_CERTAIN = 245  # of 255: what is brighter may be film border, however bright the tissue
_TISSUE_SHARE = 90  # percent of the tissue that is darker than a film border
_FILM_WIDTH = 0.045  # of the image height: a white region thinner than this is a film border
_FILM_RIM = 0.008  # of the image height: a film border is grown by half of this
_FILM_SPAN = 0.6  # share of a row or column of the image that is white: a border, however deep
_FILM_DEPTH = 0.15  # of the image height: the deepest border of that kind
_EDGE_WIDTH = 0.012  # of the image height: a gray line along the image border, thinner than this
OTSU_SHARE = 0.2  # the skin line lies far below Otsu's threshold, which halves the breast's glow
_LABEL_WIDTH = 0.02  # of the height: bridges thinner than this do not join labels to the breast
_TAPE_WIDTH = 0.06  # of the height: what is thinner than this is no breast, but a tape or nipple
_MIN_AREA = 0.02  # of the image: a smaller "breast" is none
_MAX_HOLE = 0.03  # of the image: a larger hole is no dark spot inside the breast
NIPPLE = 0.06  # of the height: the farthest a nipple stands out, or spans from its middle


def segment(small: np.ndarray, film: np.ndarray | None = None) -> np.ndarray:
    """Breast mask of a working copy whose chest wall is taken to be at the left.

    Args:
        small: (h, w) uint8.
        film: (h, w) bool, its film_border where the caller has it already.

    Returns:
        (h, w) bool; empty where no region is large enough to be a breast.
    """
    small = np.ascontiguousarray(small)
    height, width = small.shape
    film = film_border(small) if film is None else film
    tissue = small[~film]
    if tissue.size == 0 or tissue.max() == tissue.min():
        return np.zeros(small.shape, dtype=bool)
    background, _, otsu = film_and_tissue(tissue)
    level = background + OTSU_SHARE * (otsu - background)
    mask = ((cv2.GaussianBlur(small, (0, 0), height / 512) > level) & ~film).astype(np.uint8)
    opened = _opened(_without_edges(mask, round(_EDGE_WIDTH * height)), _LABEL_WIDTH * height / 2)
    core = _main_region(_opened(opened, _TAPE_WIDTH * height / 2))
    if core is None or core.sum() < _MIN_AREA * height * width:
        return np.zeros(small.shape, dtype=bool)
    # Back come nipple and fine edges, but not the far end of a label or tape at the skin.
    region = _main_region(opened & _dilated(core, NIPPLE * height))
    return _filled(region)


def film_border(small: np.ndarray) -> np.ndarray:
    """White film borders: very bright, at the image border, and thin or along all of it.

    Args:
        small: (h, w) uint8 working copy.

    Returns:
        (h, w) bool.
    """
    height, _ = small.shape
    white = (small >= _film_level(small)).astype(np.uint8)
    thick = cv2.morphologyEx(
        cv2.copyMakeBorder(white, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0),
        cv2.MORPH_OPEN,
        np.ones((odd(_FILM_WIDTH * height),) * 2, np.uint8),
    )[1:-1, 1:-1]
    film = white & (1 - thick)
    for turn in range(4):
        lines, out = np.rot90(white, turn), np.rot90(film, turn)
        spans = lines.mean(axis=1) > _FILM_SPAN
        depth = int(np.argmin(spans)) if not spans.all() else 0
        if depth <= _FILM_DEPTH * height:
            out[:depth] = lines[:depth]
    count, labels = cv2.connectedComponents(film, connectivity=4)
    touching = np.zeros(count, dtype=bool)
    for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        touching[edge] = True
    touching[0] = False
    rim = odd(_FILM_RIM * height)
    # The scanner blurs the border: its gray rim goes with it.
    return cv2.dilate(touching[labels].astype(np.uint8), np.ones((rim, rim), np.uint8)).astype(bool)


def _film_level(small: np.ndarray) -> float:
    """Gray value from which a pixel may be film border.

    In a picture of little contrast, such as a raw digital one, the breast itself is nearly white.
    Its gray value is read away from the image border, where no film border is.
    """
    height, width = small.shape
    margin = round(_FILM_DEPTH * height)
    middle = np.ascontiguousarray(small[margin : height - margin, margin : width - margin])
    if middle.size == 0:
        return _FILM_WHITE
    otsu, _ = cv2.threshold(middle, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    if middle.max() <= otsu:
        return _FILM_WHITE
    tissue = float(np.percentile(middle[middle > otsu], _TISSUE_SHARE))
    return min(max(_FILM_WHITE, tissue), _FILM_CERTAIN)


def chest_wall_score(mask: np.ndarray) -> float:
    """How much the left side of the mask looks like a chest wall, towards which a breast widens.

    The mask's pixels in the left quarter of its bounding box.
    """
    columns = np.flatnonzero(mask.any(axis=0))
    if columns.size == 0:
        return 0.0
    quarter = max(1, round(0.25 * (columns[-1] - columns[0] + 1)))
    return float(mask[:, columns[0] : columns[0] + quarter].sum())


def odd(length: float) -> int:
    """Nearest odd whole number, for the size of a filter."""
    return 2 * int(round(length / 2)) + 1


def _dilated(mask: np.ndarray, radius: float) -> np.ndarray:
    """Dilation with a disc, by distances (the time does not depend on the radius)."""
    away = cv2.distanceTransform((mask == 0).astype(np.uint8), cv2.DIST_L2, 5)
    return (away <= radius).astype(np.uint8)


def _opened(mask: np.ndarray, radius: float) -> np.ndarray:
    """Opening with a disc that sees the mask going on beyond the image, as the breast does."""
    pad = int(np.ceil(radius)) + 1
    padded = cv2.copyMakeBorder(mask, pad, pad, pad, pad, cv2.BORDER_REPLICATE)
    eroded = 1 - _dilated(1 - padded, radius)
    if not eroded.any():
        return np.zeros_like(mask)
    return _dilated(eroded, radius)[pad:-pad, pad:-pad]


def _main_region(mask: np.ndarray) -> np.ndarray | None:
    """Largest connected region, (h, w) bool."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    if count < 2:
        return None
    return labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))


def film_and_tissue(tissue: np.ndarray) -> tuple[float, float, float]:
    """Gray value of the film beside the breast, its noise (standard deviation), Otsu's threshold.

    Where the film is the smaller part of the pixels below Otsu's threshold, as beside a large and
    dim breast, their median lies in the breast: hence the median of the darker of two classes.

    Args:
        tissue: (n,) uint8, the pixels that are no film border.
    """
    otsu, _ = cv2.threshold(tissue[None], 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    dark = tissue[tissue <= otsu]
    if dark.min() != dark.max():
        split, _ = cv2.threshold(dark[None], 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
        dark = dark[dark <= split]
    background = float(np.median(dark))
    # 1.48 times the median deviation is the standard deviation of a Gaussian.
    return background, 1.48 * float(np.median(np.abs(dark - background))), otsu


def _without_edges(mask: np.ndarray, depth: int) -> np.ndarray:
    """The mask without what reaches at most ``depth`` pixels into the image: gray film edges.

    They are too dim for ``film_border``, and an opening that sees the mask going on beyond the
    image would keep them as a frame around breast and film.
    """
    out = mask.copy()
    for turn in range(4):
        lines, kept = np.rot90(mask, turn), np.rot90(out, turn)
        kept[:depth][lines[: depth + 1].all(axis=0) ^ (np.cumprod(lines[:depth], axis=0) > 0)] = 0
    return out


def _filled(region: np.ndarray) -> np.ndarray:
    """The region without its holes; but a large one is film inside a ring of border and label."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        (~region).astype(np.uint8), connectivity=8
    )
    hole = stats[:, cv2.CC_STAT_AREA] <= _MAX_HOLE * region.size
    edges = (labels[0], labels[-1], labels[:, 0], labels[:, -1])
    hole[np.unique(np.concatenate(edges))] = False
    hole[0] = False
    return region | hole[labels]
