"""The config of a checkpoint beside that of a run: what differs, and what a resume makes of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from ..config import INITIAL_WEIGHTS
from .checkpoint_fit import describe
from .renamed_keys import rename_keys

logger = logging.getLogger(__name__)

Changes = dict[str, tuple[Any, Any]]

# What a resumed training takes from its checkpoint, whatever the config says, beside the first
# weights of all parts.
FROM_CHECKPOINT = frozenset(
    {
        "SEED",
        "MODEL.STEM_TO_GRAY",
        "MODEL.AGN.BGN.PRIOR",
        "MODEL.AGN.BGN.PRIOR_BANDWIDTH",
    }
)
# Keys of the graph that may change within a training; any other makes it another model.
_FREE_OF_GRAPH = ("VIEW_DROP", "VIS_PERIOD", "CONTEXT_GRADIENT", "BGN.PRIOR", "BGN.PRIOR_BANDWIDTH")
_REFUSED = frozenset({"SOLVER.OPTIMIZER", "MODEL.META_ARCHITECTURE", "MODEL.BACKBONE.NAME"})
# Nothing of the training depends on them.
_QUIET = frozenset({"OUTPUT_DIR", "MODEL.DEVICE", "DATALOADER.NUM_WORKERS", "VERSION"})


def differences(saved: str, own: str) -> Changes:
    """Keys of both configs whose values differ; those of a former version by their present names.

    Args:
        saved, own: what ``CfgNode.dump`` gave.

    Returns:
        key -> (saved value, own value).
    """
    then, now = (yaml.safe_load(text) for text in (saved, own))
    rename_keys(then, "the checkpoint's config")
    then, now = dict(_leaves(then)), dict(_leaves(now))
    return {k: (then[k], now[k]) for k in sorted(then.keys() & now.keys()) if then[k] != now[k]}


def check_resumed(changed: Mapping[str, tuple[Any, Any]], path: str) -> None:
    """Say what a resumed training does about keys that differ from those it began with.

    Rates, schedule, data and the rest of a config hold from the resume on. What belongs to the
    start of a training stays as it was.

    Args:
        changed: what ``differences`` returns.
        path: the checkpoint's path, for the messages.

    Raises:
        ValueError: a key that would make it another model or another optimizer.
    """
    refused = {key: pair for key, pair in changed.items() if _is_refused(key)}
    if refused:
        raise ValueError(
            f"--resume: {path} is of another training. {describe(refused)}: set it back, or train "
            "anew in another OUTPUT_DIR"
        )
    for key, (then, now) in changed.items():
        if _is_from_checkpoint(key):
            logger.warning("--resume: %s stays %r, not %r: it is the checkpoint's", key, then, now)
        elif key not in _QUIET:
            logger.warning("--resume: %s was %r and is %r from here on", key, then, now)


def _is_refused(key: str) -> bool:
    if key in _REFUSED:
        return True
    graph = key.removeprefix("MODEL.AGN.")
    return graph != key and graph not in _FREE_OF_GRAPH


def _is_from_checkpoint(key: str) -> bool:
    model, _, part = key.partition(".")
    return key in FROM_CHECKPOINT or (model == "MODEL" and part.split(".")[-1] in INITIAL_WEIGHTS)


def _leaves(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
