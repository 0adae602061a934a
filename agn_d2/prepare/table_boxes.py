"""The columns of a table in which boxes stand, in whatever of the usual forms."""

from __future__ import annotations

import re
from pathlib import Path

from .core_tables import Row, number, optional

BOX_FORMATS = ("xyxy", "xywh")
_CORNERS = (("x0", "y0", "x1", "y1"), ("xmin", "ymin", "xmax", "ymax"))
_SIZES = (("x", "y", "w", "h"), ("x", "y", "width", "height"))

Box = tuple[float, float, float, float]


class BoxColumns:
    """Where the boxes of a table stand."""

    def __init__(self, table: Path, columns: set[str], box_format: str) -> None:
        self.corners = next((c for c in _CORNERS if columns.issuperset(c)), None)
        self.sizes = next((c for c in _SIZES if columns.issuperset(c)), None)
        of_box = box_format == "xywh" if "box" in columns else True
        self.xywh = self.corners is None and of_box
        if self.corners is None and self.sizes is None and "box" not in columns:
            raise ValueError(
                f"{table}: no boxes; expected a column box, or x0, y0, x1, y1, or x, y, w, h"
            )

    def of(self, where: str, row: Row) -> Box | None:
        """x0, y0, x1, y1 of a row; None where it has no box.

        Raises:
            ValueError: not four numbers, a box without width or height, or shares of the image.
        """
        values = self._values(where, row)
        if values is None:
            return None
        x0, y0, x1, y1 = values
        if self.xywh:
            x1, y1 = x0 + x1, y0 + y1
        if x1 <= x0 or y1 <= y0:
            hint = "" if self.xywh or self.corners else " (or give --box-format xywh)"
            raise ValueError(
                f"{where}: the box {values} has no width or height; expected x0 < x1 and "
                f"y0 < y1{hint}"
            )
        if min(x0, y0) >= 0 and max(x1, y1) <= 1:
            raise ValueError(
                f"{where}: the box {values} lies within one pixel; expected pixels of the file, "
                "not shares of its width and height"
            )
        return x0, y0, x1, y1

    def _values(self, where: str, row: Row) -> Box | None:
        columns = self.corners or (None if "box" in row else self.sizes)
        if columns is None:
            cell = optional(row, "box")
            if cell is None:
                return None
            texts = re.split(r"[\s,;]+", cell.strip("[]() "))
            given = {str(n): text for n, text in enumerate(texts)}
            if len(texts) != 4:
                raise ValueError(f"{where}: box is {cell!r}, expected four numbers")
            columns, row = tuple(given), given
        found = [number(where, row, column) for column in columns]
        if all(value is None for value in found):
            return None
        if any(value is None for value in found):
            raise ValueError(f"{where}: of {', '.join(columns)} some are empty; give all or none")
        return tuple(found)  # type: ignore[return-value]
