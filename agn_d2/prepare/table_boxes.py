"""The columns of a table in which boxes stand, in whatever of the usual forms."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from .core_tables import Row, number, optional

BOX_FORMATS = ("xyxy", "xywh")
_CELLS = ("box", "bbox")
_CORNERS = (("x0", "y0", "x1", "y1"), ("xmin", "ymin", "xmax", "ymax"))
_SIZES = (("x", "y", "w", "h"), ("x", "y", "width", "height"))

Box = tuple[float, float, float, float]


class BoxColumns:
    """Where the boxes of a table stand.

    Attributes:
        columns: the names of these columns.

    Args:
        table: for messages.
        names: of the table's columns, without capitals and blanks.
        box_format: what a column ``box`` holds, "xyxy" or "xywh".

    Raises:
        ValueError: no such columns, or boxes in two places.
    """

    def __init__(self, table: Path, names: Sequence[str], box_format: str) -> None:
        there = set(names)
        places = [c for c in _CORNERS if there.issuperset(c)]
        # Beside x, y, w and h, width and height are those of the image.
        places += [c for c in _SIZES if there.issuperset(c)][:1]
        places += [(name,) for name in _CELLS if name in there]
        if not places:
            raise ValueError(
                f"{table}: no boxes; expected a column box (or bbox), or x0, y0, x1, y1, or xmin, "
                f"ymin, xmax, ymax, or x, y, w, h. The columns are: {', '.join(names)}"
            )
        if len(places) > 1:
            raise ValueError(
                f"{table}: boxes in {' and in '.join(', '.join(place) for place in places)}; "
                "which ones count? Rename the others"
            )
        self.columns = places[0]
        self.xywh = self.columns in _SIZES or (
            self.columns not in _CORNERS and box_format == "xywh"
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
            one_cell = len(self.columns) == 1
            hint = " (or give --box-format xywh)" if one_cell and not self.xywh else ""
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
        columns = self.columns
        if len(columns) == 1:
            cell = optional(row, columns[0])
            texts = re.split(r"[\s,;]+", (cell or "").strip("[](){} "))
            if texts == [""]:
                return None
            if len(texts) != 4:
                raise ValueError(
                    f"{where}: {columns[0]} is {cell!r}, expected four numbers with decimal points"
                )
            row = {str(n): text for n, text in enumerate(texts)}
            columns = tuple(row)
        found = [number(where, row, column) for column in columns]
        if all(value is None for value in found):
            return None
        if any(value is None for value in found):
            raise ValueError(f"{where}: of {', '.join(columns)} some are empty; give all or none")
        return tuple(found)  # type: ignore[return-value]
