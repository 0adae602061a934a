"""Pictures of before and after a repair: a tile for each finding, and sheets of tiles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from ...landmarks.working_copy import working_copy
from ..region import Region
from .outcome import Outcome

PANEL = (150, 220)  # px, width and height of one of a tile's three panels
_TEXT = 34  # px, height of the text below
_COLUMNS, _ROWS = 4, 5
_GREEN, _RED, _WHITE = (90, 220, 90), (80, 80, 255), (235, 235, 235)


def draw_tile(film: np.ndarray, outcome: Outcome, title: str) -> bytes:
    """Mask as released, the film with the box that came out, and that box enlarged.

    Args:
        film: (H, W) uint8 or uint16.
        outcome: outcome of the finding.
        title: printed below, with method and confidence.

    Returns:
        a JPEG file.
    """
    panels = [_released_panel(outcome.released), _film_panel(film, outcome.region)]
    panels.append(_zoom_panel(film, outcome.region))
    tile = np.vstack([np.hstack(panels), np.zeros((_TEXT, 3 * PANEL[0], 3), np.uint8)])
    sure = "" if outcome.confidence is None else f", {outcome.confidence:.3f}"
    kinds = ", ".join(dict.fromkeys(note.kind for note in outcome.notes))
    for line, text in enumerate((title, f"{outcome.method}{sure} [{kinds}]")):
        place = (4, PANEL[1] + 13 + 15 * line)
        cv2.putText(tile, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.35, _WHITE, 1, cv2.LINE_AA)
    ok, data = cv2.imencode(".jpg", tile, [cv2.IMWRITE_JPEG_QUALITY, 90])
    if not ok:
        raise OSError(f"{title}: OpenCV cannot encode a tile")
    return data.tobytes()


def write_sheets(tiles: Sequence[Path], folder: Path) -> list[Path]:
    """Put tiles on sheets ``repaired_01.jpg``, ...; earlier sheets are replaced.

    Raises:
        ValueError: a tile is missing or broken; names it.
    """
    for old in folder.glob("repaired_*.jpg"):
        old.unlink()
    sheets = []
    for start in range(0, len(tiles), _COLUMNS * _ROWS):
        shown = [_read_tile(path) for path in tiles[start : start + _COLUMNS * _ROWS]]
        height, width = shown[0].shape[:2]
        rows = -(-len(shown) // _COLUMNS)
        sheet = np.full((rows * (height + 6), _COLUMNS * (width + 6), 3), 60, np.uint8)
        for number, tile in enumerate(shown):
            y, x = (number // _COLUMNS) * (height + 6), (number % _COLUMNS) * (width + 6)
            sheet[y : y + height, x : x + width] = tile
        sheets.append(folder / f"repaired_{len(sheets) + 1:02d}.jpg")
        if not cv2.imwrite(str(sheets[-1]), sheet, [cv2.IMWRITE_JPEG_QUALITY, 88]):
            raise OSError(f"cannot write {sheets[-1]}")
    return sheets


def _read_tile(path: Path) -> np.ndarray:
    tile = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if tile is None:
        raise ValueError(f"{path} is missing or broken; remove the folder work and run again")
    return tile


def _released_panel(region: Region | None) -> np.ndarray:
    panel = np.full((PANEL[1], PANEL[0], 3), 25, np.uint8)
    if region is None:
        cv2.putText(panel, "no mask", (35, 110), cv2.FONT_HERSHEY_SIMPLEX, 0.5, _WHITE, 1)
        return panel
    scale, left, top = _fit(region.size)
    x0, y0, x1, y1 = (round(v * scale) for v in region.box)
    size = (max(x1 - x0, 1), max(y1 - y0, 1))
    small = cv2.resize(region.window.astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA)
    height, width = (round(n * scale) for n in region.size)
    panel[top : top + height, left : left + width] = 0
    area = panel[top + y0 : top + y0 + size[1], left + x0 : left + x0 + size[0]]
    area[:] = small[: area.shape[0], : area.shape[1], None]
    return panel


def _film_panel(film: np.ndarray, region: Region | None) -> np.ndarray:
    panel = np.full((PANEL[1], PANEL[0], 3), 25, np.uint8)
    scale, left, top = _fit(film.shape)
    height = max(1, round(film.shape[0] * scale))
    small = working_copy(film, height)[:, : PANEL[0] - left]
    panel[top : top + height, left : left + small.shape[1]] = small[:, :, None]
    if region is not None:
        x0, y0, x1, y1 = (round(v * scale) for v in region.box)
        corners = (left + x0 - 1, top + y0 - 1), (left + x1 + 1, top + y1 + 1)
        cv2.rectangle(panel, *corners, _GREEN, 1)
    else:
        cv2.putText(panel, "lost", (55, 110), cv2.FONT_HERSHEY_SIMPLEX, 0.6, _RED, 2)
    return panel


def _zoom_panel(film: np.ndarray, region: Region | None) -> np.ndarray:
    panel = np.full((PANEL[1], PANEL[0], 3), 25, np.uint8)
    if region is None:
        return panel
    x0, y0, x1, y1 = region.box
    pad = max(x1 - x0, y1 - y0) // 4 + 2
    left, top = max(x0 - pad, 0), max(y0 - pad, 0)
    view = film[top : y1 + pad, left : x1 + pad]
    scale = min(PANEL[0] / view.shape[1], PANEL[1] / view.shape[0])
    size = (max(1, int(view.shape[1] * scale)), max(1, int(view.shape[0] * scale)))
    gray = cv2.resize(view, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    gray = (gray - gray.min()) * (255 / max(float(np.ptp(gray)), 1.0))
    panel[: size[1], : size[0]] = gray.astype(np.uint8)[:, :, None]
    outlines, _ = cv2.findContours(
        region.window.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    moved = [((o + [x0 - left + 0.5, y0 - top + 0.5]) * scale).astype(np.int32) for o in outlines]
    cv2.polylines(panel, moved, True, _GREEN, 1, cv2.LINE_AA)
    return panel


def _fit(size: tuple[int, ...]) -> tuple[float, int, int]:
    """Scale, left and top that put a picture into the middle of a panel."""
    scale = min(PANEL[0] / size[1], PANEL[1] / size[0])
    left, top = (PANEL[0] - size[1] * scale) / 2, (PANEL[1] - size[0] * scale) / 2
    return scale, max(int(left), 0), max(int(top), 0)
