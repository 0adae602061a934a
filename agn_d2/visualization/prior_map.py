"""Heat map of the prior H^g of BGN, with a sketch of where its nodes are."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from ..graph.prior import CorrespondencePrior
from ..landmarks.nodes import NodeLayout
from .node_regions import GROUP_COLOURS

_NUMBERED = 30  # nodes; more of them leave no room for numbers
_GAMMA = 0.5  # colors follow the square root: one entry in the hundred is far above the others
_SKETCH, _MAP = 3.0, 5.0  # inches, width


def prior_figure(prior: CorrespondencePrior, bandwidth: float = 0.0) -> Figure:
    """Draw H^g: the raw counts, and smoothed where a bandwidth is given.

    Args:
        prior: of a layout PL(cc, mlo).
        bandwidth: as in ``CorrespondencePrior.matrix``; 0 draws the raw counts only.

    Returns:
        The figure: a sketch of the nodes of both views, then one or two heat maps.

    Raises:
        ValueError: the counts have the shape of no layout, or a negative bandwidth.
    """
    layout = NodeLayout.parse(prior.layout)
    maps = {width: prior.matrix(width) for width in dict.fromkeys([0.0, bandwidth])}
    figure = Figure(figsize=(_SKETCH + _MAP * len(maps), 6.4), layout="constrained")
    sketches, heat = figure.subfigures(1, 2, width_ratios=[_SKETCH, _MAP * len(maps)])
    upper, lower = sketches.subplots(2, 1)
    _draw_template(upper, prior.template_cc, layout, "CC")
    _draw_template(lower, prior.template_mlo, layout, "MLO")
    panels = heat.subplots(1, len(maps), squeeze=False)[0]
    for axes, (width, matrix) in zip(panels, maps.items(), strict=True):
        image = _draw_matrix(axes, matrix, layout)
        name = "raw counts" if width == 0 else f"spread by {width:g} breast heights"
        axes.set_title(f"{name}, {(matrix == 0).mean():.0%} of the pairs 0", fontsize=11)
        bar = heat.colorbar(image, ax=axes, orientation="horizontal", shrink=0.8, pad=0.02)
        bar.locator = MaxNLocator(4)
        bar.ax.tick_params(labelsize=9)
    name = prior.dataset.replace("$", r"\$")  # no formula, unlike H^g
    figure.suptitle(
        f"$H^g$ of {name}, PL({layout.cc}, {layout.mlo}): "
        f"{prior.counts.sum():.0f} masses seen in both views",
        fontsize=12,
    )
    return figure


def _draw_template(axes: Axes, template: np.ndarray, layout: NodeLayout, view: str) -> None:
    """Mean places of the nodes of a view, chest wall at the left."""
    numbered = len(template) <= _NUMBERED
    for name, nodes in layout.groups(view).items():
        points = template[nodes]
        axes.plot(*points.T, "-", color=GROUP_COLOURS[name], linewidth=0.8, alpha=0.6)
        axes.plot(*points.T, "o", color=GROUP_COLOURS[name], markersize=4 if numbered else 2.5)
        for number in range(nodes.start, nodes.stop) if numbered else ():
            axes.annotate(
                str(number),
                template[number],
                xytext=(3, 2),
                textcoords="offset points",
                fontsize=8,
            )
    axes.set_aspect("equal")
    axes.invert_yaxis()
    axes.margins(0.12)
    axes.set_title(f"{view} nodes", fontsize=10)
    axes.set_xlabel("breast heights from the nipple", fontsize=9)
    axes.tick_params(labelsize=8)


def _draw_matrix(axes: Axes, matrix: np.ndarray, layout: NodeLayout) -> AxesImage:
    """A heat map whose rows and columns are marked by the line that the nodes lie on."""
    scale = PowerNorm(_GAMMA, vmin=0, vmax=float(matrix.max()) or 1.0)
    image = axes.imshow(matrix, cmap="magma", norm=scale, interpolation="nearest", aspect="auto")
    for view, axis, rule in (("CC", axes.yaxis, axes.axhline), ("MLO", axes.xaxis, axes.axvline)):
        groups = layout.groups(view)
        axis.set_ticks([(nodes.start + nodes.stop - 1) / 2 for nodes in groups.values()])
        size = 9 if len(matrix) <= _NUMBERED else 7
        axis.set_ticklabels(groups, fontsize=size, rotation=90)
        for label, name in zip(axis.get_ticklabels(), groups, strict=True):
            label.set_color(GROUP_COLOURS[name])
            label.set_va("center" if view == "CC" else "top")
        for nodes in list(groups.values())[1:]:
            rule(nodes.start - 0.5, color="white", linewidth=0.6, alpha=0.7)
    axes.set_ylabel("CC node", fontsize=10)
    axes.set_xlabel("MLO node", fontsize=10)
    return image
