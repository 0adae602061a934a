"""Whether a checkpoint fits a model: what Detectron2 skips in silence is refused."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

logger = logging.getLogger(__name__)

GRAPH = "backbone.agn."
# Keys by which a graph of the same weights computes something else.
FORMULA = (
    "MODEL.AGN.FUSION",
    "MODEL.AGN.BGN.NORMALIZE",
    "MODEL.AGN.IGN.NORMALIZE",
    "MODEL.AGN.IGN.NEIGHBORS",
)
# Keys by which it computes the same on other nodes, cells or levels: a measurement may want that.
PLACES = (
    "MODEL.AGN.LAYOUT",
    "MODEL.AGN.IN_FEATURES",
    "MODEL.AGN.NUM_NEIGHBORS",
    "MODEL.AGN.IGN.REACH",
)
_GRAPH_KEYS = (
    "MODEL.AGN.FUSION, LAYOUT, IN_FEATURES, SHARE_LEVELS, BGN.ENABLED, IGN.ENABLED and "
    "IGN.OWN_WEIGHT must be those it was trained with"
)


def check_layout(model: nn.Module, state: Mapping[str, Any]) -> None:
    """Raise a ValueError if the checkpoint's prior is of other node counts than the model's."""
    own = {n: tuple(b.shape) for n, b in model.named_buffers() if n.endswith(".prior")}
    for name, shape in own.items():
        if name in state and tuple(state[name].shape) != shape:
            raise ValueError(
                f"The checkpoint was trained with layout {tuple(state[name].shape)}, but "
                f"MODEL.AGN.LAYOUT is {shape}"
            )


def check_channels(model: nn.Module, state: Mapping[str, Any]) -> None:
    """Raise a ValueError where a model of three channels meets a stem of one.

    It would be trained from a random stem.
    """
    for name, own in model.state_dict().items():
        shape = tuple(getattr(state.get(name), "shape", ()))
        if own.dim() == 4 and own.shape[1] == 3 and len(shape) == 4 and shape[1] == 1:
            raise ValueError(
                f"The checkpoint's {name} reads one channel, but the model three: "
                "MODEL.PIXEL_MEAN and PIXEL_STD need one value each for a gray model"
            )


def check_graph(
    model: nn.Module, state: Mapping[str, Any], changed: Mapping[str, tuple[Any, Any]]
) -> None:
    """A checkpoint holds the whole graph of the model, or none at all.

    A graph that was trained on other levels or neighborhoods is taken, with a warning.

    Args:
        model: the model.
        state: name -> weight of the checkpoint.
        changed: key -> (value in the checkpoint's config, own value) where they differ.

    Raises:
        ValueError: a part of the graph is missing, or would be left out, or the same weights were
            trained to another formula.
    """
    own, theirs = ({n for n in s if _of_graph(n)} for s in (model.state_dict(), state))
    if not own or not theirs:
        return
    lacks, more = sorted(own - theirs), sorted(theirs - own)
    if lacks or more:
        what = f"lacks {lacks[0]}" if lacks else f"has {more[0]} too"
        known = describe({k: v for k, v in changed.items() if k.startswith("MODEL.AGN.")})
        raise ValueError(
            f"The checkpoint's graph is another than the model's: it {what} ({len(lacks)} missing, "
            f"{len(more)} left over of {len(own)} weights). {known or _GRAPH_KEYS}"
        )
    other = {key: changed[key] for key in FORMULA if key in changed}
    if other:
        raise ValueError(
            f"The checkpoint's graph computes something else. {describe(other)}; it must be that "
            "of the checkpoint"
        )
    moved = {key: changed[key] for key in PLACES if key in changed}
    if moved:
        logger.warning("The checkpoint's graph was trained otherwise: %s", describe(moved))


def check_backbone(
    incorrect: Sequence[tuple[str, Sequence[int], Sequence[int]]],
    changed: Mapping[str, tuple[Any, Any]],
) -> None:
    """Detectron2 skips weights of another shape. For heads of other classes that is wanted; a
    backbone would silently be trained from random weights.

    Args:
        incorrect: name, shape in the checkpoint, shape in the model.
        changed: as in ``check_graph``.

    Raises:
        ValueError: a weight of the backbone has another shape.
    """
    found = [entry for entry in incorrect if entry[0].startswith("backbone.")]
    if not found:
        return
    name, theirs, own = found[0]
    keys = (
        "MODEL.FPN.OUT_CHANNELS, MODEL.RESNETS or MODEL.TIMM.NAME are other than those it was "
        "trained with"
    )
    if name.startswith(GRAPH):
        keys = _GRAPH_KEYS
    elif name.startswith("backbone.top_block."):
        keys = (
            "MODEL.FPN.TOP_BLOCK p6p7 makes p6 from p5, p6p7_res5 from res5 as Detectron2's "
            "RetinaNet does"
        )
    known = describe({key: pair for key, pair in changed.items() if key.startswith("MODEL.")})
    raise ValueError(
        f"The checkpoint's {name} has the shape {tuple(theirs)}, but the model's {tuple(own)} "
        f"({len(found)} weights of the backbone differ): {known or keys}"
    )


def check_anything_fits(model: nn.Module, missing: Sequence[str]) -> None:
    """Raise a ValueError if a checkpoint holds none of the model's weights."""
    names = [name for name, _ in model.named_parameters()]
    if names and set(names) <= set(missing):
        raise ValueError(
            f"The checkpoint holds none of the model's {len(names)} weights ({names[0]}, ...): it "
            "is of another kind of model"
        )


def describe(changed: Mapping[str, tuple[Any, Any]], then: str = "in the checkpoint") -> str:
    """One line: each key with its value then and now."""
    return ", ".join(f"{key} was {a!r} {then} and is {b!r} now" for key, (a, b) in changed.items())


def _of_graph(name: str) -> bool:
    # The prior may come from a file instead.
    return name.startswith(GRAPH) and not name.endswith(".prior")
