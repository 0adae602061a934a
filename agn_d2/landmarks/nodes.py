"""Pseudo-landmarks (graph nodes) of a mammogram from its anatomical landmarks.

The layouts follow [S] (thesis, 2025) and Liu et al., *Act Like a Radiologist* (TPAMI 2021,
arXiv 2105.10160): nodes on lines parallel to the pectoral line, between it and the nipple.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..utils.view_names import VIEWS
from .record import Landmarks

# The span of a line within the breast is read this far (as a share of the distance to the nipple)
# inside of the pectoral line, because in a CC view that line is an edge of the breast polygon.
_INSET = 0.02


@dataclass(frozen=True)
class NodeLayout:
    """How many nodes a view has: PL(cc, mlo) in [S].

    cc = 1 + 3 * per_line (nipple and three lines); mlo = cc + corner_line + 1 (and the corner).

    Raises:
        ValueError: if the two numbers do not come out like that.
    """

    cc: int = 22
    mlo: int = 26

    def __post_init__(self) -> None:
        if self.cc < 4 or (self.cc - 1) % 3:
            raise ValueError(f"nodes of CC must be 1 + 3 * per_line (13, 22, 100), got {self.cc}")
        if self.mlo < self.cc + 2:
            raise ValueError(
                f"nodes of MLO must be those of CC + corner line + 1 (17, 26, 105), got {self.mlo}"
            )

    @property
    def per_line(self) -> int:
        """Nodes on the pectoral line and on each line parallel to it."""
        return (self.cc - 1) // 3

    @property
    def corner_line(self) -> int:
        """Nodes on the corner line of an MLO view."""
        return self.mlo - self.cc - 1

    def count(self, view: str) -> int:
        """Number of nodes of a view, "CC" or "MLO"."""
        if view not in VIEWS:
            raise ValueError(f"view must be CC or MLO, got {view!r}")
        return self.cc if view == "CC" else self.mlo

    def groups(self, view: str) -> dict[str, slice]:
        """Which nodes of a view, "CC" or "MLO", lie where: name -> indices, in their order."""
        counts = {"nipple": 1} | dict.fromkeys(("pectoral line", "1/3", "2/3"), self.per_line)
        if self.count(view) == self.mlo:
            counts |= {"corner line": self.corner_line, "corner": 1}
        ends = np.cumsum(list(counts.values())).tolist()
        return {
            name: slice(end - count, end)
            for (name, count), end in zip(counts.items(), ends, strict=True)
        }

    @classmethod
    def parse(cls, value: str | Sequence[int] | NodeLayout) -> NodeLayout:
        """Read "22,26", (22, 26) or a layout.

        Raises:
            ValueError: on anything else.
        """
        if isinstance(value, NodeLayout):
            return value
        try:
            parts = value.split(",") if isinstance(value, str) else list(value)
            cc, mlo = (int(part) for part in parts)
        except (TypeError, ValueError):
            raise ValueError(f"a node layout is two numbers such as 22,26, got {value!r}") from None
        return cls(cc, mlo)

    def __str__(self) -> str:
        return f"{self.cc},{self.mlo}"


def breast_polygon(landmarks: Landmarks) -> np.ndarray:
    """Breast outline: the skin line, closed along the chest wall.

    The chest wall is where skin line and pectoral line come nearest to its side of the image: the
    skin line may end a little before it.

    Returns:
        (M + 2, 2) float64, first point not repeated.
    """
    contour = landmarks.contour
    reached = np.concatenate([contour[:, 0], landmarks.pectoral_line[:, 0]])
    reached = np.clip(reached, 0, landmarks.image_size[1])
    x = reached.min() if landmarks.chest_wall == "left" else reached.max()
    closing = np.array([[x, contour[-1, 1]], [x, contour[0, 1]]])
    return np.concatenate([contour, closing])


def place_nodes(landmarks: Landmarks, layout: NodeLayout | str | Sequence[int]) -> np.ndarray:
    """Place the nodes of one view ([S]).

    The perpendicular runs from the nipple to the pectoral line; lines parallel to the pectoral line
    cross it at 1/3 and 2/3 of the way *from the pectoral line to the nipple*. Each line is clipped
    by the breast and cut in n equal parts; a node stands in the middle of each part, so none lies
    on the skin itself and no two lines share a node. An MLO view adds the corner line,
    half way from the pectoral line to the image corner at the top of the chest wall,
    and that corner.

    Order: nipple, pectoral line, line at 1/3, line at 2/3, [corner line, corner]; top to bottom on
    each line.

    Args:
        landmarks: landmarks of one image.
        layout: a NodeLayout, or what NodeLayout.parse reads.

    Returns:
        (N, 2) float32, (x, y) pixels of the stored image, always finite and within it.
    """
    layout = NodeLayout.parse(layout)
    height, width = landmarks.image_size
    if landmarks.chest_wall == "right":
        # One orientation only, so that mirrored landmarks give exactly mirrored nodes.
        nodes = place_nodes(landmarks.mirrored(), layout)
        nodes[:, 0] = width - nodes[:, 0]
        return nodes
    _, guides = _guides(landmarks)
    counts = [layout.per_line] * 3 + [layout.corner_line] * (landmarks.view == "MLO")
    lines = [guide.spread(count) for guide, count in zip(guides, counts, strict=True)]
    corner = [np.zeros((1, 2))] * (landmarks.view == "MLO")
    nodes = np.concatenate([landmarks.nipple[None], *lines, *corner])
    return np.clip(nodes, 0.5, [width - 0.5, height - 0.5]).astype(np.float32)


def guide_lines(landmarks: Landmarks) -> np.ndarray:
    """The lines on which the nodes are placed, for drawing.

    Returns:
        (4, 2, 2) in a CC view, (5, 2, 2) in an MLO view: the perpendicular from the nipple to its
        foot, then pectoral line, lines at 1/3 and 2/3 and corner line, each from its upper to its
        lower end; pixels of the stored image. A foot may lie outside of it.
    """
    if landmarks.chest_wall == "right":
        lines = guide_lines(landmarks.mirrored())
        lines[..., 0] = landmarks.image_size[1] - lines[..., 0]
        return lines
    foot, guides = _guides(landmarks)
    return np.stack([np.stack([landmarks.nipple, foot])] + [guide.ends for guide in guides])


@dataclass(frozen=True, eq=False)
class _Guide:
    """A line base + t * direction for t from span[0] to span[1]."""

    base: np.ndarray
    direction: np.ndarray
    span: tuple[float, float]

    @property
    def ends(self) -> np.ndarray:
        return self.base + np.array(self.span)[:, None] * self.direction

    def spread(self, count: int) -> np.ndarray:
        """Middles of `count` equal parts, (count, 2)."""
        shares = (np.arange(count) + 0.5) / count
        along = self.span[0] + shares * (self.span[1] - self.span[0])
        return self.base + along[:, None] * self.direction


def _guides(landmarks: Landmarks) -> tuple[np.ndarray, list[_Guide]]:
    """Foot of the perpendicular, and the lines in the order of their nodes; chest wall left."""
    polygon = breast_polygon(landmarks)
    origin, direction = _line_of(landmarks)
    foot = origin + ((landmarks.nipple - origin) @ direction) * direction
    towards = landmarks.nipple - foot
    guides = []
    for share in (0.0, 1 / 3, 2 / 3):
        base = foot + share * towards
        inset = _INSET * towards if share == 0 else 0.0
        guides.append(_Guide(base, direction, _span(polygon, base + inset, direction)))
    if landmarks.view == "MLO":
        height, width = landmarks.image_size
        corner = np.zeros(2)
        corner_foot = origin + ((corner - origin) @ direction) * direction
        base = (corner + corner_foot) / 2
        frame = np.array([[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]])
        guides.append(_Guide(base, direction, _span(frame, base, direction)))
    return foot, guides


def _line_of(landmarks: Landmarks) -> tuple[np.ndarray, np.ndarray]:
    """A point of the pectoral line and its unit direction, pointing down."""
    first, second = landmarks.pectoral_line
    direction = second - first
    length = float(np.hypot(*direction))
    if length < 1e-6:
        return first, np.array([0.0, 1.0])
    direction = direction / length
    return first, direction if direction[1] >= 0 else -direction


def _span(polygon: np.ndarray, base: np.ndarray, direction: np.ndarray) -> tuple[float, float]:
    """Part of the line base + t * direction within the polygon, as (t0, t1).

    Of several parts the one that holds the base is taken, else the longest; (0, 0) if there is
    none.
    """
    offset = polygon - base
    side = offset[:, 0] * direction[1] - offset[:, 1] * direction[0]
    along = offset @ direction
    next_side, next_along = np.roll(side, -1), np.roll(along, -1)
    # Half-open rule: a vertex on the line counts once, an edge along the line not at all.
    crossing = (side > 0) != (next_side > 0)
    if not crossing.any():
        return 0.0, 0.0
    share = side[crossing] / (side[crossing] - next_side[crossing])
    cuts = np.sort(along[crossing] + share * (next_along[crossing] - along[crossing]))
    parts = cuts[: len(cuts) // 2 * 2].reshape(-1, 2)
    holding = (parts[:, 0] <= 0) & (parts[:, 1] >= 0)
    best = int(np.argmax(holding)) if holding.any() else int(np.argmax(parts[:, 1] - parts[:, 0]))
    return float(parts[best, 0]), float(parts[best, 1])
