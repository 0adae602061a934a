"""Views of one examination and the typed batch that the backbone reads.

Shape legend
    B: examined images      V: distinct views (examined ones and their context)      N: nodes
    H, W: padded input size in pixels      points are (x, y) in pixels of the input image
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from ..utils.view_names import VIEWS

ROLES = ("examined_view", "auxiliary_view", "contralateral_view")
USE_OURS = (
    "For detections in images use agn_d2.Predictor: Detectron2's DefaultPredictor gives the model "
    "other sizes and gray values than it was trained on. A loader of your own needs "
    "agn_d2.data.mapper.CaseMapper."
)


class PerView(Protocol):
    """What has one row for each view of a batch: a tensor (V, ...), or a ``NodeMapping``."""

    def __len__(self) -> int: ...

    def __getitem__(self: Rows, rows: slice | list[int]) -> Rows: ...


Rows = TypeVar("Rows", bound=PerView)


@dataclass(eq=False)
class View:
    """One mammogram as it enters the model.

    Two inputs that name the *same object* share one pass through the backbone; this is how the
    views of a case serve each other without being computed twice.

    Attributes:
        image: (C, H, W) float32 in [0, 1].
        projection: "CC" or "MLO".
        nodes: (N, 2) float32, pseudo-landmarks (x, y) in pixels of ``image``; None if the data
            set has no landmarks, in which case only a detector without AGN can read the view.
    """

    image: Tensor
    projection: str
    nodes: Tensor | None = None

    def __post_init__(self) -> None:
        if self.projection not in VIEWS:
            raise ValueError(f"projection must be one of {VIEWS}, got {self.projection!r}")


@dataclass
class MultiViewBatch:
    """Every distinct view once, and which of them each examined image reads.

    Attributes:
        views: (V, C, H, W) normalized and padded images.
        view_sizes: (V, 2) int64, height and width before padding.
        is_mlo: (V,) bool, the projection of each view.
        nodes: (V, N, 2) float32, padded with zeros.
        node_valid: (V, N) bool, False where ``nodes`` is padding.
        examined: indices of the examined views, B of them, on the host.
        auxiliary: (B,) int64 index of the other view of the same breast, -1 where it is missing.
        contralateral: (B,) int64 index of the same view of the other breast, -1 where missing.
    """

    views: Tensor
    view_sizes: Tensor
    is_mlo: Tensor
    nodes: Tensor
    node_valid: Tensor
    examined: tuple[int, ...]
    auxiliary: Tensor
    contralateral: Tensor

    @property
    def device(self) -> torch.device:
        return self.views.device

    def take_examined(self, per_view: Rows) -> Rows:
        """Rows of a tensor (V, ...) or a ``NodeMapping`` that belong to the examined images."""
        if self.examined == tuple(range(len(per_view))):
            return per_view
        if self.examined == tuple(range(len(self.examined))):
            return per_view[: len(self.examined)]
        return per_view[list(self.examined)]


def distinct_views(batched_inputs: Sequence[dict[str, Any]]) -> tuple[list[View], list[list[int]]]:
    """The distinct views of a batch, examined ones first, and the links between them.

    Args:
        batched_inputs: model inputs as ``CaseMapper`` makes them, with ``examined_view`` and
            optionally ``auxiliary_view`` and ``contralateral_view`` (View or None).

    Returns:
        (views, links): ``links`` holds three lists of length B, the positions in ``views`` of
        the examined, the auxiliary and the contralateral view; -1 stands for a missing view.

    Raises:
        ValueError: an input has no ``examined_view`` or another ``image`` than that (a copy on
            another device is none), its auxiliary view shows the same projection, or its
            contralateral view shows the other one or is the examined view itself.
    """
    views: list[View] = []
    position: dict[int, int] = {}

    def index(view: View | None) -> int:
        if view is None:
            return -1
        if id(view) not in position:
            position[id(view)] = len(views)
            views.append(view)
        return position[id(view)]

    for number, inputs in enumerate(batched_inputs):
        _check_roles(number, inputs)
    links = [[index(inputs.get(role)) for inputs in batched_inputs] for role in ROLES]
    return views, links


def check_inputs(batched_inputs: list[dict[str, Any]]) -> None:
    """Refuse inputs that were not scaled as the model was trained, with the graph or without.

    Detectron2's ``DefaultPredictor`` and ``DatasetMapper`` know neither ``INPUT.SIZE`` nor gray
    values in [0, 1].

    Raises:
        ValueError: an input has no ``examined_view``; says what makes inputs.
    """
    for number, inputs in enumerate(batched_inputs):
        if inputs.get("examined_view") is None:
            name = inputs.get("file_name", f"input {number}")
            raise ValueError(f"{name} has no 'examined_view'. {USE_OURS}")


def _check_roles(number: int, inputs: dict[str, Any]) -> None:
    examined, auxiliary, contralateral = (inputs.get(role) for role in ROLES)
    name = inputs.get("file_name", f"input {number}")
    if examined is None:
        raise ValueError(
            f"{name}: the model reads several views, but this input has no 'examined_view'. "
            f"{USE_OURS}"
        )
    image = inputs.get("image", examined.image)
    # On another device it is the copy that DistributedDataParallel makes of an input's tensors.
    if image is not examined.image and image.device == examined.image.device:
        raise ValueError(
            f"{name}: 'image' is another tensor than that of 'examined_view', which is the one the "
            "model reads; change the image of the view."
        )
    if auxiliary is not None and auxiliary.projection == examined.projection:
        raise ValueError(
            f"{name}: the auxiliary view must show the other projection than the examined "
            f"{examined.projection} view, got {auxiliary.projection}."
        )
    if contralateral is examined:
        raise ValueError(f"{name}: the contralateral view is the examined view itself")
    if contralateral is not None and contralateral.projection != examined.projection:
        raise ValueError(
            f"{name}: the contralateral view must show the same projection as the examined "
            f"{examined.projection} view, got {contralateral.projection}."
        )


def pad_nodes(views: Sequence[View], layout: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Stack the nodes of views with different numbers of nodes.

    Args:
        views: V views.
        layout: (N_cc, N_mlo), nodes that a CC and an MLO view must have.

    Returns:
        nodes (V, N, 2) float32 with zeros as padding, and valid (V, N) bool.

    Raises:
        ValueError: a view has no nodes, or not as many as its projection has in the layout.
    """
    expected = dict(zip(VIEWS, layout, strict=True))
    for number, view in enumerate(views):
        if view.nodes is None:
            raise ValueError(
                f"View {number} of the batch has no nodes: the graph needs landmarks. Run "
                "tools/extract_landmarks.py on the images, or set MODEL.AGN.ENABLED False."
            )
        if tuple(view.nodes.shape) != (expected[view.projection], 2):
            raise ValueError(
                f"View {number} of the batch, {view.projection}, has nodes of shape "
                f"{tuple(view.nodes.shape)}, but MODEL.AGN.LAYOUT is {tuple(layout)}"
            )
    count = max(len(view.nodes) for view in views)
    nodes = torch.zeros(len(views), count, 2)
    valid = torch.zeros(len(views), count, dtype=torch.bool)
    for row, view in enumerate(views):
        nodes[row, : len(view.nodes)] = view.nodes
        valid[row, : len(view.nodes)] = True
    return nodes, valid
